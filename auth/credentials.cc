#include "auth/credentials.h"

#include <arpa/inet.h>

#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "openssl/core_names.h"
#include "openssl/evp.h"
#include "openssl/params.h"
#include "openssl/rand.h"

namespace millstream::auth {
namespace {

// The scheme's name in any case, then spaces; the rest is left in `header`.
bool TakeScheme(std::string_view name, std::string_view* header) {
  if (header->size() <= name.size() || (*header)[name.size()] != ' ' ||
      !absl::EqualsIgnoreCase(AbslView(header->substr(0, name.size())),
                              AbslView(name))) {
    return false;
  }
  header->remove_prefix(name.size());
  *header = StdView(absl::StripAsciiWhitespace(AbslView(*header)));
  return true;
}

using MacContext = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;

// An HMAC with this process's key.
MacContext NewMac() {
  static const Fingerprint key = [] {
    Fingerprint bytes;
    RAND_bytes(bytes.data(), bytes.size());
    return bytes;
  }();
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(
      EVP_MAC_fetch(nullptr, "HMAC", nullptr), EVP_MAC_free);
  MacContext context(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free);
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  EVP_MAC_init(context.get(), key.data(), key.size(), parameters);
  return context;
}

}  // namespace

std::optional<Credentials> ParseAuthorization(std::string_view header) {
  Credentials credentials;
  if (header.size() > limits::kAuthorizationBytesMax) return std::nullopt;
  if (TakeScheme("Bearer", &header)) {
    if (header.empty()) return std::nullopt;
    credentials.secret = std::string(header);
    credentials.is_token = true;
    return credentials;
  }
  std::string decoded;
  if (!TakeScheme("Basic", &header) ||
      !absl::Base64Unescape(AbslView(header), &decoded)) {
    return std::nullopt;
  }
  const size_t colon = decoded.find(':');
  if (colon == std::string::npos || colon == 0 ||
      colon > limits::kUserNameBytesMax) {
    return std::nullopt;
  }
  credentials.user = decoded.substr(0, colon);
  credentials.secret = decoded.substr(colon + 1);
  return credentials;
}

std::string HostOf(std::string_view peer) {
  std::string text(peer);
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (absl::StartsWith(text, AbslView(scheme))) text.erase(0, scheme.size());
  }
  in6_addr address;
  // Without a port; or with one that reads as a part of it, which makes no
  // difference to the network.
  if (inet_pton(AF_INET6, text.c_str(), &address) == 1) return text;
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos) text.resize(colon);
  if (absl::StartsWith(text, "%5B") && text.size() > 6) {
    text = text.substr(3, text.size() - 6);
  } else if (absl::StartsWith(text, "[") && text.size() > 2) {
    text = text.substr(1, text.size() - 2);
  }
  if (const size_t zone = text.find('%'); zone != std::string::npos) {
    text.resize(zone);
  }
  return text;
}

std::string AddressOf(std::string_view peer) {
  std::string text = HostOf(peer);
  in6_addr address;
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return text;
  // An IPv4 address in the form of IPv6 is one all the same.
  if (IN6_IS_ADDR_V4MAPPED(&address)) return text.substr(text.rfind(':') + 1);
  std::memset(&address.s6_addr[8], 0, 8);
  char network[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, &address, network, sizeof(network));
}

absl::Status NoCredentials() {
  return MakeError(v1::UNAUTHENTICATED,
                   "This server asks for a user name and password: set "
                   "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.");
}

absl::Status WrongCredentials() {
  return MakeError(v1::UNAUTHENTICATED,
                   "The user name or the password is wrong.");
}

Fingerprint FingerprintOf(std::string_view text) {
  thread_local const MacContext context = NewMac();
  Fingerprint fingerprint{};
  size_t size = 0;
  EVP_MAC_init(context.get(), nullptr, 0, nullptr);
  EVP_MAC_update(context.get(),
                 reinterpret_cast<const unsigned char*>(text.data()),
                 text.size());
  EVP_MAC_final(context.get(), fingerprint.data(), &size, fingerprint.size());
  return fingerprint;
}

}  // namespace millstream::auth
