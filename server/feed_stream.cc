#include "server/feed_stream.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace millstream::server {
namespace {

absl::Status Stopping() {
  return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                   "The server stops; ask again a little later, from the last "
                   "position.");
}

absl::Status TooSlow() {
  return MakeError(v1::RESOURCE_EXHAUSTED,
                   "The caller did not take an answer for too long.");
}

absl::Status NoRequest() {
  return MakeError(v1::DEADLINE_EXCEEDED, "The request did not come in time.");
}

}  // namespace

// One call. Thread-safe.
class FeedStream final : public StreamBody,
                         public std::enable_shared_from_this<FeedStream> {
 public:
  FeedStream(FeedStreams* streams, std::unique_ptr<FeedSource> source)
      : streams_(streams), source_(std::move(source)) {}

  void Start(StreamCaller* caller) override {
    {
      absl::MutexLock lock(&mutex_);
      caller_ = caller;
      waits_since_ = absl::Now();
      if (!end_.has_value()) caller_->Read();
    }
    Advance();
  }

  void OnMessage(std::unique_ptr<StreamMessage> message) override {
    {
      absl::MutexLock lock(&mutex_);
      absl::Status opened = streams_->streams_.Opened(this);
      if (!opened.ok()) SetEnd(std::move(opened));
      request_ = std::move(message);
      has_request_ = true;
      woken_ = true;
    }
    Advance();
  }

  void OnNoMoreMessages() override {
    {
      absl::MutexLock lock(&mutex_);
      SetEnd(InvalidParameter("The stream ended before its request."));
    }
    Advance();
  }

  void OnWritten() override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    Advance();
  }

  void OnGone() override {
    {
      absl::MutexLock lock(&mutex_);
      SetEnd(absl::CancelledError("cancelled"));
    }
    Advance();
  }

  void Wake() {
    {
      absl::MutexLock lock(&mutex_);
      woken_ = true;
    }
    Advance();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      SetEnd(Stopping());
    }
    Advance();
  }

  void CheckPatience(absl::Time now) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || caller_ == nullptr) return;
      const absl::Duration waited = now - waits_since_;
      if (writing_) {
        if (broken_off_ || waited < streams_->patience_.answer) return;
        SetEnd(TooSlow());
        broken_off_ = true;
        // Under the lock: the caller lives until End, which takes it.
        caller_->BreakOff();
      } else if (!has_request_ && waited >= streams_->patience_.first_message) {
        SetEnd(NoRequest());
      } else {
        return;
      }
    }
    Advance();
  }

 private:
  void SetEnd(absl::Status end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!end_.has_value()) end_ = std::move(end);
  }

  // Does what is to be done next, or ends the call.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::optional<absl::Status> outcome;
    StreamCaller* caller = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || working_ || writing_ || caller_ == nullptr) return;
      if (end_.has_value()) {
        outcome = end_;
        ended_ = true;
        caller = caller_;
      } else if (woken_) {
        woken_ = false;
        working_ = true;
        // One task per stream, so there is room.
        if (!streams_->pool_.Post(
                [self = shared_from_this()] { self->Work(); })) {
          working_ = false;
          end_ = absl::InternalError("the pool of feed streams is full");
        }
      }
    }
    if (!outcome.has_value()) return;
    // No more wakes, and what it holds goes.
    source_.reset();
    streams_->streams_.Remove(this);
    caller->End(*outcome);
  }

  // On a thread of the pool, one at a time.
  void Work() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::unique_ptr<StreamMessage> request;
    {
      absl::MutexLock lock(&mutex_);
      request = std::move(request_);
    }
    absl::StatusOr<const google::protobuf::Message*> answer = nullptr;
    if (request != nullptr) {
      absl::Status begun =
          source_->Begin(*request, [weak = weak_from_this()] {
            if (auto self = weak.lock()) self->Wake();
          });
      if (!begun.ok()) answer = begun;
    }
    if (answer.ok()) answer = source_->Next();
    {
      absl::MutexLock lock(&mutex_);
      working_ = false;
      if (!answer.ok()) {
        SetEnd(answer.status());
      } else if (*answer != nullptr && !end_.has_value()) {
        // There may be more behind it.
        woken_ = true;
        writing_ = true;
        waits_since_ = absl::Now();
        caller_->Write(**answer);
      }
    }
    Advance();
  }

  FeedStreams* const streams_;
  // The worker's; handed from one to the next with working_.
  std::unique_ptr<FeedSource> source_;

  absl::Mutex mutex_;
  StreamCaller* caller_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<StreamMessage> request_ ABSL_GUARDED_BY(mutex_);
  // Of the request, or of the answer that is being written.
  absl::Time waits_since_ ABSL_GUARDED_BY(mutex_);
  bool has_request_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

FeedStreams::FeedStreams(const Limits& limits)
    : patience_(limits.patience),
      streams_(limits.streams, "watchers", Stopping()),
      pool_(limits.threads,
            limits.streams.open + limits.streams.unopened + 1) {}

FeedStreams::~FeedStreams() = default;

void FeedStreams::Stop() { streams_.Stop(); }

void FeedStreams::CheckPatience(absl::Time now) { streams_.CheckPatience(now); }

absl::StatusOr<std::shared_ptr<StreamBody>> FeedStreams::Open(
    const CallContext& context, std::unique_ptr<FeedSource> source) {
  auto stream = std::make_shared<FeedStream>(this, std::move(source));
  RETURN_IF_ERROR(streams_.Add(stream, OwnerOf(context)));
  return stream;
}

}  // namespace millstream::server
