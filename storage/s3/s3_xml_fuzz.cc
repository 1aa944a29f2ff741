// Any text as an answer of a bucket.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "storage/s3/s3_xml.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace storage = millstream::storage;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  storage::ParseS3Error(text);
  storage::ParseS3DeleteError(text);
  const auto page = storage::ParseS3Page(text);
  Require(page.ok() || absl::IsUnavailable(page.status()));
  const auto upload = storage::ParseS3UploadId(text);
  Require(upload.ok() ? !upload->empty()
                      : absl::IsUnavailable(upload.status()));
  return 0;
}
