#include "gateway/json/plain_log_batch.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>

#include "base/limits.h"

namespace millstream::gateway {
namespace {

using google::protobuf::RepeatedPtrField;

static_assert(std::endian::native == std::endian::little);

// Powers of ten that a double holds exactly. A whole number below 2^53 divided
// by one of them is rounded once, as it should be.
constexpr std::array<double, 23> kPowersOfTen = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr uint64_t kExactMax = uint64_t{1} << 53;
// Digits that a uint64_t holds, whichever they are.
constexpr ptrdiff_t kDigitsMax = 19;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads forward through one text. Functions return false when it is not what
// they read; nothing matters then any more.
//
// Text ends with a brace, and behind it there is padding: so what compares a
// few characters, or stops at the first that is no digit, need not look for the
// end. Whatever is longer does.
class Reader {
 public:
  explicit Reader(std::string_view text)
      : at_(text.data()), end_(text.data() + text.size()) {}

  bool Request(v1::LogBatchRequest* request);

 private:
  // A blank as writers put it between what belongs together, or none.
  void Blank() {
    if (*at_ == ' ') ++at_;
  }
  bool Is(char c) {
    if (*at_ != c) return false;
    ++at_;
    return true;
  }
  // Whether a member's name and a colon follow. `name` ends with its quote.
  template <size_t kSize>
  bool Name(const char (&name)[kSize]) {
    if (std::memcmp(at_, name, kSize - 1) != 0) return false;
    at_ += kSize - 1;
    if (!Is(':')) return false;
    Blank();
    return true;
  }
  // `*more`: another item follows, else what is read ends with `close`.
  bool Next(char close, bool* more) {
    *more = *at_ == ',';
    if (!*more) return Is(close);
    ++at_;
    Blank();
    return true;
  }

  bool Text(std::string_view* text);
  bool Integer(int64_t* number);
  bool Double(double* number);
  bool Digits(uint64_t* number);
  // A list of Metric, Param or RunTag.
  template <typename Item>
  bool List(RepeatedPtrField<Item>* items);
  // One member of each kind of object.
  bool Member(v1::LogBatchRequest* request);
  bool Member(v1::Metric* metric);
  template <typename Pair>
  bool Member(Pair* pair);
  template <typename Item>
  bool Key(Item* item);

