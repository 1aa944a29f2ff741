#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/grpc_door_call.h"

namespace millstream::server {
namespace {

using grpc::ByteBuffer;

class GrpcMessage final : public StreamMessage {
 public:
  // Takes the bytes.
  explicit GrpcMessage(ByteBuffer* bytes) {
    bytes_.Swap(bytes);
    size_ = bytes_.Length();
  }

  size_t size() const override { return size_; }
  bool Parse(Message* message) override {
    return server::Parse(&bytes_, message);
  }

 private:
  ByteBuffer bytes_;
  size_t size_ = 0;
};

// Passes events to the body and what it asks for to gRPC, which never calls
// back before it returns.
class StreamCall final : public Reactor, public StreamCaller, Call {
 public:
  using Call::Call;

  void Begin() {
    Introduce([this](const absl::Status& status) { Open(status); });
  }

  CallContext& context() override { return context_; }
  void Read() override {
    ReadBegins();
    StartRead(&incoming_);
  }
  void Write(const Message& message) override {
    outgoing_ = Serialize(message);
    StartWrite(&outgoing_);
  }
  void BreakOff() override { grpc_->TryCancel(); }
  void End(const absl::Status& status) override {
    Finish(Leave(dispatcher_->EndStream(context_, *method_, status)));
  }

  void OnReadDone(bool ok) override {
    ReadEnds(ok ? incoming_.Length() : 0);
    if (ok) {
      body_->OnMessage(std::make_unique<GrpcMessage>(&incoming_));
    } else {
      body_->OnNoMoreMessages();
    }
  }
  void OnWriteDone(bool) override { body_->OnWritten(); }
  void OnCancel() override {
    context_.Cancel();
    std::shared_ptr<StreamBody> body;
    {
      absl::MutexLock lock(&opening_->mutex);
      opening_->gone = true;
      body = body_;
    }
    if (body != nullptr) body->OnGone();
  }
  void OnDone() override { delete this; }

 private:
  // The caller may go while it is found out who it is. Outlives the call, which
  // may end in Start().
  struct Opening {
    absl::Mutex mutex;
    bool gone ABSL_GUARDED_BY(mutex) = false;
  };

  void Open(const absl::Status& introduced) {
    if (!introduced.ok()) {
      Finish(Leave(introduced));
      return;
    }
    absl::StatusOr<std::shared_ptr<StreamBody>> body =
        dispatcher_->OpenStream(context_, *method_);
    if (!body.ok()) {
      Finish(Leave(body.status()));
      return;
    }
    const std::shared_ptr<Opening> opening = opening_;
    absl::MutexLock lock(&opening->mutex);
    body_ = *std::move(body);
    const std::shared_ptr<StreamBody> started = body_;
    const bool gone = opening->gone;
    started->Start(this);
    if (gone) started->OnGone();
  }

  const std::shared_ptr<Opening> opening_ = std::make_shared<Opening>();
  // Constant once begun.
  std::shared_ptr<StreamBody> body_;
  ByteBuffer incoming_;
  ByteBuffer outgoing_;
};

}  // namespace

Reactor* StartStreamCall(grpc::CallbackServerContext* grpc,
                         const DoorParts& door, const Method* method) {
  auto* call = new StreamCall(grpc, door, method);
  call->Begin();
  return call;
}

}  // namespace millstream::server
