#include "aws/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// How long a request waits for one of the connections.
constexpr absl::Duration kPoolWait = absl::Seconds(10);
// How long one wait for the network lasts, at most.
constexpr int kPollMs = 1000;
constexpr size_t kHeaderBytesMax = 64 * 1024;

int64_t MonotonicMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// One easy handle in a multi handle of its own: the latter keeps connections,
// and makes transfers go only as far as they are asked to.
struct Line {
  Line() : multi(curl_multi_init()), easy(curl_easy_init()) {
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L);
  }
  ~Line() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  CURLM* const multi;
  CURL* const easy;
};

}  // namespace

// Thread-safe.
class HttpClient::Pool {
 public:
  // Null if none was free in time.
  std::unique_ptr<Line> Take() {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return taken_ < limits::kHttpClientConnectionsMax;
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), kPoolWait)) {
      return nullptr;
    }
    ++taken_;
    if (idle_.empty()) return std::make_unique<Line>();
    std::unique_ptr<Line> line = std::move(idle_.back());
    idle_.pop_back();
    return line;
  }

  void Give(std::unique_ptr<Line> line) {
    absl::MutexLock lock(&mutex_);
    --taken_;
    if (idle_.size() < limits::kHttpClientIdleMax) {
      idle_.push_back(std::move(line));
    }
  }

 private:
  absl::Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Line>> idle_ ABSL_GUARDED_BY(mutex_);
};

class HttpClient::Stream final : public HttpStream {
 public:
  Stream(Pool* pool, std::unique_ptr<Line> line, const HttpRequest& request)
      : pool_(pool),
        line_(std::move(line)),
        body_(request.body),
        idle_ms_max_(request.idle_ms_max) {}

  ~Stream() override {
    curl_multi_remove_handle(line_->multi, line_->easy);
    curl_easy_reset(line_->easy);
    curl_slist_free_all(headers_);
    pool_->Give(std::move(line_));
  }

  // Until the head of the answer is there.
  absl::Status Start(const HttpClientOptions& options,
                     const HttpRequest& request) {
    SetUp(options, request);
    if (curl_multi_add_handle(line_->multi, line_->easy) != CURLM_OK) {
      return absl::InternalError("libcurl takes no transfer");
    }
    RETURN_IF_ERROR(Go([this] { return head_done_; }));
    if (!head_done_) return absl::UnavailableError("no answer");
    body_gone_ = true;  // it need not live longer
    return absl::OkStatus();
  }

