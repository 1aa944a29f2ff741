#include "server/standard_services.h"

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection.pb.h"
#include "server/method_table.h"

namespace millstream::server {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

absl::Status Stopping() {
  return MakeError(v1::TEMPORARILY_UNAVAILABLE, "The server stops.");
}

}  // namespace

// One call that answers each message as it comes. Thread-safe.
class AnsweringStream : public StreamBody {
 public:
  explicit AnsweringStream(StandardServices* services) : services_(services) {}

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
      if (ended_ || end_.has_value()) return;
      has_message_ = true;
      absl::Status opened = services_->streams_.Opened(this);
      if (!opened.ok()) {
        end_ = std::move(opened);
      } else if (!Answer(message.get())) {
        end_ = MakeError(v1::BAD_REQUEST, "The request is no message.");
      }
    }
    Advance();
  }
  void OnNoMoreMessages() override {
    if (lasts()) return;
    SetEnd(absl::OkStatus());
  }
  void OnWritten() override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      waits_since_ = absl::Now();
      if (!ended_ && !end_.has_value() && !lasts()) caller_->Read();
    }
    Advance();
  }
  void OnGone() override { SetEnd(absl::CancelledError("cancelled")); }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      last_words_ = true;
    }
    SetEnd(Stopping());
  }

  void CheckPatience(absl::Time now) {
    const StreamPatience& patience = services_->patience_;
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || broken_off_ || caller_ == nullptr) return;
      const absl::Duration waited = now - waits_since_;
      if (has_message_ && !writing_ && lasts()) return;
      if (waited < (has_message_ ? patience.answer : patience.first_message)) {
        return;
      }
      if (!end_.has_value()) {
        end_ = MakeError(v1::DEADLINE_EXCEEDED,
                         "The caller let the server wait for too long.");
      }
      if (writing_) {
        broken_off_ = true;
        // Under the lock: the caller lives until End, which takes it.
        caller_->BreakOff();
      }
    }
    Advance();
  }

 protected:
  // Writes the answer; false if the message is none.
  virtual bool Answer(StreamMessage* message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Whether the call goes on when the caller has sent all.
  virtual bool lasts() const { return false; }
  // Says something before the end, if it will.
  virtual bool Conclude() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return false;
  }

  void Write(const Message& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    waits_since_ = absl::Now();
    caller_->Write(message);
  }

  StandardServices* const services_;
  absl::Mutex mutex_;

 private:
  void SetEnd(absl::Status end) {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = std::move(end);
    }
    Advance();
  }

  void Advance() {
    StreamCaller* caller = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || writing_ || caller_ == nullptr || !end_.has_value()) return;
      if (std::exchange(last_words_, false) && Conclude()) return;
      ended_ = true;
      caller = caller_;
    }
    const absl::Status end = *end_;
    services_->streams_.Remove(this);
    caller->End(end);
  }

  StreamCaller* caller_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // The last message was answered, or the answer is being written.
  absl::Time waits_since_ ABSL_GUARDED_BY(mutex_);
  bool has_message_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_words_ ABSL_GUARDED_BY(mutex_) = false;
  // Constant once set.
  std::optional<absl::Status> end_;
};

namespace {

class HealthWatch final : public AnsweringStream {
 public:
  HealthWatch(StandardServices* services,
              std::function<bool(const std::string&)> serves)
      : AnsweringStream(services), serves_(std::move(serves)) {}

 private:
  bool Answer(StreamMessage* message) override {
    HealthCheckRequest request;
    if (!message->Parse(&request)) return false;
    serving_ = serves_(request.service());
    Say(serving_ ? HealthCheckResponse::SERVING
                 : HealthCheckResponse::SERVICE_UNKNOWN);
    return true;
  }
  bool lasts() const override { return true; }
  bool Conclude() override {
    if (serving_) Say(HealthCheckResponse::NOT_SERVING);
    return serving_;
  }
  void Say(HealthCheckResponse::ServingStatus status) {
    HealthCheckResponse response;
    response.set_status(status);
    Write(response);
  }