  const char* at_;
  const char* const end_;
  int items_ = 0;
};

bool Reader::Text(std::string_view* text) {
  if (!Is('"')) return false;
  const char* const begin = at_;
  for (; at_ < end_ && *at_ != '"'; ++at_) {
    if (*at_ < ' ' || *at_ > '~' || *at_ == '\\') return false;
  }
  if (at_ >= end_) return false;
  *text = std::string_view(begin, at_ - begin);
  ++at_;
  return true;
}

// Adds digits to *number, as many as there are, wrapping.
bool Reader::Digits(uint64_t* number) {
  if (!IsDigit(*at_)) return false;
  uint64_t result = *number;
  for (;;) {
    // Eight at a time: each byte a digit, then neighbours joined to numbers of
    // two, four and eight digits.
    uint64_t eight;
    std::memcpy(&eight, at_, sizeof(eight));
    eight ^= 0x3030303030303030;
    if (((eight + 0x7676767676767676) & 0x8080808080808080) != 0 ||
        (eight & 0x8080808080808080) != 0) {
      break;
    }
    eight = (eight * 10 + (eight >> 8)) & 0x00FF00FF00FF00FF;
    eight = (eight * 100 + (eight >> 16)) & 0x0000FFFF0000FFFF;
    eight = (eight * 10'000 + (eight >> 32)) & 0xFFFFFFFF;
    result = result * 100'000'000 + eight;
    at_ += sizeof(eight);
    if (at_ >= end_) return false;
  }
  for (; IsDigit(*at_); ++at_) {
    result = result * 10 + static_cast<uint64_t>(*at_ - '0');
  }
  *number = result;
  return true;
}

bool Reader::Integer(int64_t* number) {
  const bool negative = Is('-');
  const char* const begin = at_;
  uint64_t digits = 0;
  if (!Digits(&digits)) return false;
  const ptrdiff_t count = at_ - begin;
  if ((*begin == '0' && count > 1) || count >= kDigitsMax || *at_ == '.' ||
      *at_ == 'e' || *at_ == 'E') {
    return false;
  }
  *number = static_cast<int64_t>(negative ? 0 - digits : digits);
  return true;
}

bool Reader::Double(double* number) {
  const char* const begin = at_;
  const bool negative = Is('-');
  const char* const first = at_;
  uint64_t digits = 0;
  if (!Digits(&digits)) return false;
  if (*first == '0' && at_ - first > 1) return false;
  ptrdiff_t count = at_ - first;
  ptrdiff_t fraction = 0;
  if (Is('.')) {
    const char* const point = at_;
    if (!Digits(&digits)) return false;
    fraction = at_ - point;
    count += fraction;
  }
  const bool exponent = *at_ == 'e' || *at_ == 'E';
  if (!exponent && count <= kDigitsMax && digits <= kExactMax) {
    const double value = static_cast<double>(digits) /
                         kPowersOfTen[static_cast<size_t>(fraction)];
    *number = negative ? -value : value;
    return true;
  }
  if (exponent) {
    ++at_;
    if (*at_ == '+' || *at_ == '-') ++at_;
    uint64_t ignored = 0;
    if (!Digits(&ignored)) return false;
  }
  const auto [end, error] = std::from_chars(begin, at_, *number);
  return error == std::errc() && end == at_;
}

template <typename Item>
bool Reader::Key(Item* item) {
  std::string_view key;
  if (!Name("key\"") || item->has_key() || !Text(&key)) return false;
  item->mutable_key()->assign(key);
  return true;
}

template <typename Pair>
bool Reader::Member(Pair* pair) {
  if (*at_ == 'k') return Key(pair);
  std::string_view value;
  if (!Name("value\"") || pair->has_value() || !Text(&value)) return false;
  pair->mutable_value()->assign(value);
  return true;
}

bool Reader::Member(v1::Metric* metric) {
  int64_t number;
  switch (*at_) {
    case 'k':
      return Key(metric);
    case 'v': {
      double value;
      if (!Name("value\"") || metric->has_value() || !Double(&value)) {
        return false;
      }
      metric->set_value(value);
      return true;
    }
    case 't':
      if (!Name("timestamp\"") || metric->has_timestamp() ||
          !Integer(&number)) {
        return false;
      }
      metric->set_timestamp(number);
      return true;
    default:
      if (!Name("step\"") || metric->has_step() || !Integer(&number)) {
        return false;
      }
      metric->set_step(number);
      return true;
  }
}

template <typename Item>
bool Reader::List(RepeatedPtrField<Item>* items) {
  // Not a second list: what is there would not be replaced.
  if (!items->empty() || !Is('[')) return false;
  if (Is(']')) return true;
  for (bool more = true; more;) {
    if (at_ >= end_ || ++items_ > limits::kRequestItemsMax || !Is('{')) {
      return false;
    }
    Item* const item = items->Add();
    for (bool member = true; member;) {
      if (!Is('"') || !Member(item) || !Next('}', &member)) return false;
    }
    if (!Next(']', &more)) return false;
  }
  return true;
}

bool Reader::Member(v1::LogBatchRequest* request) {
  std::string_view run_id;
  switch (*at_) {
    case 'r':
      if (!Name("run_id\"") || request->has_run_id() || !Text(&run_id)) {
        return false;
      }
      request->mutable_run_id()->assign(run_id);
      return true;
    case 'm':
      return Name("metrics\"") && List(request->mutable_metrics());
    case 'p':
      return Name("params\"") && List(request->mutable_params());
    default:
      return Name("tags\"") && List(request->mutable_tags());
  }
}

bool Reader::Request(v1::LogBatchRequest* request) {
  if (!Is('{')) return false;
  for (bool more = true; more;) {
    if (!Is('"') || !Member(request) || !Next('}', &more)) return false;
  }
  return at_ == end_;
}

}  // namespace

bool ReadPlainLogBatch(std::string_view text, v1::LogBatchRequest* request) {
  return !text.empty() && text.back() == '}' && Reader(text).Request(request);
}

}  // namespace millstream::gateway