  const HttpResponse& head() const override { return head_; }

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (buffer.empty()) return 0;
    if (held_from_ == held_.size() && !done_) {
      wanted_ = buffer;
      filled_ = 0;
      if (paused_) {
        paused_ = false;
        curl_easy_pause(line_->easy, CURLPAUSE_CONT);
      }
      absl::Status status = Go([this] { return filled_ > 0; });
      wanted_ = {};
      if (filled_ > 0) return filled_;
      RETURN_IF_ERROR(status);
    }
    if (held_from_ == held_.size() && result_ != CURLE_OK) return Failure();
    const size_t count = std::min(buffer.size(), held_.size() - held_from_);
    std::memcpy(buffer.data(), held_.data() + held_from_, count);
    held_from_ += count;
    if (held_from_ == held_.size()) {
      held_.clear();
      held_from_ = 0;
    }
    return count;
  }

 private:
  void SetUp(const HttpClientOptions& options, const HttpRequest& request) {
    CURL* const easy = line_->easy;
    std::string url = StrCat(request.scheme, "://", request.host, request.path);
    if (!request.query.empty()) {
      StrAppend(&url, "?", EncodeQuery(request.query));
    }
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_ms_max));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                     static_cast<long>(limits::kHttpClientBufferBytes));
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                     static_cast<long>(limits::kHttpClientBufferBytes));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
    if (request.direct) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (!options.verify_tls) {
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (!options.ca_bundle.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_bundle.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    SetMethod(request.method);
    for (const auto& [name, value] : request.headers) {
      // "Name;" is how libcurl is told of a header without a value.
      AddHeader(value.empty() ? StrCat(name, ";") : StrCat(name, ": ", value));
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  }

  void SetMethod(const std::string& method) {
    CURL* const easy = line_->easy;
    if (method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
      return;
    }
    if (body_ == nullptr && method != "PUT" && method != "POST") {
      curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
      curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(
          easy, CURLOPT_INFILESIZE_LARGE,
          static_cast<curl_off_t>(body_ == nullptr ? 0 : body_->size()));
      curl_easy_setopt(easy, CURLOPT_READFUNCTION, &OnGive);
      curl_easy_setopt(easy, CURLOPT_READDATA, this);
      curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &OnSeek);
      curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  }

  void AddHeader(const std::string& line) {
    headers_ = curl_slist_append(headers_, line.c_str());
  }

  // Lets the transfer go on until `enough()`, or its end.
  template <typename F>
  absl::Status Go(const F& enough) {
    moved_ms_ = MonotonicMs();
    for (;;) {
      int running = 0;
      if (curl_multi_perform(line_->multi, &running) != CURLM_OK) {
        return absl::InternalError("libcurl cannot go on");
      }
      int waiting = 0;
      while (const CURLMsg* message =
                 curl_multi_info_read(line_->multi, &waiting)) {
        if (message->msg != CURLMSG_DONE) continue;
        done_ = true;
        result_ = message->data.result;
        // What was answered says more than that the other side then closed.
        if (result_ == CURLE_SEND_ERROR && head_done_) result_ = CURLE_OK;
      }
      if (enough()) return absl::OkStatus();
      if (done_) return result_ == CURLE_OK ? absl::OkStatus() : Failure();
      if (MonotonicMs() - moved_ms_ > idle_ms_max_) {
        done_ = true;
        result_ = CURLE_OPERATION_TIMEDOUT;
        return absl::UnavailableError("the other side is silent");
      }
      curl_multi_poll(line_->multi, nullptr, 0, kPollMs, nullptr);
    }
  }

  absl::Status Failure() const {
    if (!body_error_.ok()) return body_error_;
    return absl::UnavailableError(error_[0] != 0 ? error_
                                                 : curl_easy_strerror(result_));
  }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    return static_cast<Stream*>(self)->TakeHeader(
        absl::StripTrailingAsciiWhitespace(absl::string_view(data, size)),
        size);
  }

  size_t TakeHeader(absl::string_view line, size_t size) {
    moved_ms_ = MonotonicMs();
    header_bytes_ += size;
    if (header_bytes_ > kHeaderBytesMax) return 0;
    if (line.empty()) {
      // "100 Continue" comes before the answer.
      head_done_ = head_.status >= 200;
      return size;
    }
    const size_t colon = line.find(':');
    if (absl::StartsWith(line, "HTTP/") && colon == absl::string_view::npos) {
      head_ = HttpResponse();
      const size_t blank = line.find(' ');
      if (blank == absl::string_view::npos ||
          !absl::SimpleAtoi(line.substr(blank + 1, 3), &head_.status)) {
        return 0;
      }
    } else if (colon != absl::string_view::npos) {
      head_.headers.emplace_back(
          absl::AsciiStrToLower(line.substr(0, colon)),
          absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    return size;
  }

  static size_t OnBody(char* data, size_t, size_t size, void* self) {
    return static_cast<Stream*>(self)->TakeBody(data, size);
  }

  size_t TakeBody(const char* data, size_t size) {
    moved_ms_ = MonotonicMs();
    if (filled_ == wanted_.size() && held_from_ < held_.size()) {
      paused_ = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    const size_t count = std::min(size, wanted_.size() - filled_);
    if (count > 0) std::memcpy(wanted_.data() + filled_, data, count);
    filled_ += count;
    held_.append(data + count, size - count);
    return size;
  }

  static size_t OnGive(char* data, size_t size, size_t count, void* self) {
    return static_cast<Stream*>(self)->GiveBody({data, size * count});
  }

  size_t GiveBody(std::span<char> buffer) {
    moved_ms_ = MonotonicMs();
    if (body_gone_) return CURL_READFUNC_ABORT;
    if (body_ == nullptr) return 0;
    absl::StatusOr<size_t> count = body_->ReadAt(sent_, buffer);
    if (!count.ok()) {
      body_error_ = count.status();
      return CURL_READFUNC_ABORT;
    }
    sent_ += static_cast<int64_t>(*count);
    return *count;
  }

  static int OnSeek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Stream*>(self)->sent_ = offset;
    return CURL_SEEKFUNC_OK;
  }

  Pool* const pool_;
  std::unique_ptr<Line> line_;
  HttpBody* const body_;
  const int64_t idle_ms_max_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};

  HttpResponse head_;
  size_t header_bytes_ = 0;
  bool head_done_ = false;
  // Of the request's body.
  int64_t sent_ = 0;
  bool body_gone_ = false;
  absl::Status body_error_;
  // Of the answer's: where it is to go, how much of that has come, and what
  // has come beyond it.
  std::span<char> wanted_;
  size_t filled_ = 0;
  std::string held_;
  size_t held_from_ = 0;
  bool paused_ = false;

  bool done_ = false;
  CURLcode result_ = CURLE_OK;
  int64_t moved_ms_ = 0;
};

HttpClient::HttpClient(HttpClientOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>()) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialized;
}

HttpClient::~HttpClient() = default;

absl::StatusOr<std::unique_ptr<HttpStream>> HttpClient::Open(
    const HttpRequest& request) {
  std::unique_ptr<Line> line = pool_->Take();
  if (line == nullptr) {
    return absl::UnavailableError("all connections are busy");
  }
  auto stream = std::make_unique<Stream>(pool_.get(), std::move(line), request);
  RETURN_IF_ERROR(stream->Start(options_, request));
  return stream;
}

absl::StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request,
                                              size_t body_bytes_max) {
  ASSIGN_OR_RETURN(const std::unique_ptr<HttpStream> stream, Open(request));
  HttpResponse response = stream->head();
  std::vector<char> buffer(16 * 1024);
  for (;;) {
    ASSIGN_OR_RETURN(const size_t count, stream->Read(buffer));
    if (count == 0) return response;
    if (response.body.size() + count > body_bytes_max) {
      return absl::ResourceExhaustedError("the answer is too large");
    }
    response.body.append(buffer.data(), count);
  }
}

}  // namespace millstream::aws
