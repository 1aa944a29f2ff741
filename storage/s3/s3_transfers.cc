#include "storage/s3/s3_transfers.h"

#include <algorithm>
#include <utility>

#include "aws/service.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// What Open fetches.
constexpr int64_t kFirstBytes = limits::kHttpClientBufferBytes;
// Parts of each size, before they double.
constexpr int64_t kPartsOfOneSize = 1000;

absl::Status Replaced() {
  return absl::AbortedError("the object was replaced while it was read");
}

absl::Status TooLarge() {
  return InvalidParameter("An object has at most ", limits::kS3ObjectBytesMax,
                          " bytes.");
}

}  // namespace

absl::StatusOr<std::unique_ptr<S3Source>> S3Source::Open(S3Client* client,
                                                         S3Name name,
                                                         S3Object* object) {
  std::string first;
  auto opened = client->Get(name, 0, kFirstBytes, "", object);
  if (absl::IsOutOfRange(opened.status())) {
    // Of an empty object there is no range.
    ASSIGN_OR_RETURN(*object, client->Head(name));
    if (object->size != 0) return Replaced();
  } else {
    RETURN_IF_ERROR(opened.status());
    std::vector<char> buffer(std::min(kFirstBytes, object->size));
    while (static_cast<int64_t>(first.size()) <
           std::min(kFirstBytes, object->size)) {
      const absl::StatusOr<size_t> count = (*opened)->Read(buffer);
      // What is missing is fetched again.
      if (!count.ok() || *count == 0) break;
      first.append(buffer.data(), *count);
    }
  }
  return std::unique_ptr<S3Source>(
      new S3Source(client, std::move(name), *object, std::move(first)));
}

absl::Status S3Source::Seek(int64_t offset) {
  offset_ = offset;
  return absl::OkStatus();
}

absl::StatusOr<size_t> S3Source::Read(std::span<char> buffer) {
  const int64_t left = object_.size - offset_;
  if (left <= 0 || buffer.empty()) return 0;
  if (offset_ < static_cast<int64_t>(first_.size())) {
    const size_t count = first_.copy(buffer.data(), buffer.size(), offset_);
    offset_ += static_cast<int64_t>(count);
    return count;
  }
  buffer = buffer.first(std::min<int64_t>(buffer.size(), left));
  aws::Backoff backoff;
  for (;;) {
    absl::StatusOr<size_t> count = ReadOnce(buffer);
    if (count.ok()) return count;
    stream_.reset();
    if (absl::IsFailedPrecondition(count.status()) ||
        absl::IsNotFound(count.status())) {
      return Replaced();
    }
    if (!absl::IsUnavailable(count.status()) || !backoff.Wait()) return count;
  }
}

absl::StatusOr<size_t> S3Source::ReadOnce(std::span<char> buffer) {
  if (stream_ == nullptr || stream_offset_ != offset_) {
    stream_.reset();
    S3Object object;
    ASSIGN_OR_RETURN(stream_,
                     client_->Get(name_, offset_, -1, object_.etag, &object));
    if (object.etag != object_.etag || object.size != object_.size) {
      return absl::FailedPreconditionError("another object");
    }
    stream_offset_ = offset_;
  }
  ASSIGN_OR_RETURN(const size_t count, stream_->Read(buffer));
  if (count == 0) return absl::UnavailableError("the object ends too early");
  offset_ += static_cast<int64_t>(count);
  stream_offset_ = offset_;
  // The connection goes back as soon as it has given all.
  if (offset_ == object_.size) {
    char end;
    (void)stream_->Read({&end, 1});
    stream_.reset();
  }
  return count;
}

int64_t S3PartBytes(int64_t number) {
  return limits::kS3PartMemoryBytesMax << ((number - 1) / kPartsOfOneSize);
}

S3Sink::S3Sink(S3Client* client, S3Name name)
    : client_(client),
      name_(std::move(name)),
      buffer_(client->memory(), client->options().spool_folder) {}

S3Sink::~S3Sink() {
  if (upload_id_.empty()) return;
  const absl::Status status = client_->AbortUpload(name_, upload_id_);
  if (!status.ok() && !absl::IsNotFound(status)) {
    LogWarning("Parts of an unfinished upload stay in the bucket: ",
               StdView(status.message()));
  }
}

absl::Status S3Sink::Write(std::string_view data) {
  if (size_ + static_cast<int64_t>(data.size()) > limits::kS3ObjectBytesMax) {
    return TooLarge();
  }
  size_ += static_cast<int64_t>(data.size());
  while (!data.empty()) {
    const int64_t room =
        S3PartBytes(static_cast<int64_t>(parts_.size()) + 1) - buffer_.size();
    if (room == 0) {
      RETURN_IF_ERROR(SendPart());
      continue;
    }
    const std::string_view piece = data.substr(0, static_cast<size_t>(room));
    RETURN_IF_ERROR(buffer_.Append(piece));
    data.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::Status S3Sink::SendPart() {
  if (upload_id_.empty()) {
    ASSIGN_OR_RETURN(upload_id_, client_->CreateUpload(name_));
  }
  const int64_t number = static_cast<int64_t>(parts_.size()) + 1;
  ASSIGN_OR_RETURN(std::string etag,
                   client_->PutPart(name_, upload_id_, number, &buffer_));
  parts_.push_back({number, std::move(etag)});
  buffer_.Clear();
  return absl::OkStatus();
}

absl::Status S3Sink::Finish() {
  if (upload_id_.empty()) return client_->Put(name_, &buffer_);
  RETURN_IF_ERROR(SendPart());
  RETURN_IF_ERROR(client_->CompleteUpload(name_, upload_id_, parts_, size_));
  upload_id_.clear();
  return absl::OkStatus();
}

}  // namespace millstream::storage
