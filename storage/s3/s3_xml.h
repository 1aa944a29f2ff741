// The documents that S3 and its clients exchange. For this folder alone.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_S3_S3_XML_H_
#define MILLSTREAM_STORAGE_S3_S3_XML_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace millstream::storage {

// An <Error>; empty fields for what it does not say.
struct S3Error {
  std::string code;
  // Of the bucket, where the request went to another.
  std::string region;
};

// Of any text: empty if it is no <Error>.
S3Error ParseS3Error(std::string_view xml);

struct S3Listed {
  std::string key;
  int64_t size = 0;
};

// A page of ListObjectsV2.
struct S3Page {
  std::vector<S3Listed> objects;
  std::vector<std::string> prefixes;
  // Of the next page; empty if this is the last.
  std::string next;
};

// UNAVAILABLE for these if the text is no such answer.
absl::StatusOr<S3Page> ParseS3Page(std::string_view xml);
absl::StatusOr<std::string> ParseS3UploadId(std::string_view xml);

// What DeleteObjects could not delete: the first error's code; empty if all
// went.
std::string ParseS3DeleteError(std::string_view xml);

// Bodies of DeleteObjects and CompleteMultipartUpload.
std::string S3DeleteXml(std::span<const std::string> keys);
struct S3Part {
  int64_t number = 0;
  std::string etag;
};
std::string S3CompleteXml(std::span<const S3Part> parts);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_S3_XML_H_
