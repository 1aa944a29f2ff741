// Files on their way from and to buckets. For this folder alone.
#ifndef MILLSTREAM_STORAGE_S3_S3_TRANSFERS_H_
#define MILLSTREAM_STORAGE_S3_S3_TRANSFERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aws/http_client.h"
#include "base/byte_stream.h"
#include "storage/s3/part_buffer.h"
#include "storage/s3/s3_client.h"

namespace millstream::storage {

// The bytes of one object, read as they are asked for. A connection that
// breaks is replaced, as long as the object is still the same; an object that
// was replaced meanwhile ends with ABORTED, so that what is read is never a
// mix. Not thread-safe.
class S3Source final : public ByteSource {
 public:
  // Finds the object and its first bytes: small ones come whole with this. In
  // *object what it is. Errors as of S3Client::Get. `client` outlives this.
  static absl::StatusOr<std::unique_ptr<S3Source>> Open(S3Client* client,
                                                        S3Name name,
                                                        S3Object* object);

  absl::StatusOr<size_t> Read(std::span<char> buffer) override;
  absl::Status Seek(int64_t offset) override;

 private:
  S3Source(S3Client* client, S3Name name, S3Object object, std::string first)
      : client_(client),
        name_(std::move(name)),
        object_(std::move(object)),
        first_(std::move(first)) {}

  absl::StatusOr<size_t> ReadOnce(std::span<char> buffer);

  S3Client* const client_;
  const S3Name name_;
  const S3Object object_;
  // The object's first bytes.
  const std::string first_;
  int64_t offset_ = 0;
  std::unique_ptr<aws::HttpStream> stream_;
  // Where that is.
  int64_t stream_offset_ = 0;
};

// Bytes of part `number` of an upload of unknown length: so small that memory
// holds it, and growing so that limits::kS3PartsMax of them are as much as an
// object may be.
int64_t S3PartBytes(int64_t number);

// An object in the making: sent whole if it is small, else in parts. Dropped
// unfinished it ends the upload. Not thread-safe.
class S3Sink final : public ByteSink {
 public:
  // `client` outlives this.
  S3Sink(S3Client* client, S3Name name);
  ~S3Sink() override;

  absl::Status Write(std::string_view data) override;
  absl::Status Finish() override;

 private:
  absl::Status SendPart();

  S3Client* const client_;
  const S3Name name_;
  PartBuffer buffer_;
  // Empty until there is more than one part.
  std::string upload_id_;
  std::vector<S3Part> parts_;
  int64_t size_ = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_S3_TRANSFERS_H_
