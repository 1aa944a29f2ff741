#include "app/tools.h"

#include <stdio.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "app/backup/backup.h"
#include "app/backup/check.h"
#include "app/backup/restore.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

// The folder that a flag names, absolute, without "/" at its end.
absl::StatusOr<std::string> FolderOf(const ParsedFlags& flags,
                                     const char* name) {
  const std::string& given = flags.values.at(name);
  if (given.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " is missing (`millstream ", flags.tool,
                     " --help` lists the flags)."));
  }
  std::error_code error;
  fs::path path = fs::absolute(given, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (error || !path.has_filename()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " takes a folder, and not '", given, "'."));
  }
  return path.string();
}

absl::StatusOr<int> Run(const ParsedFlags& flags, const Liveness& caller) {
  ASSIGN_OR_RETURN(const std::string data_dir, FolderOf(flags, "data-dir"));
  if (flags.tool == "check") {
    ASSIGN_OR_RETURN(const int faults, CheckDataFolder(data_dir, caller));
    return faults == 0 ? 0 : 1;
  }
  if (flags.tool == "backup") {
    ASSIGN_OR_RETURN(const std::string to, FolderOf(flags, "to"));
    RETURN_IF_ERROR(MakeBackup(data_dir, to, caller));
    return 0;
  }
  ASSIGN_OR_RETURN(const std::string from, FolderOf(flags, "from"));
  RETURN_IF_ERROR(RestoreBackup(from, data_dir, caller));
  return 0;
}

}  // namespace

int RunTool(const ParsedFlags& flags, const Liveness& caller) {
  const absl::StatusOr<int> exit = Run(flags, caller);
  if (exit.ok()) return *exit;
  fprintf(stderr, "millstream %s: %s\n", flags.tool.c_str(),
          std::string(exit.status().message()).c_str());
  return absl::IsInvalidArgument(exit.status()) ? 2 : 1;
}

}  // namespace millstream::app
