#include "storage/s3/part_buffer.h"

#include <string>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "storage/s3/s3_transfers.h"

namespace millstream::storage {
namespace {

std::string ReadAll(PartBuffer* buffer) {
  std::string all;
  std::vector<char> piece(100'003);
  for (;;) {
    const auto count = buffer->ReadAt(static_cast<int64_t>(all.size()), piece);
    if (!count.ok()) return std::string(count.status().message());
    if (*count == 0) return all;
    all.append(piece.data(), *count);
  }
}

std::string Bytes(size_t size) {
  std::string bytes;
  for (int i = 0; bytes.size() < size; ++i) bytes += std::to_string(i);
  return bytes.substr(0, size);
}

TEST(PartBufferTest, KeepsWhatFitsInMemory) {
  MemoryBudget budget(limits::kS3UploadsMemoryBytesMax);
  PartBuffer buffer(&budget, "/nonexistent");
  const std::string bytes = Bytes(limits::kS3PartMemoryBytesMax);
  for (size_t at = 0; at < bytes.size(); at += 99'991) {
    ASSERT_TRUE(buffer.Append(bytes.substr(at, 99'991)).ok());
  }
  EXPECT_FALSE(buffer.in_file());
  EXPECT_TRUE(ReadAll(&buffer) == bytes);
  buffer.Clear();
  EXPECT_EQ(buffer.size(), 0);
  EXPECT_EQ(ReadAll(&buffer), "");
  ASSERT_TRUE(buffer.Append("again").ok());
  EXPECT_EQ(ReadAll(&buffer), "again");
  // There is no such folder for more.
  EXPECT_FALSE(buffer.Append(bytes).ok());
}

TEST(PartBufferTest, KeepsTheRestInAFile) {
  MemoryBudget budget(limits::kS3UploadsMemoryBytesMax);
  PartBuffer buffer(&budget, testing::TempDir());
  const std::string bytes = Bytes(limits::kS3PartMemoryBytesMax + 3'000'000);
  ASSERT_TRUE(buffer.Append(bytes.substr(0, 1'000'001)).ok());
  ASSERT_TRUE(buffer.Append(bytes.substr(1'000'001)).ok());
  EXPECT_TRUE(buffer.in_file());
  EXPECT_EQ(budget.held(), 0u);
  EXPECT_TRUE(ReadAll(&buffer) == bytes);
  buffer.Clear();
  ASSERT_TRUE(buffer.Append("small").ok());
  EXPECT_FALSE(buffer.in_file());
  EXPECT_EQ(ReadAll(&buffer), "small");
}

TEST(PartBufferTest, WhoFindsNoMemoryTakesAFile) {
  MemoryBudget budget(1'000'000);
  PartBuffer first(&budget, testing::TempDir());
  PartBuffer second(&budget, testing::TempDir());
  const std::string bytes = Bytes(500'000);
  ASSERT_TRUE(first.Append(bytes).ok());
  ASSERT_TRUE(second.Append(bytes).ok());
  EXPECT_TRUE(second.in_file());
  EXPECT_TRUE(ReadAll(&second) == bytes);
}

TEST(S3PartBytesTest, AllPartsTogetherAreTheLargestObject) {
  int64_t all = 0;
  for (int number = 1; number <= limits::kS3PartsMax; ++number) {
    const int64_t bytes = S3PartBytes(number);
    EXPECT_GE(bytes, limits::kS3PartBytesMin);
    EXPECT_LE(bytes, limits::kMultipartPartBytesMax);
    all += bytes;
  }
  EXPECT_GE(all, limits::kS3ObjectBytesMax);
  EXPECT_EQ(S3PartBytes(1), limits::kS3PartMemoryBytesMax);
  EXPECT_GT(limits::kS3KeysPerRequestMax, 1u);
  EXPECT_GT(limits::kServiceAnswerBytesMax,
            limits::kS3KeysPerRequestMax * limits::kS3KeyBytesMax);
}

}  // namespace
}  // namespace millstream::storage
