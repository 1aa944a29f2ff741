#include "server/stream_guard.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

namespace millstream::server {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(1);

using google::protobuf::Message;

}  // namespace

// Passes events on to the stream, and messages that may be sent.
class GuardedStream final
    : public StreamBody,
      public std::enable_shared_from_this<GuardedStream> {
 public:
  GuardedStream(std::shared_ptr<StreamBody> body, const CallContext& context,
                const v1::Access& access, Authorizer* authorizer)
      : body_(std::move(body)),
        identity_(context.identity()),
        refusal_(context.refusal()),
        access_(access),
        authorizer_(authorizer) {}

  void Start(StreamCaller* caller) override { body_->Start(caller); }
  void OnMessage(std::unique_ptr<StreamMessage> message) override;
  void OnNoMoreMessages() override { body_->OnNoMoreMessages(); }
  // Whoever may not read any more gets one answer more at most.
  void OnWritten() override;
  void OnGone() override { body_->OnGone(); }

  // Whether the caller may send `message`, and do still what others named.
  bool Allows(const Message& message);
  // Ends the stream unless its caller may have it still.
  void LookAgain(auth::Gate& gate);

 private:
  absl::Status StillAllowed();
  void End(absl::Status why) {
    refusal_->Set(std::move(why));
    body_->OnGone();
  }

  const std::shared_ptr<StreamBody> body_;
  const auth::IdentityPtr identity_;
  const std::shared_ptr<CallContext::Refusal> refusal_;
  const v1::Access& access_;
  Authorizer* const authorizer_;
  absl::Mutex mutex_;
  // What the messages so far need.
  Needs named_ ABSL_GUARDED_BY(mutex_);
};

namespace {

// A message that is parsed only if its sender may send it.
class GuardedMessage final : public StreamMessage {
 public:
  GuardedMessage(std::unique_ptr<StreamMessage> message,
                 std::weak_ptr<GuardedStream> stream)
      : message_(std::move(message)), stream_(std::move(stream)) {}

  size_t size() const override { return message_->size(); }
  bool Parse(Message* message) override {
    // Of a call that has ended nothing is taken any more.
    const std::shared_ptr<GuardedStream> stream = stream_.lock();
    return stream != nullptr && message_->Parse(message) &&
           stream->Allows(*message);
  }

 private:
  const std::unique_ptr<StreamMessage> message_;
  // The stream holds its messages.
  const std::weak_ptr<GuardedStream> stream_;
};

}  // namespace

void GuardedStream::OnMessage(std::unique_ptr<StreamMessage> message) {
  if (authorizer_ != nullptr) {
    message = std::make_unique<GuardedMessage>(std::move(message),
                                               weak_from_this());
  }
  body_->OnMessage(std::move(message));
}

bool GuardedStream::Allows(const Message& message) {
  absl::MutexLock lock(&mutex_);
  absl::Status status =
      authorizer_->CheckNext(identity_->user, access_, message, &named_);
  if (status.ok()) return true;
  refusal_->Set(std::move(status));
  return false;
}

absl::Status GuardedStream::StillAllowed() {
  if (authorizer_ == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return authorizer_->CheckAgain(identity_->user, named_);
}

void GuardedStream::OnWritten() {
  absl::Status status = StillAllowed();
  body_->OnWritten();
  if (!status.ok()) End(std::move(status));
}

void GuardedStream::LookAgain(auth::Gate& gate) {
  absl::Status status = gate.Holds(*identity_) ? StillAllowed()
                                               : auth::WrongCredentials();
  if (!status.ok()) End(std::move(status));
}

StreamGuard::StreamGuard(auth::Gate* gate, Authorizer* authorizer)
    : gate_(gate), authorizer_(authorizer) {
  looker_ = std::thread([this] { Run(); });
}

StreamGuard::~StreamGuard() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  looker_.join();
}

std::shared_ptr<StreamBody> StreamGuard::Guard(std::shared_ptr<StreamBody> body,
                                               CallContext* context,
                                               const v1::Access& access) {
  context->set_refusal(std::make_shared<CallContext::Refusal>());
  auto stream = std::make_shared<GuardedStream>(std::move(body), *context,
                                                access, authorizer_);
  absl::MutexLock lock(&mutex_);
  if (streams_.size() >= sweep_at_) {
    streams_.erase(
        std::remove_if(streams_.begin(), streams_.end(),
                       [](const auto& each) { return each.expired(); }),
        streams_.end());
    sweep_at_ = std::max<size_t>(16, 2 * streams_.size());
  }
  streams_.push_back(stream);
  return stream;
}

void StreamGuard::LookAtAll() {
  std::vector<std::weak_ptr<GuardedStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    streams = streams_;
  }
  for (const auto& each : streams) {
    if (const auto stream = each.lock()) stream->LookAgain(*gate_);
  }
}

void StreamGuard::Run() {
  uint64_t generation = gate_->generation();
  std::shared_ptr<const void> rules =
      authorizer_ == nullptr ? nullptr : authorizer_->rules();
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                                  kLookInterval)) {
    const uint64_t generation_now = gate_->generation();
    const std::shared_ptr<const void> rules_now =
        authorizer_ == nullptr ? nullptr : authorizer_->rules();
    if (generation == generation_now && rules == rules_now) continue;
    generation = generation_now;
    rules = rules_now;
    mutex_.Unlock();
    LookAtAll();
    mutex_.Lock();
  }
}

}  // namespace millstream::server
