// Workloads that move one large file through the artifact proxy.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/load/requests.h"
#include "bench/load/workload.h"

namespace millstream::bench {

namespace {

constexpr size_t kMb = 1'000'000;
// Prime, so that no buffer size hides a block that comes twice.
constexpr size_t kPatternBytes = 65'521;

std::string Path(const WorkloadOptions& options, size_t client) {
  return absl::StrCat("/api/2.0/mlflow-artifacts/artifacts/bench/",
                      options.experiment, "/file-", client, ".bin");
}

// What the file holds.
std::string Content(size_t bytes) {
  std::string pattern(kPatternBytes, '\0');
  uint32_t x = 1;
  for (char& c : pattern) {
    x = x * 1664525u + 1013904223u;
    c = static_cast<char>(x >> 24);
  }
  std::string content;
  content.reserve(bytes);
  while (content.size() < bytes) {
    content.append(pattern, 0, std::min(pattern.size(),
                                        bytes - content.size()));
  }
  return content;
}

// Sends one request again and again; the unit is a megabyte.
class FileClient : public Client {
 public:
  FileClient(std::string head, absl::string_view tail, uint64_t mb,
             uint64_t count_mb, size_t want_bytes)
      : head_(std::move(head)),
        tail_(tail),
        mb_(mb),
        count_mb_(count_mb),
        want_bytes_(want_bytes) {}

  bool Next(bool time_is_up, Request* request) override {
    if (time_is_up || (count_mb_ > 0 && units_ >= count_mb_)) return false;
    request->bytes = head_;
    request->tail = tail_;
    request->keep_body = false;
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    if (answer.status != 200) {
      return absl::FailedPreconditionError(
          absl::StrCat("status ", answer.status));
    }
    if (answer.body_bytes < want_bytes_) {
      return absl::DataLossError("the file is too short");
    }
    units_ += mb_;
    return absl::OkStatus();
  }

  uint64_t units() const override { return units_; }

 private:
  const std::string head_;
  const absl::string_view tail_;
  const uint64_t mb_;
  const uint64_t count_mb_;
  const size_t want_bytes_;
  uint64_t units_ = 0;
};

class ArtifactWorkload : public Workload {
 public:
  ArtifactWorkload(const WorkloadOptions& options, bool upload)
      : options_(options),
        upload_(upload),
        content_(Content(options.artifact_mb * kMb)) {}

  absl::string_view unit() const override { return "MB"; }

  absl::StatusOr<Clients> Prepare(Api& api) override {
    Clients clients;
    for (size_t i = 0; i < options_.clients; ++i) {
      std::string path = Path(options_, i);
      std::string head = upload_ ? PutHead(api.address(), path, content_.size())
                                 : Get(api.address(), path);
      clients.push_back(std::make_unique<FileClient>(
          std::move(head), upload_ ? content_ : absl::string_view(),
          options_.artifact_mb, options_.count, upload_ ? 0 : content_.size()));
    }
    return clients;
  }

  absl::Status Verify(Api& api) override {
    for (size_t i = 0; i < options_.clients; ++i) {
      absl::StatusOr<std::string> body =
          api.Call(Get(api.address(), Path(options_, i)));
      if (!body.ok()) return body.status();
      if (*body != content_) {
        return absl::DataLossError("the file came back changed");
      }
    }
    return absl::OkStatus();
  }

 private:
  const WorkloadOptions options_;
  const bool upload_;
  const std::string content_;
};

}  // namespace

std::unique_ptr<Workload> MakeArtifactUpload(const WorkloadOptions& options) {
  return std::make_unique<ArtifactWorkload>(options, true);
}

std::unique_ptr<Workload> MakeArtifactDownload(
    const WorkloadOptions& options) {
  return std::make_unique<ArtifactWorkload>(options, false);
}

}  // namespace millstream::bench
