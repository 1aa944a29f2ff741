// What the program does about the limits that the system gives a process.
#ifndef MILLSTREAM_APP_PROCESS_LIMITS_H_
#define MILLSTREAM_APP_PROCESS_LIMITS_H_

#include <cstdint>
#include <thread>

#include "absl/synchronization/notification.h"

namespace millstream::app {

// Opens as many files as the system lets us, and returns how many that is.
int RaiseFileLimit();

// Bytes of memory that the process occupies; 0 if the system does not tell.
int64_t ResidentBytes();

// Gives memory back to the system that requests needed for a time and the
// allocator kept: by a look every few seconds, for as long as this lives.
class MemoryKeeper {
 public:
  MemoryKeeper();
  ~MemoryKeeper();
  MemoryKeeper(const MemoryKeeper&) = delete;
  MemoryKeeper& operator=(const MemoryKeeper&) = delete;

 private:
  void Work();

  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_PROCESS_LIMITS_H_
