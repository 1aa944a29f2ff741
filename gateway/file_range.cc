#include "gateway/file_range.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/str_cat.h"
#include "gateway/http_writer.h"

namespace millstream::gateway {
namespace {

std::string_view Trim(std::string_view text) {
  return StdView(absl::StripAsciiWhitespace(AbslView(text)));
}

// A number of bytes; nothing for signs, blanks and what int64 cannot hold.
std::optional<int64_t> ParseOffset(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() ||
      end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

// Times in headers have no milliseconds.
int64_t Seconds(int64_t ms) { return ms / 1000; }

}  // namespace

bool IsUnchanged(const RequestHead& head, std::string_view etag,
                 std::optional<int64_t> modified_ms) {
  if (const auto tags = head.Header("if-none-match"); tags.has_value()) {
    if (etag.empty()) return false;
    for (const absl::string_view part : absl::StrSplit(AbslView(*tags), ',')) {
      std::string_view tag = Trim(StdView(part));
      if (tag == "*") return true;
      if (absl::StartsWith(AbslView(tag), "W/")) tag.remove_prefix(2);
      if (tag == etag) return true;
    }
    return false;
  }
  const auto since = head.Header("if-modified-since");
  if (!since.has_value() || !modified_ms.has_value()) return false;
  const std::optional<int64_t> since_ms = ParseHttpDate(*since);
  return since_ms.has_value() && Seconds(*modified_ms) <= Seconds(*since_ms);
}

RangeKind ReadRange(const RequestHead& head, int64_t size,
                    std::string_view etag, std::optional<int64_t> modified_ms,
                    ByteRange* range) {
  const auto header = head.Header("range");
  if (!header.has_value()) return RangeKind::kWhole;
  if (const auto only_if = head.Header("if-range"); only_if.has_value()) {
    const std::optional<int64_t> time = ParseHttpDate(*only_if);
    const bool same = time.has_value()
                          ? modified_ms.has_value() &&
                                Seconds(*modified_ms) == Seconds(*time)
                          : !etag.empty() && *only_if == etag;
    if (!same) return RangeKind::kWhole;
  }
  std::string_view text = Trim(*header);
  if (!absl::StartsWithIgnoreCase(AbslView(text), "bytes=")) {
    return RangeKind::kMalformed;
  }
  text.remove_prefix(6);
  if (text.find(',') != std::string_view::npos) return RangeKind::kSeveral;
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return RangeKind::kMalformed;
  const std::string_view first = Trim(text.substr(0, dash));
  const std::string_view last = Trim(text.substr(dash + 1));
  if (first.empty()) {
    const std::optional<int64_t> count = ParseOffset(last);
    if (!count.has_value()) return RangeKind::kMalformed;
    if (*count == 0 || size == 0) return RangeKind::kOutside;
    *range = {std::max<int64_t>(size - *count, 0), size};
    return RangeKind::kPart;
  }
  const std::optional<int64_t> begin = ParseOffset(first);
  if (!begin.has_value()) return RangeKind::kMalformed;
  int64_t end = size;
  if (!last.empty()) {
    const std::optional<int64_t> inclusive = ParseOffset(last);
    if (!inclusive.has_value() || *inclusive < *begin) {
      return RangeKind::kMalformed;
    }
    end = *inclusive < size ? *inclusive + 1 : size;
  }
  if (*begin >= size) return RangeKind::kOutside;
  *range = {*begin, end};
  return RangeKind::kPart;
}

std::string ContentRange(const ByteRange& range, int64_t size) {
  return StrCat("bytes ", range.begin, "-", range.end - 1, "/", size);
}

std::string ContentRangeOutside(int64_t size) {
  return StrCat("bytes */", size);
}

}  // namespace millstream::gateway
