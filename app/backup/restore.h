// `millstream restore`: a data folder from a backup.
#ifndef MILLSTREAM_APP_BACKUP_RESTORE_H_
#define MILLSTREAM_APP_BACKUP_RESTORE_H_

#include <string>

#include "absl/status/status.h"
#include "base/liveness.h"

namespace millstream::app {

// Copies the backup `from` to the new folder `data_dir`, both absolute, and
// looks that each file is what the manifest says and that both stores open. All
// or nothing (new_folder.h). Says on standard output how it goes. Statuses have
// a sentence for whoever started the command.
// kDataLoss: the backup is damaged or not whole.
absl::Status RestoreBackup(const std::string& from, const std::string& data_dir,
                           const Liveness& caller);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_RESTORE_H_
