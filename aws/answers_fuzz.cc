// Any text as the answer of a service that gives keys: whole keys, or none.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "aws/credential_sources.h"
#include "aws/json.h"
#include "aws/sts.h"

namespace {

namespace aws = millstream::aws;

void Require(bool holds) {
  if (!holds) std::abort();
}

void Check(const absl::StatusOr<aws::Credentials>& found) {
  if (!found.ok()) {
    Require(absl::IsUnavailable(found.status()));
    return;
  }
  Require(!found->access_key_id.empty() && !found->secret_access_key.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Check(aws::ParseCredentialsJson(std::string(text)));
  for (const char* action : {"AssumeRole", "AssumeRoleWithWebIdentity"}) {
    Check(aws::ParseStsAnswer(action, text));
  }
  aws::ParseExpiration(text);
  const auto members = aws::ParseJsonObject(text);
  Require(members.ok() || absl::IsInvalidArgument(members.status()));
  return 0;
}
