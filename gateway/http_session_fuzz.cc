// A whole connection: its bytes go to the session that serves connections, in
// front of real routes, and what comes back is read as a caller would. It must
// end when the caller does, and mean the same however the bytes are cut.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_stream.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory_budget.h"
#include "boost/asio/io_context.hpp"
#include "gateway/connection_list.h"
#include "gateway/front.h"
#include "gateway/handler_slots.h"
#include "gateway/http_session.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "server/dispatcher.h"

namespace millstream::gateway {
namespace {

// So little that bodies and answers can meet its end.
constexpr size_t kHeldBytesMax = 400'000;
// Rounds without a byte in either direction: the session hangs.
constexpr int kIdleRoundsMax = 1000;

[[noreturn]] void Fail(const char* why, std::string_view what = "") {
  std::fprintf(stderr, "%s\n%.*s\n", why, static_cast<int>(what.size()),
               what.data());
  std::abort();
}

// Gives the letters of the alphabet, so often.
class Letters final : public ByteSource {
 public:
  explicit Letters(int64_t size) : size_(size) {}
  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    const size_t count =
        std::min<int64_t>(buffer.size(), std::max<int64_t>(size_ - at_, 0));
    for (size_t i = 0; i < count; ++i) buffer[i] = 'a' + (at_ + i) % 26;
    at_ += count;
    return count;
  }
  absl::Status Seek(int64_t offset) override {
    at_ = offset;
    return absl::OkStatus();
  }

 private:
  const int64_t size_;
  int64_t at_ = 0;
};

class Counted final : public ByteSink {
 public:
  absl::Status Write(std::string_view data) override {
    size_ += data.size();
    if (size_ > 1'000'000) return InvalidParameter("Too large.");
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  size_t size_ = 0;
};

// Rpcs that keep nothing, so that each connection finds the same.
class Echo {
 public:
  absl::Status Create(server::CallContext&,
                      const v1::CreateExperimentRequest& request,
                      v1::CreateExperimentResponse* response) {
    response->set_experiment_id(request.name());
    return absl::OkStatus();
  }
  absl::Status Get(server::CallContext& context,
                   const v1::GetExperimentRequest& request,
                   v1::GetExperimentResponse* response) {
    response->mutable_experiment()->set_name(request.experiment_id());
    response->mutable_experiment()->set_artifact_location(context.base_url());
    return absl::OkStatus();
  }
  absl::StatusOr<server::Download> Download(
      server::CallContext&, const v1::DownloadArtifactRequest& request) {
    const std::string& name = request.artifact_path();
    if (name == "none") return DoesNotExist("No such artifact");
    server::Download download;
    const int64_t size = name == "long" ? 600'000 : 26;
    download.source = std::make_unique<Letters>(size);
    download.file_name = name;
    download.content_type = "text/plain";
    download.modified_ms = 784111777000;
    if (name != "unsized") download.size = size;
    return download;
  }
  absl::StatusOr<server::Upload> Upload(server::CallContext&,
                                        const v1::UploadArtifactRequest&) {
    server::Upload upload;
    upload.sink = std::make_unique<Counted>();
    return upload;
  }
};

// What all connections have in common.
struct Door {
  Door() {
    const auto* pool = v1::Experiment::descriptor()->file()->pool();
    table.Service(pool->FindServiceByName("millstream.v1.TrackingService"));
    table.Unary("CreateExperiment", &echo, &Echo::Create);
    table.Unary("GetExperiment", &echo, &Echo::Get);
    v1::DownloadArtifactRequest::descriptor();
    table.Service(pool->FindServiceByName("millstream.v1.ArtifactService"));
    table.Downloads("DownloadArtifact", &echo, &Echo::Download);
    table.Uploads("UploadArtifact", &echo, &Echo::Upload);
    front = *Front::Create(RestOptions(), &dispatcher);
  }

