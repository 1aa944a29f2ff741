#include "aws/http_request.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// A part of a URL that libcurl has taken apart; empty if it lacks it.
std::string PartOf(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string owned(text);
  curl_free(text);
  return owned;
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(),
                                                        curl_url_cleanup);
  const absl::Status bad =
      absl::InvalidArgumentError(StrCat("'", url,
                                        "' is not the URL of a service, as in "
                                        "https://storage.example.com:9000."));
  if (curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), 0) !=
      CURLUE_OK) {
    return bad;
  }
  Endpoint endpoint;
  endpoint.scheme = PartOf(parsed.get(), CURLUPART_SCHEME);
  endpoint.host = absl::AsciiStrToLower(PartOf(parsed.get(), CURLUPART_HOST));
  const std::string port =
      PartOf(parsed.get(), CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if ((endpoint.scheme != "http" && endpoint.scheme != "https") ||
      endpoint.host.empty() || !PartOf(parsed.get(), CURLUPART_USER).empty() ||
      !PartOf(parsed.get(), CURLUPART_QUERY).empty() ||
      !PartOf(parsed.get(), CURLUPART_FRAGMENT).empty()) {
    return bad;
  }
  if (!port.empty()) StrAppend(&endpoint.host, ":", port);
  endpoint.path = PartOf(parsed.get(), CURLUPART_PATH);
  while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  return endpoint;
}

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (header == name) return value;
  }
  return "";
}

std::string PercentEncode(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' ||
        c == '~' || (keep_slash && c == '/')) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

std::string EncodeQuery(const NameValues& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    StrAppend(&text, text.empty() ? "" : "&", PercentEncode(name), "=",
              PercentEncode(value));
  }
  return text;
}

}  // namespace millstream::aws
