#include "app/backup/manifest_check.h"

#include <stdio.h>

#include "absl/status/statusor.h"
#include "app/backup/files.h"
#include "app/backup/manifest.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::app {

absl::Status CheckManifest(const std::string& folder, const Liveness& caller,
                           FaultList* faults) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(folder);
  if (absl::IsNotFound(manifest.status())) return absl::OkStatus();
  if (absl::IsDataLoss(manifest.status())) {
    faults->Add(Remedy::kBackup, StdView(manifest.status().message()));
    return absl::OkStatus();
  }
  if (!manifest.ok()) return manifest.status();
  printf("Comparing %zu files of a backup of %s, %s ...\n",
         manifest->files.size(), manifest->time.c_str(),
         BytesInWords(manifest->Bytes()).c_str());
  fflush(stdout);
  Progress progress("Compared", manifest->Bytes(), caller);
  for (const ManifestFile& file : manifest->files) {
    const absl::StatusOr<HashedFile> found =
        HashFile(StrCat(folder, "/", file.path), &progress);
    RETURN_IF_ERROR(caller.Alive());
    std::string how;
    if (absl::IsNotFound(found.status())) {
      how = "is not there";
    } else if (!found.ok()) {
      how = StrCat("cannot be read: ", StdView(found.status().message()));
    } else {
      how = Difference(*found, file.file);
    }
    if (how.empty()) continue;
    faults->Add(Remedy::kBackup,
                StrCat("The file '", file.path, "' of the backup ", how, "."));
  }
  return absl::OkStatus();
}

}  // namespace millstream::app
