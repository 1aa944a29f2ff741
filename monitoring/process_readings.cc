#include "monitoring/process_readings.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace millstream::monitoring {
namespace {

std::string FirstLineOf(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Fields of /proc/self/stat from the third on (proc(5) counts from 1): the
// second is a name in parentheses that may hold spaces.
std::vector<std::string> StatFields() {
  const std::string line = FirstLineOf("/proc/self/stat");
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > line.size()) return {};
  return absl::StrSplit(line.substr(name_end + 2), ' ');
}

// When the machine started, in seconds since the Unix epoch; 0: unknown.
double BootSeconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

void ReadStat(Readings* readings) {
  constexpr size_t kFirst = 3;
  constexpr size_t kUserTicks = 14, kSystemTicks = 15, kStartTicks = 22,
                   kVirtualBytes = 23, kResidentPages = 24;
  const std::vector<std::string> fields = StatFields();
  const auto number = [&](size_t field) {
    double value = 0;
    return field - kFirst < fields.size() &&
                   absl::SimpleAtod(fields[field - kFirst], &value)
               ? value
               : 0.0;
  };
  if (fields.size() <= kResidentPages - kFirst) return;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  readings->push_back({.name = "process_cpu_seconds_total",
                       .help = "Processor time used, in seconds.",
                       .kind = Reading::Kind::kCounter,
                       .value = (number(kUserTicks) + number(kSystemTicks)) /
                                ticks});
  readings->push_back(
      {.name = "process_resident_memory_bytes",
       .help = "Memory in use, in bytes.",
       .value = number(kResidentPages) *
                static_cast<double>(sysconf(_SC_PAGESIZE))});
  readings->push_back({.name = "process_virtual_memory_bytes",
                       .help = "Address space in use, in bytes.",
                       .value = number(kVirtualBytes)});
  if (const double boot = BootSeconds(); boot > 0) {
    readings->push_back(
        {.name = "process_start_time_seconds",
         .help = "When the process started, in seconds since the Unix epoch.",
         .value = boot + number(kStartTicks) / ticks});
  }
}

void ReadFiles(Readings* readings) {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder != nullptr) {
    // Not ".", ".." and the folder itself.
    double count = -3;
    while (readdir(folder) != nullptr) ++count;
    closedir(folder);
    readings->push_back({.name = "process_open_fds",
                         .help = "File descriptors that are open.",
                         .value = count});
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    readings->push_back({.name = "process_max_fds",
                         .help = "File descriptors that may be open.",
                         .value = static_cast<double>(limit.rlim_cur)});
  }
}

}  // namespace

void ReadProcess(Readings* readings) {
  ReadStat(readings);
  ReadFiles(readings);
}

}  // namespace millstream::monitoring
