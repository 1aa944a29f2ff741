#include "storage/rocksdb/metric_key.h"

#include <bit>
#include <limits>

namespace millstream::storage {
namespace {

constexpr char kHexRunTag = 0x01;
constexpr char kOtherRunTag = 0x02;
constexpr size_t kHexRunDigits = 32;

constexpr char kEscape = 0x00;
constexpr char kEscapedZero = static_cast<char>(0xFF);
constexpr char kEnd = 0x00;

constexpr uint64_t kSign = uint64_t{1} << 63;

// Value of a lower-case hexadecimal digit, or -1.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Appends the 16 bytes of 32 digits; false, and nothing appended, if
// `text` is anything else.
bool AppendHexBytes(std::string_view text, std::string* out) {
  if (text.size() != kHexRunDigits) return false;
  char bytes[kHexRunDigits / 2];
  for (size_t i = 0; i < sizeof(bytes); ++i) {
    int high = HexDigit(text[2 * i]);
    int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<char>(high << 4 | low);
  }
  out->append(1, kHexRunTag);
  out->append(bytes, sizeof(bytes));
  return true;
}

void StoreBigEndian(uint64_t value, char* out) {
  for (int i = 7; i >= 0; --i) {
    out[i] = static_cast<char>(value);
    value >>= 8;
  }
}

uint64_t LoadBigEndian(const char* in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) {
    value = value << 8 | static_cast<uint8_t>(in[i]);
  }
  return value;
}

}  // namespace

void AppendRunPrefix(std::string_view run_id, std::string* out) {
  if (AppendHexBytes(run_id, out)) return;
  out->append(1, kOtherRunTag);
  out->append(1, static_cast<char>(run_id.size() >> 8));
  out->append(1, static_cast<char>(run_id.size()));
  out->append(run_id);
}

void AppendMetricKey(std::string_view metric_key, std::string* out) {
  for (char c : metric_key) {
    out->append(1, c);
    if (c == kEscape) out->append(1, kEscapedZero);
  }
  out->append(1, kEscape);
  out->append(1, kEnd);
}

void AppendSeriesPrefix(std::string_view run_id, std::string_view metric_key,
                        std::string* out) {
  AppendRunPrefix(run_id, out);
  AppendMetricKey(metric_key, out);
}

void AppendPoint(const MetricPoint& point, std::string* out) {
  char bytes[kPointBytes];
  StoreBigEndian(static_cast<uint64_t>(point.timestamp_ms) ^ kSign, bytes);
  StoreBigEndian(static_cast<uint64_t>(point.step) ^ kSign, bytes + 8);
  StoreBigEndian(ValueOrder(point.value), bytes + 16);
  out->append(bytes, sizeof(bytes));
}

void AppendHash(uint64_t hash, std::string* out) {
  char bytes[kHashBytes];
  StoreBigEndian(hash, bytes);
  out->append(bytes, sizeof(bytes));
}

void AppendStep(int64_t step, std::string* out) {
  char bytes[sizeof(step)];
  StoreBigEndian(static_cast<uint64_t>(step) ^ kSign, bytes);
  out->append(bytes, sizeof(bytes));
}

uint64_t ParseHash(std::string_view bytes) {
  return LoadBigEndian(bytes.data());
}

int64_t ParseStep(std::string_view bytes) {
  return static_cast<int64_t>(LoadBigEndian(bytes.data()) ^ kSign);
}

MetricPoint ParsePoint(std::string_view bytes) {
  MetricPoint point;
  point.timestamp_ms =
      static_cast<int64_t>(LoadBigEndian(bytes.data()) ^ kSign);
  point.step = static_cast<int64_t>(LoadBigEndian(bytes.data() + 8) ^ kSign);
  point.value = ValueOfOrder(LoadBigEndian(bytes.data() + 16));
  return point;
}

bool ConsumeRunPrefix(std::string_view* key, std::string* run_id) {
  if (key->empty()) return false;
  const char tag = key->front();
  key->remove_prefix(1);
  run_id->clear();
  if (tag == kHexRunTag) {
    if (key->size() < kHexRunDigits / 2) return false;
    constexpr char kDigits[] = "0123456789abcdef";
    for (size_t i = 0; i < kHexRunDigits / 2; ++i) {
      auto byte = static_cast<uint8_t>((*key)[i]);
      run_id->append(1, kDigits[byte >> 4]);
      run_id->append(1, kDigits[byte & 15]);
    }
    key->remove_prefix(kHexRunDigits / 2);
    return true;
  }
  if (tag != kOtherRunTag || key->size() < 2) return false;
  const size_t size = static_cast<uint8_t>((*key)[0]) << 8 |
                      static_cast<uint8_t>((*key)[1]);
  key->remove_prefix(2);
  if (key->size() < size) return false;
  run_id->assign(key->substr(0, size));
  key->remove_prefix(size);
  return true;
}

bool ConsumeMetricKey(std::string_view* key, std::string* metric_key) {
  metric_key->clear();
  size_t i = 0;
  while (i < key->size()) {
    const char c = (*key)[i];
    if (c != kEscape) {
      metric_key->append(1, c);
      ++i;
      continue;
    }
    if (i + 1 >= key->size()) return false;
    const char next = (*key)[i + 1];
    i += 2;
    if (next == kEnd) {
      key->remove_prefix(i);
      return true;
    }
    if (next != kEscapedZero) return false;
    metric_key->append(1, kEscape);
  }
  return false;
}

bool ParseRecordSuffix(std::string_view suffix, RecordSuffix* record) {
  if (suffix.size() < 1 + kPointBytes) return false;
  record->record_class = static_cast<uint8_t>(suffix.front());
  record->first = ParsePoint(suffix.substr(1));
  suffix.remove_prefix(1 + kPointBytes);
  if (record->record_class == kSinglePointClass ||
      record->record_class == kPackedClass ||
      record->record_class == kSummaryClass) {
    record->hash = 0;
    return suffix.empty();
  }
  if (record->record_class > kBlockClassMax || suffix.size() != kHashBytes) {
    return false;
  }
  record->hash = LoadBigEndian(suffix.data());
  return true;
}

uint8_t BlockClass(const MetricPoint& first, const MetricPoint& last) {
  const uint64_t span = static_cast<uint64_t>(last.timestamp_ms) -
                        static_cast<uint64_t>(first.timestamp_ms);
  return static_cast<uint8_t>(kBlockClassMin + (std::bit_width(span) + 1) / 2);
}

uint64_t BlockClassSpanMax(uint8_t block_class) {
  const int bits = 2 * (block_class - kBlockClassMin);
  if (bits >= 64) return std::numeric_limits<uint64_t>::max();
  return (uint64_t{1} << bits) - 1;
}

}  // namespace millstream::storage
