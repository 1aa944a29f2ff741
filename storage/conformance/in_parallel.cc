#include "storage/conformance/in_parallel.h"

#include <barrier>
#include <thread>

namespace millstream::storage {

std::vector<absl::Status> InParallel(
    int count, absl::FunctionRef<absl::Status(int)> work) {
  std::vector<absl::Status> results(count);
  std::barrier start(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      results[i] = work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace millstream::storage
