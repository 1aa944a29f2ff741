// `millstream backup`: one consistent copy of a data folder, of a server that
// goes on serving or of none.
//
// The copy is itself a data folder, with a manifest (manifest.h):
//   millstream.db, and other SQLite files (users)   as of one moment
//   metrics/      RocksDB, of the same moment (door.h); its tables are links
//                 where the copy is on the data folder's file system: they are
//                 never written again
//   artifacts/    what is there after that moment: what the databases of that
//                 moment speak of, if it was not deleted since, and maybe more.
//                 Copied and not linked, for folders that clients write into
//                 themselves are not safe from writing in place
#ifndef MILLSTREAM_APP_BACKUP_BACKUP_H_
#define MILLSTREAM_APP_BACKUP_BACKUP_H_

#include <string>

#include "absl/status/status.h"
#include "base/liveness.h"

namespace millstream::app {

// Copies `data_dir` to the new folder `to` (new_folder.h); both are absolute.
// Says on standard output how it goes. Nothing is left at `to` or beside it if
// it fails.
// Statuses have a sentence for whoever started the command.
absl::Status MakeBackup(const std::string& data_dir, const std::string& to,
                        const Liveness& caller);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_BACKUP_H_
