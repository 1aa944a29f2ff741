// What callers of streams may do, for as long as the streams last.
#ifndef MILLSTREAM_SERVER_STREAM_GUARD_H_
#define MILLSTREAM_SERVER_STREAM_GUARD_H_

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "auth/gate.h"
#include "millstream/v1/options.pb.h"
#include "server/authorizer.h"
#include "server/call_context.h"
#include "server/stream.h"

namespace millstream::server {

class GuardedStream;

// Each message is looked at before a stream gets to see it. A thread of its own
// looks once a second whether users or permissions have changed; streams whose
// callers would not be let in any more, or not with their first message, end
// with UNAUTHENTICATED or PERMISSION_DENIED.
//
// Thread-safe. Outlives the streams it guards.
class StreamGuard {
 public:
  // Without an authorizer, who is known may do all. Both must outlive this.
  StreamGuard(auth::Gate* gate, Authorizer* authorizer);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

  // `body` as its door is to see it. What refuses the caller is in the
  // context's refusal. REQUIRES: the caller is known; `access` lives as long as
  // this.
  std::shared_ptr<StreamBody> Guard(std::shared_ptr<StreamBody> body,
                                    CallContext* context,
                                    const v1::Access& access);

  // Ends the streams of those who have lost what they need; the thread's work.
  void LookAtAll();

 private:
  void Run();

  auth::Gate* const gate_;
  Authorizer* const authorizer_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<GuardedStream>> streams_ ABSL_GUARDED_BY(mutex_);
  // Of streams_ that were looked at: how many there may be before those that
  // are gone are taken out.
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = 16;
  std::thread looker_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_GUARD_H_
