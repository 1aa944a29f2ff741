// A closed loop of clients on one thread: each has one keep-alive connection
// and sends its next request when the last one was answered in full.
#ifndef MILLSTREAM_BENCH_LOAD_CLOSED_LOOP_H_
#define MILLSTREAM_BENCH_LOAD_CLOSED_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/load/address.h"

namespace millstream::bench {

struct Request {
  std::string bytes;      // Head, and the body unless it is in `tail`.
  absl::string_view tail;  // A large body; must outlive the exchange.
  bool keep_body = true;  // Whether the answer's body is wanted.
};

struct Answer {
  int status = 0;
  absl::string_view body;
  size_t body_bytes = 0;
};

// One client's behaviour. Called from the loop's thread only.
class Client {
 public:
  virtual ~Client() = default;
  // Writes the next request, or returns false when this client is done. When
  // `time_is_up` it finishes the unit it has begun and starts no other.
  virtual bool Next(bool time_is_up, Request* request) = 0;
  // Judges the answer. Any Status but OK counts as an error.
  virtual absl::Status OnAnswer(const Answer& answer) = 0;
  // Whether the last answer ended an operation: its latency runs from the
  // operation's first byte sent to the last byte received.
  virtual bool OperationDone() const { return true; }
  // What the workload counts, done so far.
  virtual uint64_t units() const = 0;
};

struct LoopResult {
  double elapsed_s = 0;
  double client_cpu_s = 0;
  uint64_t units = 0;
  uint64_t requests = 0;
  uint64_t errors = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  std::string first_error;
  std::vector<uint32_t> latencies_us;  // Per operation, in no order.
};

// Runs all clients until each is done; `seconds` > 0 tells them when time is
// up. Stops early after kMaxErrors errors, so that a broken server is seen.
inline constexpr uint64_t kMaxErrors = 100;
absl::StatusOr<LoopResult> RunClosedLoop(
    const Address& address, std::vector<std::unique_ptr<Client>>& clients,
    double seconds);

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_CLOSED_LOOP_H_
