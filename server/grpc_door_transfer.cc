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

// Answers with a file, a chunk at a time: the next is read when the last has
// been taken.
class DownloadCall final : public grpc::ServerWriteReactor<ByteBuffer>, Call {
 public:
  DownloadCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
               const Method* method, const ByteBuffer* request)
      : Call(grpc, door, method), request_(*request) {
    Introduce([this](const absl::Status& introduced) {
      absl::Status status = introduced;
      if (status.ok()) {
        status = door_.transfers->AddOpen(turn_, OwnerOf(context_));
      }
      if (!status.ok()) {
        End(status);
      } else {
        Post([this] { Open(); });
      }
    });
  }

  void OnWriteDone(bool ok) override {
    if (!turn_->Take()) {
      End(TooSlow());
    } else if (!ok) {
      End(absl::CancelledError("the caller has gone"));
    } else {
      Post([this] { Continue(v1::ArtifactChunk()); });
    }
  }
  void OnCancel() override { context_.Cancel(); }
  void OnDone() override {
    turn_->Take();
    door_.transfers->Remove(turn_.get());
    delete this;
  }

 private:
  void Post(std::function<void()> step) {
    if (!pool_->Post(std::move(step))) End(Overloaded());
  }

  void End(const absl::Status& status) {
    download_.source.reset();
    Finish(Leave(status));
  }

  void Open() {
    Arena arena;
    Message* request = method_->request_type->New(&arena);
    if (!Parse(&request_, request)) {
      End(UnreadableRequest(*method_));
      return;
    }
    absl::StatusOr<Download> download =
        dispatcher_->OpenDownload(context_, *method_, *request);
    if (!download.ok()) {
      End(download.status());
      return;
    }
    download_ = *std::move(download);
    v1::ArtifactChunk first;
    if (download_.size.has_value()) first.set_file_size(*download_.size);
    first.set_content_type(download_.content_type);
    Continue(std::move(first));
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
    buffer_ = Serialize(chunk);
    turn_->Give(door_.patience.answer);
    StartWrite(&buffer_);
  }

  const std::shared_ptr<CallTurn> turn_ =
      std::make_shared<CallTurn>([this] {
        // OnWriteDone follows.
        grpc_->TryCancel();
        return true;
      });
  ByteBuffer request_;
  Download download_;
  ByteBuffer buffer_;
};

// Takes a file, a message at a time: the next is asked for when the last has
// been written.
class UploadCall final : public grpc::ServerReadReactor<ByteBuffer>, Call {
 public:
  UploadCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
             const Method* method, ByteBuffer* response)
      : Call(grpc, door, method), response_(response) {
    Introduce([this](const absl::Status& introduced) {
      absl::Status status = introduced;
      if (status.ok()) {
        status = door_.transfers->Add(turn_, OwnerOf(context_));
      }
      if (!status.ok()) {
        End(status);
      } else {
        Await(door_.patience.first_message);
      }
    });
  }

  void OnReadDone(bool ok) override {
    // If it was too late, the call ends without this.
    if (!turn_->Take()) return;
    if (!pool_->Post([this, ok] { ok ? Store() : Commit(); })) {
      End(Overloaded());
    }
  }
  void OnCancel() override { context_.Cancel(); }
  void OnDone() override {
    turn_->Take();
    door_.transfers->Remove(turn_.get());
    delete this;
  }

 private:
  void End(const absl::Status& status) {
    upload_.sink.reset();
    Finish(Leave(status));
  }

  void Await(absl::Duration patience) {
    turn_->Give(patience);
    StartRead(&buffer_);
  }

  absl::Status Write(const Message& message) {
    if (upload_.sink == nullptr) {
      RETURN_IF_ERROR(door_.transfers->Opened(turn_.get()));
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

  void Store() {
    if (buffer_.Length() > limits::kGrpcStreamMessageBytesMax) {
      End(InvalidParameter("A message of an upload may have at most ",
                           limits::kGrpcStreamMessageBytesMax,
                           " bytes; send the file in more of them."));
      return;
    }
    Arena arena;
    Message* message = method_->request_type->New(&arena);
    absl::Status status = Parse(&buffer_, message)
                              ? Write(*message)
                              : UnreadableRequest(*method_);
    if (!status.ok()) {
      End(status);
      return;
    }
    buffer_.Clear();
    Await(door_.patience.answer);
  }

  // The stream has ended: by the caller's word, or because the call died, and
  // then nothing must be kept.
  void Commit() {
    absl::Status status = context_.Alive();
    if (status.ok() && grpc_->IsCancelled()) {
      status = absl::CancelledError("cancelled");
    }
    if (status.ok() && upload_.sink == nullptr) {
      status = InvalidParameter(
          "The stream ended before its first message, which names the file.");
    }
    if (status.ok()) status = upload_.Finish();
    if (status.ok()) {
      *response_ = Serialize(upload_.response == nullptr
                                 ? *method_->response_type
                                 : *upload_.response);
    }
    End(status);
  }

  const std::shared_ptr<CallTurn> turn_ =
      std::make_shared<CallTurn>([this] {
        // Nobody else ends the call then, and it lasts until it has ended.
        return pool_->Post([this] { End(TooSlow()); });
      });
  ByteBuffer* const response_;
  ByteBuffer buffer_;
  Upload upload_;
};

}  // namespace

grpc::ServerWriteReactor<ByteBuffer>* StartDownloadCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method, const ByteBuffer* request) {
  return new DownloadCall(grpc, door, method, request);
}

grpc::ServerReadReactor<ByteBuffer>* StartUploadCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method, ByteBuffer* response) {
  return new UploadCall(grpc, door, method, response);
}

}  // namespace millstream::server