  Echo echo;
  server::MethodTable table;
  server::Dispatcher dispatcher{&table};
  std::unique_ptr<Front> front;
};

// Writes what the socket takes of the next `step` bytes; true if it took any.
bool SendSome(int socket, std::string_view* bytes, size_t step) {
  if (bytes->empty()) return false;
  const ssize_t sent = send(socket, bytes->data(),
                            std::min(step, bytes->size()), MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return false;
  // The session may have ended already; then the rest is of no interest.
  bytes->remove_prefix(sent < 0 ? bytes->size() : sent);
  return true;
}

bool ReceiveSome(int socket, std::string* bytes) {
  char buffer[64 * 1024];
  const ssize_t count = recv(socket, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  bytes->append(buffer, count);
  return true;
}

// All that comes back for `bytes`, sent `step` at a time.
std::string Served(const Front* front, std::string_view bytes, size_t step) {
  boost::asio::io_context io_context;
  HandlerSlots slots(1), large_slots(1), transfer_slots(1);
  ConnectionList connections(1);
  MemoryBudget memory(kHeldBytesMax);
  const SessionShared shared{.io_context = &io_context,
                             .front = front,
                             .slots = &slots,
                             .large_slots = &large_slots,
                             .transfer_slots = &transfer_slots,
                             .connections = &connections,
                             .memory = &memory,
                             .head_ms_max = limits::kHttpHeadMsMax,
                             .admission_ms_max = limits::kHttpAdmissionMsMax,
                             .transfer_step_ms_max = limits::kHttpBodyMsMax};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                 ends) != 0) {
    Fail("no sockets");
  }
  StartHttpSession(shared, ends[0]);
  std::string answers;
  bool finished = false;
  for (int idle = 0; !io_context.stopped(); ++idle) {
    if (idle > kIdleRoundsMax) Fail("the session hangs", answers);
    if (SendSome(ends[1], &bytes, step)) idle = 0;
    if (bytes.empty() && !finished) {
      finished = true;
      shutdown(ends[1], SHUT_WR);
    }
    io_context.poll();
    if (ReceiveSome(ends[1], &answers)) idle = 0;
  }
  while (ReceiveSome(ends[1], &answers)) {
  }
  close(ends[1]);
  if (memory.held() != 0) Fail("memory is held after the end");
  return answers;
}

// `answers` without what depends on the time and on how the bytes came.
std::string Lasting(std::string answers) {
  const auto remove = [&answers](std::string_view begin, std::string_view end) {
    for (size_t at = 0;
         (at = answers.find(begin, at)) != std::string::npos;) {
      const size_t stop = answers.find(end, at + begin.size());
      if (stop == std::string::npos) return;
      answers.erase(at, stop + end.size() - at);
    }
  };
  remove("\r\nDate: ", "GMT");
  remove("\r\nX-Request-Id: ", "\r");
  remove("HTTP/1.1 100 Continue", "\r\n\r\n");
  return answers;
}

void Check(const Front* front, std::string_view bytes) {
  const std::string whole = Lasting(Served(front, bytes, bytes.size() + 1));
  if (!whole.empty() && !whole.starts_with("HTTP/1.1 ")) {
    Fail("the answer is none", whole);
  }
  const std::string pieces =
      Lasting(Served(front, bytes, 1 + bytes.size() / 7));
  // That bytes are no request may be found out earlier, later or never.
  std::string_view more = whole.size() > pieces.size() ? whole : pieces;
  const std::string_view less = whole.size() > pieces.size() ? pieces : whole;
  const bool same = more.starts_with(less);
  if (same) more.remove_prefix(less.size());
  if (!same || (!more.empty() && !more.starts_with("HTTP/1.1 4") &&
                !more.starts_with("HTTP/1.1 5"))) {
    std::fprintf(stderr, "at once:\n%s\n", whole.c_str());
    Fail("in pieces it is something else:", pieces);
  }
}

}  // namespace
}  // namespace millstream::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const door = new millstream::gateway::Door;
  millstream::gateway::Check(
      door->front.get(),
      std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
