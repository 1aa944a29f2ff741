// Stands between a writer and a server: passes calls on, marks and counts the
// frames that are sent, and refuses calls, or loses answers, when it is told
// to.
#ifndef MILLSTREAM_CLIENT_TESTING_RELAY_H_
#define MILLSTREAM_CLIENT_TESTING_RELAY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "millstream/v1/streams.pb.h"

namespace grpc {
class Channel;
class Server;
}  // namespace grpc

namespace millstream::client::testing {

// What was sent of the points of all writers.
class FrameRecord {
 public:
  // Notes that a writer sends this frame, over a stream that the server said
  // goes on after frame `opened`, and what no writer may do. Gives its points a
  // timestamp that no other frame has, nor this one when it is sent again:
  // those that the server takes twice are there twice.
  void Mark(const std::string& writer, uint64_t opened, v1::MetricFrame* frame)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // How often a frame was sent that had been sent before.
  int resent() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Frames that had other points when they were sent again, or that the server
  // had said to have already; numbers that were left out.
  std::vector<std::string> faults() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Steps and values, of the columns in turn.
  using Points = std::vector<std::pair<int64_t, double>>;

  mutable absl::Mutex mutex_;
  std::map<std::string, std::map<uint64_t, Points>> writers_
      ABSL_GUARDED_BY(mutex_);
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  int resent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> faults_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe. Serves until it is destroyed.
class Relay {
 public:
  // To the server at `address`.
  explicit Relay(const std::string& address);
  ~Relay();

  // Where it serves.
  std::string address() const;

  // Refuses calls from now on, as a proxy would: with nothing that says that a
  // millstream server did so. OK: passes them on again. Streams that are open
  // are refused with their next message.
  void Refuse(absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status refusal() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Keeps from writers, from now on, what the server says to be durable on
  // streams that are open; hidden() is how often it said so. What the server
  // has then, and the writer does not know of, is what could be doubled.
  void HideAnswers(bool hide) ABSL_LOCKS_EXCLUDED(mutex_);
  int hidden() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Of the next call whose path ends so the answer is lost: the server has done
  // it, and the caller is told that the connection broke.
  void LoseAnswer(const std::string& method) ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls that it was asked for.
  int calls() const ABSL_LOCKS_EXCLUDED(mutex_);

  FrameRecord& record() { return record_; }

 private:
  friend class Call;
  class Service;

  // An answer has come; whether it is hidden.
  bool Hide() ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of the answer to a call.
  bool Lose(const std::string& path) ABSL_LOCKS_EXCLUDED(mutex_);

  FrameRecord record_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  bool hiding_ ABSL_GUARDED_BY(mutex_) = false;
  int hidden_ ABSL_GUARDED_BY(mutex_) = 0;
  // The method whose answer is to be lost.
  std::string losing_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace millstream::client::testing

#endif  // MILLSTREAM_CLIENT_TESTING_RELAY_H_
