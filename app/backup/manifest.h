// What is in a backup: a file "manifest" of text, written last, so that a copy
// without a whole one is known to be half.
//
//   millstream backup 1
//   version 0.1.0
//   time 2026-01-31T12:00:00Z
//   <sha256> <bytes> <path>        of each file, "\n" and the like escaped
//   end <number of files> <sha256 of all that is above>
//
// All functions are pure but the last three, which are thread-safe.
#ifndef MILLSTREAM_APP_BACKUP_MANIFEST_H_
#define MILLSTREAM_APP_BACKUP_MANIFEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "app/backup/files.h"

namespace millstream::app {

struct ManifestFile {
  // Relative, without "..".
  std::string path;
  HashedFile file;
};

struct Manifest {
  std::string version;
  std::string time;
  std::vector<ManifestFile> files;

  uint64_t Bytes() const;
};

// How a file is not what it was: a sentence's end, "has another size than ...".
// Empty: it is the same.
std::string Difference(const HashedFile& file, const HashedFile& before);

std::string EncodeManifest(const Manifest& manifest);
// kDataLoss: it is not whole; kFailedPrecondition: of a later format.
absl::StatusOr<Manifest> ParseManifest(std::string_view text);

// `path` is the file's. Forced to the disk.
absl::Status WriteManifest(const std::string& path, const Manifest& manifest);
// Of the folder of a backup. kNotFound: it has none; kFailedPrecondition: it is
// half a copy, or of a later format.
absl::StatusOr<Manifest> ReadManifest(const std::string& folder);
// Before a server changes what is in a folder: it is a backup no more. Whether
// it was one.
absl::StatusOr<bool> ForgetManifest(const std::string& folder);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_MANIFEST_H_
