#include "bench/load/api.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/load/requests.h"

namespace millstream::bench {

namespace {

constexpr absl::string_view kBase = "/api/2.0/mlflow/";
constexpr size_t kRunsPerPage = 1000;
constexpr size_t kPointsPerPage = 25'000;

std::string Path(absl::string_view tail) { return absl::StrCat(kBase, tail); }

}  // namespace

Api::~Api() { Close(); }

void Api::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<std::string> Api::Call(absl::string_view bytes) {
  bool fresh = fd_ < 0;
  absl::StatusOr<std::string> body = Exchange(bytes);
  // The server may have closed an idle connection: once more on a new one.
  if (!fresh && absl::IsUnavailable(body.status())) body = Exchange(bytes);
  return body;
}

absl::StatusOr<std::string> Api::Exchange(absl::string_view bytes) {
  if (fd_ < 0) {
    absl::StatusOr<int> fd = Connect(address_, /*nonblocking=*/false);
    if (!fd.ok()) return fd.status();
    fd_ = *fd;
  }
  while (!bytes.empty()) {
    ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      Close();
      return absl::UnavailableError("the server closed while we sent");
    }
    bytes.remove_prefix(n);
  }
  parser_.Reset(/*keep_body=*/true);
  std::array<char, 64 * 1024> buffer;
  auto state = ResponseParser::State::kNeedMore;
  while (state == ResponseParser::State::kNeedMore) {
    ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
    if (n <= 0) {
      Close();
      return absl::UnavailableError("the server closed before it answered");
    }
    state = parser_.Feed({buffer.data(), static_cast<size_t>(n)});
  }
  if (state == ResponseParser::State::kBroken || parser_.close()) Close();
  if (state == ResponseParser::State::kBroken) {
    return absl::FailedPreconditionError("the answer is not HTTP");
  }
  if (parser_.status() != 200) {
    std::string text = absl::StrCat("status ", parser_.status(), ": ",
                                    parser_.body().substr(0, 300));
    if (parser_.status() == 404) return absl::NotFoundError(text);
    return absl::FailedPreconditionError(text);
  }
  return parser_.body();
}

absl::StatusOr<std::string> Api::FindExperiment(absl::string_view name) {
  absl::StatusOr<std::string> body = Call(
      Get(address_, Path(absl::StrCat("experiments/get-by-name?"
                                      "experiment_name=",
                                      QueryEscape(name)))));
  if (!body.ok()) return body.status();
  return ReadExperimentId(*body);
}

absl::StatusOr<std::string> Api::EnsureExperiment(absl::string_view name) {
  absl::StatusOr<std::string> found = FindExperiment(name);
  if (!absl::IsNotFound(found.status())) return found;
  absl::StatusOr<std::string> body =
      Call(Post(address_, Path("experiments/create"),
                absl::StrCat(R"({"name": ")", name, "\"}")));
  if (!body.ok()) return body.status();
  return ReadString(*body, "experiment_id");
}

absl::StatusOr<std::string> Api::CreateRun(absl::string_view experiment_id,
                                           absl::string_view name) {
  absl::StatusOr<std::string> body =
      Call(Post(address_, Path("runs/create"),
                CreateRunBody(experiment_id, name, 0)));
  if (!body.ok()) return body.status();
  return ReadCreatedRunId(*body);
}

absl::StatusOr<RunSummary> Api::GetRun(absl::string_view run_id) {
  absl::StatusOr<std::string> body =
      Call(Get(address_, Path(absl::StrCat("runs/get?run_id=", run_id))));
  if (!body.ok()) return body.status();
  return ReadRun(*body);
}

absl::StatusOr<std::vector<RunSummary>> Api::Runs(
    absl::string_view experiment_id, size_t limit) {
  std::vector<RunSummary> runs;
  std::string token;
  do {
    size_t want = limit == 0 ? kRunsPerPage
                             : std::min(kRunsPerPage, limit - runs.size());
    absl::StatusOr<std::string> body =
        Call(Post(address_, Path("runs/search"),
                  SearchRunsBody(experiment_id, "", "", want, token)));
    if (!body.ok()) return body.status();
    absl::StatusOr<RunPage> page = ReadRunPage(*body);
    if (!page.ok()) return page.status();
    for (RunSummary& run : page->runs) runs.push_back(std::move(run));
    token = page->next_page_token;
  } while (!token.empty() && (limit == 0 || runs.size() < limit));
  return runs;
}

absl::StatusOr<HistorySummary> Api::History(absl::string_view run_id,
                                            absl::string_view key) {
  HistorySummary all;
  do {
    absl::StatusOr<std::string> body =
        Call(Get(address_, HistoryPath(run_id, key, kPointsPerPage,
                                       all.next_page_token)));
    if (!body.ok()) return body.status();
    absl::StatusOr<HistorySummary> page = ReadHistoryPage(*body);
    if (!page.ok()) return page.status();
    all.Append(*page);
  } while (!all.next_page_token.empty());
  return all;
}

}  // namespace millstream::bench
