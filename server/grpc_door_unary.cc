// Calls of one message that have one answer.
#include <algorithm>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "google/protobuf/arena.h"
#include "server/grpc_door_call.h"

namespace millstream::server {
namespace {

using google::protobuf::Arena;

// How long a caller has to take an answer.
absl::Duration PatienceFor(const StreamPatience& patience, size_t bytes) {
  return patience.answer +
         absl::Seconds(1) *
             (static_cast<double>(bytes) /
              static_cast<double>(limits::kGrpcAnswerBytesPerSecondMin));
}

// Whether what a caller may do by an rpc is to read.
bool OnlyReads(const v1::Access& access) {
  if (access.has_rows()) return true;
  return !access.demands().empty() &&
         std::all_of(access.demands().begin(), access.demands().end(),
                     [](const v1::Demand& demand) {
                       return demand.right() == v1::Demand::READ;
                     });
}

class UnaryCall final : public TurnsCall, SlowRequests::Request {
 public:
  UnaryCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
            const Method* method)
      : TurnsCall(grpc, door, method), held_(door.answer_bytes) {}

  // Who may not come in sends nothing.
  void Begin() {
    Introduce([this](const absl::Status& status) {
      if (!status.ok()) {
        End(status);
        return;
      }
      absl::MutexLock lock(&beginning_);
      door_.requests->Add(this, absl::Now());
      ReadBegins();
      StartRead(&incoming_);
    });
  }

  void OnReadDone(bool ok) override {
    ReadEnds(ok ? incoming_.Length() : 0);
    // If it was refused, the call ends without this.
    if (!door_.requests->Remove(this)) return;
    Post([this, ok] {
      absl::Status status = ok ? Run() : Missing();
      if (status.ok()) {
        Answer();
      } else {
        End(status);
      }
    });
  }
  void OnDone() override {
    if (turn_ != nullptr) {
      turn_->Take();
      door_.answers->Remove(turn_.get());
    }
    { absl::MutexLock lock(&beginning_); }
    delete this;
  }

 private:
  std::string Owner() const override { return OwnerOf(context_); }
  bool Refuse(const absl::Status& status) override {
    return pool_->Post([this, status] {
      { absl::MutexLock lock(&beginning_); }
      End(status);
    });
  }

  absl::Status Missing() const {
    RETURN_IF_ERROR(Present());
    return UnreadableRequest(*method_);
  }

  absl::Status Run() {
    Arena arena;
    Message* request = method_->request_type->New(&arena);
    Message* response = method_->response_type->New(&arena);
    context_.set_request_bytes(incoming_.Length());
    if (!Parse(&incoming_, request)) return UnreadableRequest(*method_);
    RETURN_IF_ERROR(dispatcher_->Call(context_, *method_, *request, response));
    const size_t bytes = response->ByteSizeLong();
    if (bytes > limits::kGrpcSmallAnswerBytes) RETURN_IF_ERROR(Hold(bytes));
    outgoing_ = Serialize(*response);
    return absl::OkStatus();
  }

  // Counts an answer until it is taken. RESOURCE_EXHAUSTED: there is no room
  // for it; never of a call that has changed something, whose answer is not
  // much more than what it brought.
  absl::Status Hold(size_t bytes) {
    turn_ = std::make_shared<CallTurn>([this] {
      grpc_->TryCancel();
      return true;
    });
    turn_->Give(PatienceFor(door_.patience, bytes), [] {});
    absl::Status status = door_.answers->AddOpen(turn_, OwnerOf(context_));
    if (status.ok() && !held_.Resize(bytes)) {
      status = MakeError(v1::RESOURCE_EXHAUSTED,
                         "More answers wait to be taken than the server holds; "
                         "try again later.");
    }
    return OnlyReads(*method_->access) ? status : absl::OkStatus();
  }

  // Held while the request begins to be waited for: neither has the call ended
  // before that, nor has this gone.
  absl::Mutex beginning_;
  MemoryBudget::Share held_;
  // Null: the answer is small.
  std::shared_ptr<CallTurn> turn_;
};

}  // namespace

Reactor* StartUnaryCall(grpc::CallbackServerContext* grpc,
                        const DoorParts& door, const Method* method) {
  auto* call = new UnaryCall(grpc, door, method);
  call->Begin();
  return call;
}

}  // namespace millstream::server
