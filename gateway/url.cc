#include "gateway/url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "gateway/json/scalar_text.h"
#include "gateway/json/utf8.h"

namespace millstream::gateway {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// Value of a hexadecimal digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendEncoded(char c, std::string* out) {
  const auto byte = static_cast<unsigned char>(c);
  out->push_back('%');
  out->push_back(kHexDigits[byte >> 4]);
  out->push_back(kHexDigits[byte & 15]);
}

// `text` with the bytes encoded that belong to no UTF-8 sequence.
std::string KeepUtf8(std::string text) {
  size_t good = 0;
  while (good < text.size()) {
    const size_t length = Utf8SequenceLength(text, good);
    if (length == 0) break;
    good += length;
  }
  if (good == text.size()) return text;
  std::string kept = text.substr(0, good);
  while (good < text.size()) {
    const size_t length = Utf8SequenceLength(text, good);
    if (length == 0) {
      AppendEncoded(text[good++], &kept);
    } else {
      kept.append(text, good, length);
      good += length;
    }
  }
  return kept;
}

}  // namespace

std::string PercentDecode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+' && plus == Plus::kIsBlank) {
      decoded.push_back(' ');
    } else if (c == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
               HexValue(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 +
                                          HexValue(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(c);
    }
  }
  return KeepUtf8(std::move(decoded));
}

std::string EncodePath(std::string_view path) {
  std::string encoded;
  for (const char c : path) {
    if (absl::ascii_isalnum(c) ||
        std::string_view("/-._~!$&'()*+,;=:@").find(c) !=
            std::string_view::npos) {
      encoded.push_back(c);
    } else {
      AppendEncoded(c, &encoded);
    }
  }
  return encoded;
}

absl::StatusOr<QueryParameters> ParseQuery(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    if (parameters.size() == limits::kQueryParametersMax) {
      return InvalidParameter("The URL has more than ",
                              limits::kQueryParametersMax, " parameters.");
    }
    const size_t equals = std::min(part.find('='), part.size());
    parameters.emplace_back(
        PercentDecode(part.substr(0, equals), Plus::kIsBlank),
        PercentDecode(part.substr(std::min(equals + 1, part.size())),
                      Plus::kIsBlank));
  }
  return parameters;
}

const std::string* FindParameter(const QueryParameters& parameters,
                                 std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

absl::Status BindQuery(const QueryParameters& parameters,
                       const MessageTable& table,
                       google::protobuf::Message* message) {
  uint64_t seen = 0;
  for (const auto& [name, value] : parameters) {
    const FieldInfo* field = table.FindByName(name);
    if (field == nullptr) continue;
    const uint64_t bit = uint64_t{1} << field->index;
    if (!field->repeated && (seen & bit) != 0) continue;
    seen |= bit;
    absl::Status status =
        SetFromText(*field, value, name,
                    field->repeated ? Append::kYes : Append::kNo, message);
    if (!status.ok() && field->misfit != v1::IGNORED) return status;
  }
  return absl::OkStatus();
}

}  // namespace millstream::gateway
