// A column of 64-bit numbers in few bytes: differences of an order from 0 to 3,
// packed in frames of as many bits as most of a frame's numbers need; those
// that need more are exceptions.
//
//   order     1 byte: bits 0 and 1, how often differences are taken; bit 7: all
//             residuals are the same, and one zigzag varint is all that follows
//   frames    of kFramePoints residuals each, the last one shorter:
//     width       1 byte, 0 to 56, or 64
//     exceptions  1 byte, how many
//     base        zigzag varint, the frame's zero
//     exceptions  of each its place in the frame (1 byte) and what its bits
//                 beyond the width are (varint)
//     bits        of each residual, less the base, the lowest `width` bits,
//                 from the lowest bit of the first byte on
//
// The number before the first, `seed`, is known to both sides. Differences
// wrap, and those of the numbers before the seed are 0. Reaches the disk
// (docs/storage_format.md): an encoding that exists does not change.
//
// Not thread-safe, each object for itself.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_NUMBER_COLUMN_H_
#define MILLSTREAM_STORAGE_ROCKSDB_NUMBER_COLUMN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace millstream::storage {

inline constexpr size_t kFramePoints = 128;

// Appends the column numbers[1], numbers[2], ..., with numbers[0] as its seed.
// REQUIRES: two numbers or more.
void EncodeColumn(absl::Span<const uint64_t> numbers, std::string* out);

// What EncodeColumn would append, about, told from some of the numbers.
size_t EstimateColumn(absl::Span<const uint64_t> numbers);

// Reads a column, frame by frame.
class ColumnReader {
 public:
  // Borrows `bytes`, which hold a column of `count` numbers and nothing else.
  ColumnReader(std::string_view bytes, uint64_t seed, size_t count);

  // Writes the next kFramePoints numbers, or as many as are left, to `out`.
  // False: the bytes are malformed.
  bool ReadFrame(uint64_t* out);

  // All numbers were read, and all bytes.
  bool Done() const { return left_ == 0 && in_.empty(); }

 private:
  bool Begin();
  // Reads the residuals of a frame.
  bool Unpack(size_t size, uint64_t* out);

  std::string_view in_;
  size_t left_;
  bool begun_ = false;
  bool constant_ = false;
  int order_ = 0;
  uint64_t residual_ = 0;  // if constant_
  // The last number, its difference from the one before, and so on.
  uint64_t last_[4];
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_NUMBER_COLUMN_H_
