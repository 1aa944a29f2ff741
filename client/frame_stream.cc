#include "client/frame_stream.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace millstream::client {
namespace {

using v1::LogMetricsRequest;
using v1::LogMetricsResponse;

constexpr char kMethod[] = "/millstream.v1.StreamService/LogMetrics";

// The hold that is added at the start and removed by Finish keeps the call from
// being done while the owner may start a write. Reactions may run inside of the
// call that starts an operation, so none is started with the mutex held.
class FrameStreamImpl final
    : public FrameStream,
      public grpc::ClientBidiReactor<LogMetricsRequest, LogMetricsResponse> {
 public:
  FrameStreamImpl(const Connection& connection, const std::string& run_id,
                  const std::string& writer_id, std::function<void()> notify)
      : stub_(connection.channel()), notify_(std::move(notify)) {
    connection.Authorize(&context_);
    request_.mutable_open()->set_run_id(run_id);
    request_.mutable_open()->set_writer_id(writer_id);
  }
  ~FrameStreamImpl() override { Finish().IgnoreError(); }

  void Start() {
    stub_.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(),
                                   this);
    AddHold();
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  std::optional<uint64_t> durable() const override {
    absl::MutexLock lock(&mutex_);
    return durable_;
  }
  bool writable() const override {
    absl::MutexLock lock(&mutex_);
    return !writing_ && !ended_;
  }
  bool ended() const override {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }

  LogMetricsRequest* message() override { return &request_; }

  void Write() override {
    SetWriting();
    StartWrite(&request_);
  }

  void WritesDone() override {
    SetWriting();
    StartWritesDone();
  }

  absl::Status Finish() override {
    if (!finished_) {
      finished_ = true;
      // The server's own word if it has ended the call: this changes nothing
      // then.
      if (!ended()) context_.TryCancel();
      RemoveHold();
      done_.WaitForNotification();
    }
    return status_;
  }

  // --- gRPC's threads

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (ok) {
        durable_ = response_.durable_frame();
      } else {
        ended_ = true;
      }
    }
    if (ok) StartRead(&response_);
    notify_();
  }

  void OnWriteDone(bool) override { Written(); }
  void OnWritesDoneDone(bool) override {}

  void OnDone(const grpc::Status& status) override {
    status_ = FromGrpc(status, context_);
    done_.Notify();
  }

 private:
  void SetWriting() {
    absl::MutexLock lock(&mutex_);
    writing_ = true;
  }
  void Written() {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    notify_();
  }

  grpc::TemplatedGenericStub<LogMetricsRequest, LogMetricsResponse> stub_;
  grpc::ClientContext context_;
  const std::function<void()> notify_;
  // The owner's while it is writable, gRPC's else.
  LogMetricsRequest request_;
  LogMetricsResponse response_;
  bool finished_ = false;
  absl::Notification done_;
  // Set before done_.
  absl::Status status_;

  mutable absl::Mutex mutex_;
  std::optional<uint64_t> durable_ ABSL_GUARDED_BY(mutex_);
  // The first message is on its way from the start.
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<FrameStream> FrameStream::Open(const Connection& connection,
                                               const std::string& run_id,
                                               const std::string& writer_id,
                                               std::function<void()> notify) {
  auto stream = std::make_unique<FrameStreamImpl>(connection, run_id, writer_id,
                                                  std::move(notify));
  stream->Start();
  return stream;
}

}  // namespace millstream::client
