// An HTTP server that answers as a test says, byte for byte: for faults that a
// real server does not show on demand.
#ifndef MILLSTREAM_AWS_TESTING_SCRIPTED_SERVER_H_
#define MILLSTREAM_AWS_TESTING_SCRIPTED_SERVER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream::aws::testing {

// Thread-safe. Serves one connection at a time, on 127.0.0.1.
class ScriptedServer {
 public:
  ScriptedServer();
  ~ScriptedServer();

  // "http://127.0.0.1:PORT"
  std::string url() const;

  // The next answers, in order: whole HTTP answers. After one that does not
  // give its whole Content-Length the connection is closed; so it is, without
  // an answer, where the text is empty.
  void Answer(std::string text);
  // One with this status and body.
  void Answer(int status, std::string_view body, std::string_view headers = "");

  // Requests as they came: head and body.
  std::vector<std::string> requests() const;

 private:
  void Serve();
  bool ServeOne(int connection);

  int listener_ = -1;
  uint16_t port_ = 0;
  mutable absl::Mutex mutex_;
  std::deque<std::string> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  // The connection being served.
  int connection_ ABSL_GUARDED_BY(mutex_) = -1;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace millstream::aws::testing

#endif  // MILLSTREAM_AWS_TESTING_SCRIPTED_SERVER_H_
