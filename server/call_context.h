// What is known of one call besides its message.
#ifndef MILLSTREAM_SERVER_CALL_CONTEXT_H_
#define MILLSTREAM_SERVER_CALL_CONTEXT_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/identity.h"
#include "base/liveness.h"

namespace millstream::server {

// Which door the call came through. For logs and metrics only: no handler may
// answer differently by door.
enum class Door { kGrpc, kRest };

// Owned by the door for as long as the call runs. Cancel() and Alive() may come
// from any thread; the rest belongs to the thread that runs the call.
class CallContext final : public Liveness {
 public:
  explicit CallContext(Door door) : door_(door) {}
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  Door door() const { return door_; }

  // Address of the caller, for the log.
  const std::string& peer() const { return peer_; }
  void set_peer(std::string peer) { peer_ = std::move(peer); }

  // Who calls; null until that is known, and where callers are not asked.
  const auth::IdentityPtr& identity() const { return identity_; }
  void set_identity(auth::IdentityPtr identity) {
    identity_ = std::move(identity);
  }
  // The name of the request in logs; empty if it has none.
  const std::string& request_id() const { return request_id_; }
  void set_request_id(std::string id) { request_id_ = std::move(id); }

  // Why a message of the call was refused, or the call ended, if so; messages
  // of a stream outlive it. Thread-safe.
  class Refusal {
   public:
    // The first counts.
    void Set(absl::Status status) {
      absl::MutexLock lock(&mutex_);
      if (status_.ok()) status_ = std::move(status);
    }
    absl::Status Get() const {
      absl::MutexLock lock(&mutex_);
      return status_;
    }

   private:
    mutable absl::Mutex mutex_;
    absl::Status status_ ABSL_GUARDED_BY(mutex_);
  };
  const std::shared_ptr<Refusal>& refusal() const { return refusal_; }
  void set_refusal(std::shared_ptr<Refusal> refusal) {
    refusal_ = std::move(refusal);
  }

  // "http://host:port" under which the caller reached this server, without a
  // trailing slash and with --static-prefix; empty through gRPC. For answers
  // that hold URLs of ours.
  const std::string& base_url() const { return base_url_; }
  void set_base_url(std::string url) { base_url_ = std::move(url); }

  // Bytes of the request as it was sent.
  size_t request_bytes() const { return request_bytes_; }
  void set_request_bytes(size_t bytes) { request_bytes_ = bytes; }

  // When this was made.
  absl::Time begun() const { return begun_; }

  // When the caller stops waiting.
  absl::Time deadline() const { return deadline_; }
  void set_deadline(absl::Time deadline) { deadline_ = deadline; }

  // Who knows whether the caller still listens; null where Cancel() is called
  // instead. Outlives this.
  void set_caller(const Liveness* caller) { caller_ = caller; }

  // The caller has gone.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // Long handlers ask now and then; a write that has begun to commit is
  // finished all the same.
  absl::Status Alive() const override {
    if (cancelled_.load(std::memory_order_relaxed)) {
      return absl::CancelledError("cancelled");
    }
    if (deadline_ != absl::InfiniteFuture() && absl::Now() > deadline_) {
      return absl::DeadlineExceededError("deadline exceeded");
    }
    return caller_ == nullptr ? absl::OkStatus() : caller_->Alive();
  }

 private:
  const Door door_;
  const absl::Time begun_ = absl::Now();
  std::string peer_;
  auth::IdentityPtr identity_;
  std::shared_ptr<Refusal> refusal_;
  std::string request_id_;
  std::string base_url_;
  size_t request_bytes_ = 0;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::atomic<bool> cancelled_{false};
  const Liveness* caller_ = nullptr;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_CALL_CONTEXT_H_
