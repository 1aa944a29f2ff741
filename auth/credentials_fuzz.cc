// Any text as an Authorization header and as the address of a caller: what is
// taken for a name and password is what would be sent for them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "auth/credentials.h"
#include "base/limits.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckHeader(std::string_view header) {
  const auto found = millstream::auth::ParseAuthorization(header);
  if (!found.has_value()) return;
  Require(header.size() <= millstream::limits::kAuthorizationBytesMax);
  if (found->is_token) {
    Require(found->user.empty() && !found->secret.empty());
    return;
  }
  Require(!found->user.empty() &&
          found->user.size() <= millstream::limits::kUserNameBytesMax);
  const std::string sent =
      "Basic " + absl::Base64Escape(found->user + ":" + found->secret);
  // Padding that was left out.
  if (sent.size() > millstream::limits::kAuthorizationBytesMax) return;
  const auto again = millstream::auth::ParseAuthorization(sent);
  Require(again.has_value() && again->user == found->user &&
          again->secret == found->secret);
}

}  // namespace

// Two lines: a header, a peer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), text.size());
  CheckHeader(text.substr(0, end));
  const std::string_view peer =
      text.substr(std::min(end + 1, text.size()));
  Require(millstream::auth::HostOf(peer).size() <= peer.size());
  millstream::auth::AddressOf(peer);
  return 0;
}
