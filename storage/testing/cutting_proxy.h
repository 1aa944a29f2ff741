// Stands between a client and a database server, and cuts a connection where a
// test wants it cut.
#ifndef MILLSTREAM_STORAGE_TESTING_CUTTING_PROXY_H_
#define MILLSTREAM_STORAGE_TESTING_CUTTING_PROXY_H_

#include <atomic>
#include <list>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream::storage::testing {

// Takes connections on a Unix socket and passes on what is said, both ways.
// Ends them all when destroyed. Thread-safe.
class CuttingProxy {
 public:
  // What becomes of the next request that holds a text.
  enum class Cut {
    kRequest,  // the server never sees it
    kAnswer,   // the server carries it out; the client is not told
  };

  // Listens at the file `socket` of a folder of its own; the server at the path
  // `server`. Aborts the test if it cannot.
  CuttingProxy(std::string_view socket, std::string server);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  const std::string& folder() const { return folder_; }

  // Of all connections the next request with `text` is the one, once. The
  // connection ends there; with kAnswer when the server has said `answer`, or
  // anything if that is empty.
  void CutNext(std::string text, Cut cut, std::string answer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether that has happened.
  bool has_cut() const { return has_cut_; }

 private:
  struct Plan {
    bool armed = false;
    std::string text;
    Cut cut = Cut::kRequest;
    std::string answer;
  };

  void Accept();
  void Pass(int client);
  // The plan, if `request` is what it waits for.
  Plan Take(std::string_view request) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string server_;
  std::string folder_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_cut_{false};
  absl::Mutex mutex_;
  Plan plan_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
  // Of the acceptor alone until it has ended.
  std::list<std::thread> passers_;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_CUTTING_PROXY_H_
