// Bytes of an upload that wait to be sent. For this folder alone.
#ifndef MILLSTREAM_STORAGE_S3_PART_BUFFER_H_
#define MILLSTREAM_STORAGE_S3_PART_BUFFER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aws/http_request.h"
#include "base/memory_budget.h"

namespace millstream::storage {

// A body that grows: in memory as far as limits::kS3PartMemoryBytesMax and the
// budget allow, in a file without a name beyond that. Not thread-safe.
class PartBuffer final : public aws::HttpBody {
 public:
  // `budget` outlives this. The file would be made in `folder`.
  PartBuffer(MemoryBudget* budget, std::string folder);
  ~PartBuffer() override;
  PartBuffer(const PartBuffer&) = delete;
  PartBuffer& operator=(const PartBuffer&) = delete;

  // IO_ERROR if there is no room in the folder.
  absl::Status Append(std::string_view data);
  // Empties it; memory and file stay for what comes next.
  void Clear();
  bool in_file() const { return in_file_; }

  int64_t size() const override { return size_; }
  absl::StatusOr<size_t> ReadAt(int64_t offset,
                                std::span<char> buffer) override;

 private:
  bool AppendToMemory(std::string_view data);
  absl::Status MoveToFile();
  absl::Status AppendToFile(std::string_view data);

  const std::string folder_;
  MemoryBudget::Share share_;
  // Of kBlockBytes each.
  std::vector<std::unique_ptr<char[]>> blocks_;
  bool in_file_ = false;
  int file_ = -1;
  int64_t size_ = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_PART_BUFFER_H_
