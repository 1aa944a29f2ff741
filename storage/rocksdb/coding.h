// Numbers as bytes: varints of 7 bits a byte, least significant first, and
// fixed 8 bytes, little-endian. Reach the disk: do not change.
//
// All functions are pure. The Get functions take what they read from the front
// of *in; false: it is malformed, and *in and *value are unspecified.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_CODING_H_
#define MILLSTREAM_STORAGE_ROCKSDB_CODING_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millstream::storage {

static_assert(std::endian::native == std::endian::little);

// Differences, small where they are near zero on either side.
inline uint64_t Zigzag(uint64_t difference) {
  return difference << 1 ^ (0 - (difference >> 63));
}
inline uint64_t Unzigzag(uint64_t coded) {
  return coded >> 1 ^ (0 - (coded & 1));
}

inline void PutVarint(uint64_t value, std::string* out) {
  char bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out->append(bytes, size);
}

inline size_t VarintBytes(uint64_t value) {
  return (std::bit_width(value | 1) + 6) / 7;
}

inline bool GetVarint(std::string_view* in, uint64_t* value) {
  if (!in->empty() && static_cast<uint8_t>(in->front()) < 0x80) {
    *value = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    return true;
  }
  uint64_t result = 0;
  for (size_t i = 0; i < in->size() && i < 10; ++i) {
    auto byte = static_cast<uint8_t>((*in)[i]);
    if (i == 9 && byte > 1) return false;
    result |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      *value = result;
      in->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

inline void PutFixed64(uint64_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline bool GetFixed64(std::string_view* in, uint64_t* value) {
  if (in->size() < sizeof(*value)) return false;
  std::memcpy(value, in->data(), sizeof(*value));
  in->remove_prefix(sizeof(*value));
  return true;
}

inline bool GetByte(std::string_view* in, uint8_t* value) {
  if (in->empty()) return false;
  *value = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  return true;
}

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_CODING_H_
