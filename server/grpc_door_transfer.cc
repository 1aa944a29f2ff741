// Calls that carry a file. They are counted, and a caller who lets one wait for
// too long loses it: each holds a descriptor, and memory.
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "google/protobuf/arena.h"
#include "millstream/v1/artifacts.pb.h"
#include "server/grpc_door_call.h"

namespace millstream::server {
namespace {

using google::protobuf::Arena;
using google::protobuf::FieldDescriptor;
using grpc::ByteBuffer;

absl::Status TooSlow() {
  return MakeError(v1::DEADLINE_EXCEEDED,
                   "The caller let the transfer wait for too long.");
}

// Is counted as open once its first message has come, and waits only so long
// for its caller.
class TransferCall : public TurnsCall {
 public:
  using TurnsCall::TurnsCall;

  // Who may not come in, or finds no room, sends nothing.
  void Begin() {
    Introduce([this](const absl::Status& introduced) {
      absl::Status status = introduced;
      if (status.ok()) {
        status = door_.transfers->Add(turn_, OwnerOf(context_));
      }
      if (status.ok()) {
        Receive(door_.patience.first_message);
      } else {
        End(status);
      }
    });
  }

  void OnReadDone(bool ok) final {
    ReadEnds(ok ? incoming_.Length() : 0);
    // If it was too late, the call ends without this.
    if (!turn_->Take()) return;
    Post([this, ok] { ok ? OnMessage() : OnNoMessage(); });
  }
  void OnWriteDone(bool ok) final {
    if (!turn_->Take()) {
      End(TooSlow());
    } else if (!ok) {
      End(absl::CancelledError("the caller has gone"));
    } else {
      Post([this] { OnSent(); });
    }
  }
  void OnDone() final {
    turn_->Take();
    door_.transfers->Remove(turn_.get());
    delete this;
  }

 protected:
  // These are called on threads of the pool. The message is in incoming_; or
  // the caller has sent all, or has gone.
  virtual void OnMessage() = 0;
  virtual void OnNoMessage() = 0;
  // outgoing_ has been taken.
  virtual void OnSent() {}

  void Receive(absl::Duration patience) {
    sending_ = false;
    turn_->Give(patience, [this] {
      ReadBegins();
      StartRead(&incoming_);
    });
  }
  void Send() {
    sending_ = true;
    turn_->Give(door_.patience.answer, [this] { StartWrite(&outgoing_); });
  }

  // The first message has come.
  absl::Status Opened() { return door_.transfers->Opened(turn_.get()); }

 private:
  bool Late() {
    if (sending_) {
      // OnWriteDone follows.
      grpc_->TryCancel();
      return true;
    }
    // Nobody else ends the call then, and it lasts until it has ended.
    return pool_->Post([this] { End(TooSlow()); });
  }

  const std::shared_ptr<CallTurn> turn_ =
      std::make_shared<CallTurn>([this] { return Late(); });
  bool sending_ = false;
};

// Answers with a file, a chunk at a time: the next is read when the last has
// been taken.
class DownloadCall final : public TransferCall {
 public:
  using TransferCall::TransferCall;

 private:
  void OnMessage() override {
    if (absl::Status status = Open(); !status.ok()) {
      End(status);
      return;
    }
    v1::ArtifactChunk first;
    if (download_.size.has_value()) first.set_file_size(*download_.size);
    first.set_content_type(download_.content_type);
    Continue(std::move(first));
  }
  void OnNoMessage() override {
    const absl::Status present = Present();
    End(present.ok() ? UnreadableRequest(*method_) : present);
  }
  void OnSent() override { Continue(v1::ArtifactChunk()); }
  void Close() override { download_.source.reset(); }

  absl::Status Open() {
    RETURN_IF_ERROR(Opened());
    Arena arena;
    Message* request = method_->request_type->New(&arena);
    if (!Parse(&incoming_, request)) return UnreadableRequest(*method_);
    absl::StatusOr<Download> download =
        dispatcher_->OpenDownload(context_, *method_, *request);
    if (!download.ok()) return download.status();
    download_ = *std::move(download);
    return absl::OkStatus();
  }

  // Sends `chunk` with the next data in it. The first is sent even when the
  // file is empty.
  void Continue(v1::ArtifactChunk chunk) {
    if (absl::Status alive = context_.Alive(); !alive.ok()) {
      End(alive);
      return;
    }
    const bool first = chunk.has_content_type();
    std::string* data = chunk.mutable_data();
    data->resize(limits::kTransferChunkBytes);
    absl::StatusOr<size_t> read =
        download_.source->Read({data->data(), data->size()});
    if (!read.ok()) {
      End(read.status());
      return;
    }
    if (*read == 0 && !first) {
      End(absl::OkStatus());
      return;
    }
    data->resize(*read);
    outgoing_ = Serialize(chunk);
    Send();
  }

  Download download_;
};

// Takes a file, a message at a time: the next is asked for when the last has
// been written.
class UploadCall final : public TransferCall {
 public:
  using TransferCall::TransferCall;

 private:
  void OnMessage() override {
    if (absl::Status status = Store(); !status.ok()) {
      End(status);
      return;
    }
    incoming_.Clear();
    Receive(door_.patience.answer);
  }
  // The stream has ended: by the caller's word, or because the call died, and
  // then nothing must be kept.
  void OnNoMessage() override {
    if (absl::Status status = Commit(); !status.ok()) {
      End(status);
      return;
    }
    outgoing_ =
        Serialize(upload_.response == nullptr ? *method_->response_type
                                              : *upload_.response);
    Answer();
  }
  void Close() override { upload_.sink.reset(); }

  absl::Status Write(const Message& message) {
    if (upload_.sink == nullptr) {
      RETURN_IF_ERROR(Opened());
      absl::StatusOr<Upload> upload =
          dispatcher_->OpenUpload(context_, *method_, message);
      if (!upload.ok()) return upload.status();
      upload_ = *std::move(upload);
    }
    const FieldDescriptor* data =
        message.GetDescriptor()->FindFieldByName("data");
    std::string scratch;
    const std::string& bytes =
        message.GetReflection()->GetStringReference(message, data, &scratch);
    return bytes.empty() ? absl::OkStatus() : upload_.sink->Write(bytes);
  }

  absl::Status Store() {
    if (incoming_.Length() > limits::kGrpcStreamMessageBytesMax) {
      return InvalidParameter("A message of an upload may have at most ",
                              limits::kGrpcStreamMessageBytesMax,
                              " bytes; send the file in more of them.");
    }
    Arena arena;
    Message* message = method_->request_type->New(&arena);
    if (!Parse(&incoming_, message)) return UnreadableRequest(*method_);
    return Write(*message);
  }

  absl::Status Commit() {
    RETURN_IF_ERROR(Present());
    if (upload_.sink == nullptr) {
      return InvalidParameter(
          "The stream ended before its first message, which names the file.");
    }
    return upload_.Finish();
  }

  Upload upload_;
};

}  // namespace

Reactor* StartDownloadCall(grpc::CallbackServerContext* grpc,
                           const DoorParts& door, const Method* method) {
  auto* call = new DownloadCall(grpc, door, method);
  call->Begin();
  return call;
}

Reactor* StartUploadCall(grpc::CallbackServerContext* grpc,
                         const DoorParts& door, const Method* method) {
  auto* call = new UploadCall(grpc, door, method);
  call->Begin();
  return call;
}

}  // namespace millstream::server
