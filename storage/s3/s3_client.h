// Requests to buckets: signed, sent to the bucket's region, and sent again when
// they fail for a fault that goes away.
#ifndef MILLSTREAM_STORAGE_S3_S3_CLIENT_H_
#define MILLSTREAM_STORAGE_S3_S3_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "aws/credentials.h"
#include "aws/http_client.h"
#include "base/clock.h"
#include "base/memory_budget.h"
#include "storage/s3/s3_options.h"
#include "storage/s3/s3_xml.h"

namespace millstream::storage {

// An object, by name.
struct S3Name {
  std::string bucket;
  std::string key;
};

struct S3Object {
  int64_t size = 0;
  std::string etag;
  // Milliseconds since the Unix epoch.
  int64_t modified_ms = 0;
};

// Thread-safe. Outlives the streams that it opens.
//
// Errors of all methods: those that carry an ErrorCode are for the caller:
// PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST (no such bucket),
// TEMPORARILY_UNAVAILABLE. Without one: NOT_FOUND, there is no such object or
// upload; OUT_OF_RANGE, as Get says; FAILED_PRECONDITION, an etag is not (or no
// longer) the object's; INVALID_ARGUMENT, parts are not what was uploaded;
// else a fault that the log should tell.
class S3Client {
 public:
  // `clock` outlives this.
  S3Client(S3Options options, std::unique_ptr<aws::HttpClient> http,
           std::unique_ptr<aws::CredentialKeeper> credentials,
           const Clock* clock);

  absl::StatusOr<S3Object> Head(const S3Name& name);

  // The object's bytes from `begin` to `end` (of which the last is not read;
  // -1: to the object's own end), if it has this etag, or whatever it has where
  // that is empty; in *object what it is. OUT_OF_RANGE: it has no byte there.
  absl::StatusOr<std::unique_ptr<aws::HttpStream>> Get(const S3Name& name,
                                                       int64_t begin,
                                                       int64_t end,
                                                       std::string_view etag,
                                                       S3Object* object);

  absl::Status Put(const S3Name& name, aws::HttpBody* body);

  // Up to `keys_max` keys that begin with `prefix`, in byte order; those that
  // have a `delimiter` after it (unless that is empty) by what they begin with.
  absl::StatusOr<S3Page> List(const std::string& bucket,
                              const std::string& prefix,
                              const std::string& delimiter,
                              const std::string& token, size_t keys_max);

  // At most limits::kS3KeysPerRequestMax. OK for those that there are not.
  absl::Status Delete(const std::string& bucket,
                      std::span<const std::string> keys);

  absl::StatusOr<std::string> CreateUpload(const S3Name& name);
  absl::StatusOr<bool> HasUpload(const S3Name& name,
                                 const std::string& upload_id);
  // Returns the part's etag.
  absl::StatusOr<std::string> PutPart(const S3Name& name,
                                      const std::string& upload_id,
                                      int64_t number, aws::HttpBody* body);
  // `size`: of the object that comes of it; -1 if it is not known. OK also if
  // the upload is gone, and the object is what these parts come to: the answer
  // to an earlier request was lost.
  absl::Status CompleteUpload(const S3Name& name, const std::string& upload_id,
                              std::span<const S3Part> parts, int64_t size);
  absl::Status AbortUpload(const S3Name& name, const std::string& upload_id);

  // URLs for whoever has them, good for `seconds`.
  absl::StatusOr<std::string> PresignGet(const S3Name& name, int64_t seconds,
                                         const std::string& disposition);
  // In *headers: what must be sent along.
  absl::StatusOr<std::string> PresignPut(const S3Name& name, int64_t seconds,
                                         aws::NameValues* headers);
  absl::StatusOr<std::string> PresignPart(const S3Name& name,
                                          const std::string& upload_id,
                                          int64_t number, int64_t seconds);

  const S3Options& options() const { return options_; }
  // Memory of all uploads.
  MemoryBudget* memory() { return &memory_; }

 private:
  struct Call;
  struct Answer;

  // The request of a call as it is now, unsigned.
  aws::HttpRequest Make(const Call& call) const;
  // Sends a call until it is answered. Statuses of 300 and more are errors.
  absl::StatusOr<Answer> Send(const Call& call);
  absl::StatusOr<Answer> SendOnce(const Call& call,
                                  const std::string& payload_hash);
  absl::StatusOr<std::string> HashOf(const Call& call) const;
  // Whether the answer says that the bucket is in another region; notes it.
  bool NoteRegion(const std::string& bucket, const aws::HttpResponse& response);
  std::string RegionOfBucket(const std::string& bucket) const;
  // The headers of an object that is written.
  aws::NameValues UploadHeaders(std::string_view key) const;
  absl::StatusOr<std::string> Presign(Call call, int64_t seconds);

  const S3Options options_;
  const std::unique_ptr<aws::HttpClient> http_;
  const std::unique_ptr<aws::CredentialKeeper> credentials_;
  const Clock* const clock_;
  MemoryBudget memory_;
  mutable absl::Mutex mutex_;
  // Where they are not in the usual one.
  std::map<std::string, std::string> regions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_S3_CLIENT_H_
