// What of a backup is not as its manifest says.
#ifndef MILLSTREAM_APP_BACKUP_MANIFEST_CHECK_H_
#define MILLSTREAM_APP_BACKUP_MANIFEST_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "app/backup/fault_list.h"
#include "base/liveness.h"

namespace millstream::app {

// Reads all files that are in the manifest of `folder`, those of artifacts too,
// and adds a fault for each that is missing or differs; does nothing if the
// folder has no manifest. Says on standard output how it goes. Errors: what the
// caller says; kFailedPrecondition of a manifest of a later format. Thread-safe
// but for `faults`.
absl::Status CheckManifest(const std::string& folder, const Liveness& caller,
                           FaultList* faults);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_MANIFEST_CHECK_H_
