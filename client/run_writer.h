// Logs a run from a C++ program: metrics, params, tags, and how it ended.
//
//   auto writer = RunWriter::Create({.address = "localhost:5001"},
//                                   {.experiment = "digits"});
//   for (int64_t step = 0; step < steps; ++step) {
//     (*writer)->Log("loss", Train(), step);      // tens of nanoseconds
//   }
//   (*writer)->Finish(RunStatus::kFinished, absl::Minutes(1));
//
// What is logged goes into memory. A thread sends it over the LogMetrics stream
// (streams.proto) and holds it until the server has it on its disk. A server
// that restarts, or is away, is waited for: nothing is lost and nothing is
// there twice, as long as this process lives. What must outlive the process as
// well belongs into the spool of the Python package.
//
// What is logged is given up only if a millstream server says that it will
// never take it: a param with another value, a run that was deleted or, for
// longer than lost_wait, is not known. A password
// or permission that does not hold any more, a certificate that cannot be
// trusted, another server at the address: all that can be put right, so it is
// told (on_trouble), what is logged is held, and the writer goes on by itself.
//
// Errors are absl::Status with the canonical code that gRPC gave them and the
// server's text.
#ifndef MILLSTREAM_CLIENT_RUN_WRITER_H_
#define MILLSTREAM_CLIENT_RUN_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/server_options.h"

namespace millstream::client {

// Keys and values.
using Pairs = std::vector<std::pair<std::string, std::string>>;

enum class RunStatus { kFinished, kFailed, kKilled };

// A run that is to be made.
struct NewRun {
  // By name; made if it is not there.
  std::string experiment = "Default";
  // Empty: the server finds one.
  std::string name = {};
  // Whose run it is; shown with it.
  std::string user = {};
  Pairs tags = {};
  Pairs params = {};
};

struct WriterOptions {
  // Memory for what is logged and not on the server's disk yet. A point takes
  // 32 bytes, a call for params or tags what they have; each call, and each
  // frame of up to 8,192 points, some 130 more. At least kBufferBytesMin.
  // Besides that a writer takes a few MiB at most, for what is being gathered
  // and sent, and the names of its metrics.
  size_t buffer_bytes = size_t{64} << 20;
  // How long logging waits when so much is there. Infinite: training stops
  // rather than losing a point. Zero: it never waits, and is told that the
  // point was dropped.
  absl::Duration full_wait = absl::InfiniteDuration();
  // A point waits so long for others to be sent with it.
  absl::Duration linger = absl::Milliseconds(20);
  // How long Create and Open wait for a server that does not answer.
  absl::Duration open_wait = absl::Seconds(30);
  // A server that does not know the run any more may have been started on other
  // data: what is logged is held, and it is asked again for so long, before the
  // run is given up.
  absl::Duration lost_wait = absl::Minutes(1);
  // Told when nothing gets through (see RunWriter::trouble), and OK when it
  // goes on: at once when the server refuses, after kTroubleWait when it is
  // away. Called by the writer's thread; may not call the writer. Empty: a line
  // on stderr.
  std::function<void(const absl::Status& trouble)> on_trouble = {};
};

inline constexpr size_t kBufferBytesMin = 4096;
// Different metrics that one writer logs.
inline constexpr size_t kKeysMax = 100'000;
// Bytes of the key and value of a param or tag. No server takes more.
inline constexpr size_t kPairBytesMax = 33'000;
// A server that is away for less is not worth telling.
inline constexpr absl::Duration kTroubleWait = absl::Seconds(5);
// How long the destructor waits for what is not sent yet.
inline constexpr absl::Duration kDestructorWait = absl::Seconds(10);

struct WriterStats {
  // Points, and calls for params, tags and the end of the run.
  uint64_t logged = 0;
  // Of these, how many the server has on its disk, or refused.
  uint64_t done = 0;
  // Of these, how many it refused.
  uint64_t refused = 0;
  // Not logged, because there was no room.
  uint64_t dropped = 0;
  // Of WriterOptions::buffer_bytes, what is taken.
  size_t buffered_bytes = 0;
  // How often a stream was opened; each time but the first is a restart, a
  // fault of the network, or a server that had too much to do.
  uint64_t streams = 0;
};

// Thread-safe. Has a thread of its own; does not survive fork().
class RunWriter {
 public:
  // Makes a run and opens it: one, also if the server's answer is lost and it
  // is asked again. Besides what Open returns:
  // ALREADY_EXISTS, FAILED_PRECONDITION: the experiment was deleted.
  static absl::StatusOr<std::unique_ptr<RunWriter>> Create(
      const ServerOptions& server, const NewRun& run,
      const WriterOptions& options = {});

  // Opens a run that is there, to log more to it.
  //   INVALID_ARGUMENT   options that make no sense; the run is deleted
  //   NOT_FOUND          there is no such run
  //   UNAUTHENTICATED, PERMISSION_DENIED
  //   UNIMPLEMENTED      what answers is no millstream
  //   UNAVAILABLE, DEADLINE_EXCEEDED  the server cannot be reached (the text
  //                      says why; a certificate?), or does not answer
  static absl::StatusOr<std::unique_ptr<RunWriter>> Open(
      const ServerOptions& server, std::string_view run_id,
      const WriterOptions& options = {});

  // Close(kDestructorWait), if it was not called.
  virtual ~RunWriter() = default;

  virtual const std::string& run_id() const = 0;

  // Logs a point, now or as of `timestamp_ms` (since 1970). NaN is kept,
  // infinities become the greatest and the least finite number.
  //   INVALID_ARGUMENT     a key that is none; a time before 1970
  //   RESOURCE_EXHAUSTED   no room, for as long as full_wait says; more than
  //                        kKeysMax metrics
  //   FAILED_PRECONDITION  after Close
  // or why the server takes nothing more for this run (see status()).
  virtual absl::Status Log(std::string_view key, double value,
                           int64_t step) = 0;
  virtual absl::Status Log(std::string_view key, double value, int64_t step,
                           int64_t timestamp_ms) = 0;

  // Sends params or tags, after all that was logged before them and before what
  // follows. Does not wait; Flush says if the server refused them. Params are
  // written once: another value is refused. Errors are those of Log.
  virtual absl::Status LogParams(const Pairs& params) = 0;
  virtual absl::Status SetTags(const Pairs& tags) = 0;

  // Waits until the server has on its disk all that was logged before.
  //   DEADLINE_EXCEEDED  it has not yet; what is missing is sent all the same.
  //                      The text names the trouble, if there is one
  // The first error of the server about something that was logged since the
  // last Flush; the rest is kept. Or what status() says.
  virtual absl::Status Flush(absl::Duration timeout) = 0;

  // Ends the run, after all that was logged, then does what Flush does. The
  // writer remains open.
  virtual absl::Status Finish(RunStatus status, absl::Duration timeout) = 0;

  // Takes nothing more, does what Flush does, and drops what is not sent by
  // then. When called again, returns what it returned.
  virtual absl::Status Close(absl::Duration timeout) = 0;

  // OK, or why the server will never take anything more for this run: it was
  // deleted, or is not there. What was not sent is dropped, and counts as
  // refused.
  virtual absl::Status status() const = 0;

  // OK, or why nothing gets through for now: UNAVAILABLE, for instance, or
  // UNAUTHENTICATED. What is logged is held, and sending is tried again: every
  // few seconds when the server is away, every half a minute when it refuses.
  virtual absl::Status trouble() const = 0;

  virtual WriterStats stats() const = 0;
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_RUN_WRITER_H_
