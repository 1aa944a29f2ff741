// Artifacts as objects of buckets, laid out as MLflow lays them out: the key of
// a file is the prefix that its root's URI names, and its path below that.
//
// Written straight to their keys, objects are seen when they are whole. Folders
// are what keys have in common, so a file and a folder may have one name.
#ifndef MILLSTREAM_STORAGE_S3_S3_ARTIFACT_STORE_H_
#define MILLSTREAM_STORAGE_S3_S3_ARTIFACT_STORE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/environment.h"
#include "base/clock.h"
#include "storage/artifact_store.h"

namespace millstream::storage {

// Opens s3://bucket/prefix roots of any bucket, with the keys and by the
// endpoint that the environment names (S3Options, aws::UsualCredentials); its
// stores share connections and keys. `media_type`: of a file by its name, for
// what is uploaded. `clock` outlives it. INVALID_ARGUMENT naming a variable and
// what it takes.
absl::StatusOr<std::unique_ptr<ArtifactStoreOpener>> OpenS3(
    const aws::Environment& environment,
    std::function<std::string(std::string_view)> media_type,
    const Clock* clock);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_S3_ARTIFACT_STORE_H_