  const std::function<bool(const std::string&)> serves_;
  bool serving_ = false;
};

// --- Reflection

void AddFile(const FileDescriptor* file, std::set<const FileDescriptor*>* seen,
             ServerReflectionResponse* response) {
  if (!seen->insert(file).second) return;
  FileDescriptorProto proto;
  file->CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(
      proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) {
    AddFile(file->dependency(i), seen, response);
  }
}

void Fill(const ServerReflectionRequest& request, const MethodTable& methods,
          ServerReflectionResponse* response) {
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  const FileDescriptor* file = nullptr;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const auto* service : methods.services()) {
        response->mutable_list_services_response()->add_service()->set_name(
            service->full_name());
      }
      return;
    case ServerReflectionRequest::kFileByFilename:
      file = pool->FindFileByName(request.file_by_filename());
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      file = pool->FindFileContainingSymbol(request.file_containing_symbol());
      break;
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& extension = request.file_containing_extension();
      const Descriptor* type =
          pool->FindMessageTypeByName(extension.containing_type());
      const FieldDescriptor* field =
          type == nullptr ? nullptr
                          : pool->FindExtensionByNumber(
                                type, extension.extension_number());
      if (field != nullptr) file = field->file();
      break;
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      if (const Descriptor* type = pool->FindMessageTypeByName(
              request.all_extension_numbers_of_type())) {
        auto* answer = response->mutable_all_extension_numbers_response();
        answer->set_base_type_name(type->full_name());
        std::vector<const FieldDescriptor*> extensions;
        pool->FindAllExtensions(type, &extensions);
        for (const FieldDescriptor* field : extensions) {
          answer->add_extension_number(field->number());
        }
        return;
      }
      break;
    default:
      break;
  }
  if (file == nullptr) {
    auto* error = response->mutable_error_response();
    error->set_error_code(static_cast<int>(absl::StatusCode::kNotFound));
    error->set_error_message("There is no such thing here.");
    return;
  }
  std::set<const FileDescriptor*> seen;
  AddFile(file, &seen, response);
}

class ReflectionStream final : public AnsweringStream {
 public:
  ReflectionStream(StandardServices* services, const MethodTable* methods)
      : AnsweringStream(services), methods_(*methods) {}

 private:
  bool Answer(StreamMessage* message) override {
    ServerReflectionRequest request;
    if (!message->Parse(&request)) return false;
    ServerReflectionResponse response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    Fill(request, methods_, &response);
    Write(response);
    return true;
  }

  const MethodTable& methods_;
};

}  // namespace

StandardServices::StandardServices() : StandardServices(Limits()) {}

StandardServices::StandardServices(const Limits& limits)
    : patience_(limits.patience),
      streams_(limits.streams, "callers of health or reflection", Stopping()) {}

StandardServices::~StandardServices() = default;

void StandardServices::CheckPatience(absl::Time now) {
  streams_.CheckPatience(now);
}

void StandardServices::Register(MethodTable* methods) {
  methods_ = methods;
  methods->Service(
      HealthCheckRequest::descriptor()->file()->FindServiceByName("Health"));
  methods->Unary("Check", this, &StandardServices::Check);
  methods->Streams("Watch", this, &StandardServices::Watch);
  methods->Service(
      ServerReflectionRequest::descriptor()->file()->FindServiceByName(
          "ServerReflection"));
  methods->Streams("ServerReflectionInfo", this,
                   &StandardServices::ServerReflectionInfo);
}

void StandardServices::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  streams_.Stop();
}

absl::Status StandardServices::Check(CallContext&,
                                     const HealthCheckRequest& request,
                                     HealthCheckResponse* response) {
  if (!Serves(request.service())) {
    return DoesNotExist("There is no service '", Shown(request.service()),
                        "'.");
  }
  absl::MutexLock lock(&mutex_);
  response->set_status(stopping_ ? HealthCheckResponse::NOT_SERVING
                                 : HealthCheckResponse::SERVING);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<StreamBody>> StandardServices::Watch(
    CallContext& context) {
  return Add(context, std::make_shared<HealthWatch>(
                          this, [this](const std::string& name) {
                            return Serves(name);
                          }));
}

absl::StatusOr<std::shared_ptr<StreamBody>>
StandardServices::ServerReflectionInfo(CallContext& context) {
  return Add(context, std::make_shared<ReflectionStream>(this, methods_));
}

bool StandardServices::Serves(const std::string& service) const {
  if (service.empty()) return true;
  for (const auto* each : methods_->services()) {
    if (each->full_name() == service) return true;
  }
  return false;
}

absl::StatusOr<std::shared_ptr<StreamBody>> StandardServices::Add(
    const CallContext& context, std::shared_ptr<AnsweringStream> stream) {
  RETURN_IF_ERROR(streams_.Add(stream, OwnerOf(context)));
  return stream;
}

}  // namespace millstream::server
