#include "gateway/ui_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/str_cat.h"
#include "gateway/file_range.h"
#include "gateway/http_writer.h"

namespace millstream::gateway {
namespace {

constexpr int64_t kKeepSeconds = 28 * 24 * 3600;

// An open file. Not copied.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(Descriptor file) : file_(std::move(file)) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    const ssize_t count =
        pread(file_.get(), buffer.data(), buffer.size(), offset_);
    if (count < 0) return absl::InternalError("A file of the UI is unreadable");
    offset_ += count;
    return count;
  }
  absl::Status Seek(int64_t offset) override {
    offset_ = offset;
    return absl::OkStatus();
  }

 private:
  const Descriptor file_;
  int64_t offset_ = 0;
};

// A file of the UI, or a variant of it.
struct File {
  Descriptor descriptor;
  int64_t size;
  int64_t modified_ms;
};

// Opens a file below the folder `root`. The kernel resolves the path and
// stays below, whatever it holds. Otherwise errno says why.
std::optional<File> OpenBelow(int root, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  Descriptor file(static_cast<int>(
      syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how))));
  if (!file.ok()) return std::nullopt;
  struct stat status;
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    errno = ENOENT;
    return std::nullopt;
  }
  const int64_t modified_ms =
      status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1'000'000;
  return File{std::move(file), status.st_size, modified_ms};
}

bool TakesGzip(const RequestHead& head) {
  const auto accepted = head.Header("accept-encoding");
  if (!accepted.has_value()) return false;
  for (const absl::string_view part :
       absl::StrSplit(AbslView(*accepted), ',')) {
    const std::pair<absl::string_view, absl::string_view> coding =
        absl::StrSplit(part, absl::MaxSplits(';', 1));
    if (absl::StripAsciiWhitespace(coding.first) != "gzip") continue;
    const absl::string_view weight =
        absl::StripAsciiWhitespace(coding.second);
    return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" &&
           weight != "q=0.000";
  }
  return false;
}

// Of a file that could not be opened.
HttpReply NoSuchFile(int error = ENOENT) {
  if (error == EMFILE || error == ENFILE) {
    return HtmlError(503, "The server has too many files open; try again.");
  }
  return HtmlError(404, "The UI has no such file. Check the address.");
}

class UiHandler : public Handler {
 public:
  explicit UiHandler(const std::string& dir)
      : root_(dir.empty() ? -1
                          : open(dir.c_str(),
                                 O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

 protected:
  bool has_root() const { return root_.ok(); }

  // The answer for the file at `path`; `keep_seconds` is how long browsers
  // may use it without asking.
  HttpReply Send(const RequestHead& head, const std::string& path,
                 int64_t keep_seconds) const {
    if (path.find('\0') != std::string::npos) return NoSuchFile();
    std::optional<File> file = OpenBelow(root_.get(), path);
    if (!file.has_value()) return NoSuchFile(errno);
    bool zipped = false;
    if (TakesGzip(head)) {
      std::optional<File> smaller = OpenBelow(root_.get(), path + ".gz");
      if (smaller.has_value()) {
        file.emplace(*std::move(smaller));
        zipped = true;
      }
    }
    HttpReply reply;
    reply.content_type = std::string(UiContentType(path));
    const std::string etag = StrCat("\"", file->modified_ms, "-", file->size,
                                    zipped ? "-gz\"" : "\"");
    reply.AddHeader("ETag", etag);
    reply.AddHeader("Last-Modified", HttpDate(file->modified_ms));
    if (keep_seconds > 0) {
      reply.AddHeader("Cache-Control",
                      StrCat("public, max-age=", keep_seconds));
      reply.AddHeader("Expires", HttpDate(Clock::System().NowMs() +
                                          keep_seconds * 1000));
    } else {
      reply.AddHeader("Cache-Control", "no-cache");
    }
    reply.AddHeader("Accept-Ranges", "bytes");
    reply.AddHeader("Vary", "Accept-Encoding");
    if (zipped) reply.AddHeader("Content-Encoding", "gzip");
    if (IsUnchanged(head, etag, file->modified_ms)) {
      reply.status = 304;
      reply.content_type.clear();
      return reply;
    }
    return WithBytes(head, *std::move(file), etag, std::move(reply));
  }

 private:
  static HttpReply WithBytes(const RequestHead& head, File file,
                             std::string_view etag, HttpReply reply) {
    ByteRange range{0, file.size};
    switch (ReadRange(head, file.size, etag, file.modified_ms, &range)) {
      case RangeKind::kPart:
        reply.status = 206;
        reply.AddHeader("Content-Range", ContentRange(range, file.size));
        break;
      case RangeKind::kOutside: {
        HttpReply refusal = HtmlError(416, "The file is not that long.");
        refusal.AddHeader("Content-Range", ContentRangeOutside(file.size));
        return refusal;
      }
      default:
        range = {0, file.size};
    }
    reply.source = std::make_unique<FileSource>(std::move(file.descriptor));
    if (!reply.source->Seek(range.begin).ok()) return NoSuchFile();
    reply.source_bytes = range.end - range.begin;
    return reply;
  }

  const Descriptor root_;
};

class UiPageHandler final : public UiHandler {
 public:
  using UiHandler::UiHandler;
  std::string name() const override { return "UI page"; }
  HttpReply Answer(const Request& request, std::string*) const override {
    if (!has_root()) {
      return TextReply(
          200,
          "This server runs without MLflow's UI. tools/setup fetches it; "
          "--ui-dir says where it lies. The API is served all the same.\n");
    }
    return Send(request.head, "index.html", 0);
  }
};

class UiFileHandler final : public UiHandler {
 public:
  using UiHandler::UiHandler;
  std::string name() const override { return "UI files"; }
  HttpReply Answer(const Request& request, std::string*) const override {
    if (!has_root() || request.variables.empty()) return NoSuchFile();
    return Send(request.head, request.variables[0].second, kKeepSeconds);
  }
};

}  // namespace

std::shared_ptr<const Handler> MakeUiPageHandler(const std::string& dir) {
  return std::make_shared<UiPageHandler>(dir);
}

std::shared_ptr<const Handler> MakeUiFileHandler(const std::string& dir) {
  return std::make_shared<UiFileHandler>(dir);
}

std::string_view UiContentType(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".svg", "image/svg+xml; charset=utf-8"},
      {".png", "image/png"},
      {".ico", "image/vnd.microsoft.icon"},
      {".gif", "image/gif"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".woff", "font/woff"},
      {".woff2", "font/woff2"},
      {".ttf", "font/ttf"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (absl::EndsWith(AbslView(name), AbslView(ending))) return type;
  }
  return "application/octet-stream";
}

}  // namespace millstream::gateway
