// Downloads and uploads over real sockets, in front of files in memory.
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/testing/door_fixture.h"
#include "millstream/v1/artifacts.pb.h"

namespace millstream::gateway {
namespace {

constexpr int64_t kModifiedMs = 784111777000;

class StringSource final : public ByteSource {
 public:
  explicit StringSource(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    const size_t count = bytes_.copy(buffer.data(), buffer.size(), at_);
    at_ += count;
    return count;
  }
  absl::Status Seek(int64_t offset) override {
    at_ = offset;
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
  size_t at_ = 0;
};

// Files by path. "dir" is a folder, "nowhere" no place to write to, and what is
// written to "stuck" is so after a while only.
class Files {
 public:
  absl::StatusOr<server::Download> Get(
      server::CallContext&, const v1::DownloadArtifactRequest& request) {
    if (request.artifact_path() == "dir") {
      return WithDetailBody(InvalidParameter("That is a directory."));
    }
    absl::MutexLock lock(&mutex_);
    const auto file = files_.find(request.artifact_path());
    if (file == files_.end()) return DoesNotExist("No such artifact");
    server::Download download;
    download.source = std::make_unique<StringSource>(file->second);
    download.file_name = request.artifact_path();
    download.content_type = "text/plain";
    download.modified_ms = kModifiedMs;
    if (request.artifact_path() != "unknown-size") {
      download.size = file->second.size();
    }
    return download;
  }
  absl::StatusOr<server::Download> GetByRun(
      server::CallContext& context, const v1::GetRunArtifactRequest& request) {
    v1::DownloadArtifactRequest other;
    other.set_artifact_path(request.path());
    return Get(context, other);
  }
  absl::StatusOr<server::Upload> Put(
      server::CallContext&, const v1::UploadArtifactRequest& first) {
    if (first.artifact_path() == "nowhere") {
      return InvalidParameter("Invalid path");
    }
    server::Upload upload;
    upload.sink = std::make_unique<Sink>(this, first.artifact_path());
    return upload;
  }
  absl::StatusOr<server::Upload> PutByRun(
      server::CallContext&, const v1::UploadRunArtifactRequest& first) {
    server::Upload upload;
    upload.sink = std::make_unique<Sink>(this, first.path());
    return upload;
  }
  std::string Of(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    return files_.count(path) > 0 ? files_[path] : "none";
  }
  // Waits until something has been written there.
  void AwaitWrite(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    auto written = [&] {
      mutex_.AssertHeld();
      return written_.count(path) > 0;
    };
    mutex_.Await(absl::Condition(&written));
  }
  // Lets writes to "stuck" end.
  void GoOn() {
    absl::MutexLock lock(&mutex_);
    goes_on_ = true;
  }
  size_t LargestWrite() {
    absl::MutexLock lock(&mutex_);
    return largest_write_;
  }

 private:
  class Sink final : public ByteSink {
   public:
    Sink(Files* files, std::string path)
        : files_(files), path_(std::move(path)) {}
    absl::Status Write(std::string_view data) override {
      {
        absl::MutexLock lock(&files_->mutex_);
        files_->largest_write_ =
            std::max(files_->largest_write_, data.size());
        files_->written_.insert(path_);
        if (path_ == "stuck") {
          files_->mutex_.Await(absl::Condition(&files_->goes_on_));
        }
      }
      bytes_ += data;
      if (path_ == "small" && bytes_.size() > 10) {
        return InvalidParameter("Too large.");
      }
      return absl::OkStatus();
    }
    absl::Status Finish() override {
      absl::MutexLock lock(&files_->mutex_);
      files_->files_[path_] = bytes_;
      return absl::OkStatus();
    }

   private:
    Files* const files_;
    const std::string path_;
    std::string bytes_;
  };

  absl::Mutex mutex_;
  std::map<std::string, std::string> files_ ABSL_GUARDED_BY(mutex_);
  size_t largest_write_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> written_ ABSL_GUARDED_BY(mutex_);
  bool goes_on_ ABSL_GUARDED_BY(mutex_) = false;
};

class TransferTest : public DoorFixture {
 protected:
  TransferTest() {
    options_.threads = 3;
    table_.Service(
        v1::ListArtifactsRequest::descriptor()->file()->FindServiceByName(
            "ArtifactService"));
    table_.Downloads("DownloadArtifact", &files_, &Files::Get);
    table_.Downloads("GetRunArtifact", &files_, &Files::GetByRun);
    table_.Uploads("UploadArtifact", &files_, &Files::Put);
    table_.Uploads("UploadRunArtifact", &files_, &Files::PutByRun);
  }

  Files files_;
};

constexpr char kProxy[] = "/api/2.0/mlflow-artifacts/artifacts/";

TEST_F(TransferTest, FilesGoInAndOut) {
  Start();
  WireReply put = Ask("PUT", StrCat(kProxy, "a%20b.txt"), "hello");
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.body, "");
  EXPECT_EQ(put.headers.count("content-type"), 0u);
  WireReply get = Ask("GET", StrCat(kProxy, "a%20b.txt"));
  EXPECT_EQ(get.body, "hello");
  EXPECT_EQ(get.headers["content-type"], "text/plain");
  EXPECT_EQ(get.headers["content-length"], "5");
  EXPECT_EQ(get.headers["content-disposition"],
            "attachment; filename=\"a b.txt\"");
  EXPECT_EQ(get.headers["x-content-type-options"], "nosniff");
  EXPECT_EQ(get.headers["cache-control"], "no-cache");
  EXPECT_NE(get.headers["content-security-policy"], "");
  EXPECT_EQ(get.headers["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Ask("GET", StrCat(kProxy, "a%20b.txt"), "",
                StrCat("If-None-Match: ", get.headers["etag"], "\r\n"))
                .status,
            304);
  WireReply head = Ask("HEAD", StrCat(kProxy, "a%20b.txt"));
  EXPECT_EQ(head.headers["content-length"], "5");
}

TEST_F(TransferTest, NativeRoutesTakeSlashesAsTheyAre) {
  options_.static_prefix = "/mlf";
  Start();
  EXPECT_EQ(Ask("PUT", StrCat(kProxy, "/etc//x"), "1").status, 200);
  EXPECT_EQ(files_.Of("/etc//x"), "1");
  WireReply moved = Ask("GET", StrCat("/mlf", kProxy, "/etc//x"));
  EXPECT_EQ(moved.status, 308);
  EXPECT_EQ(moved.headers["location"], StrCat("/mlf", kProxy, "etc/x"));
  // Not at the start they make no difference.
  EXPECT_EQ(Ask("GET", StrCat("/mlf", kProxy, "a//b")).status, 404);
}

TEST_F(TransferTest, LargeFilesPassInPieces) {
  Start();
  std::string large(5'000'000, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = i * 7 % 251;
  EXPECT_EQ(Ask("PUT", StrCat(kProxy, "large"), large).status, 200);
  EXPECT_EQ(files_.Of("large"), large);
  EXPECT_LE(files_.LargestWrite(), 2 * limits::kTransferChunkBytes);
  EXPECT_EQ(Ask("GET", StrCat(kProxy, "large")).body, large);
}

// One transfer is worked on at a time, and that one is stuck.
class TransferInLineTest : public TransferTest {
 protected:
  void StartWithOneUnderWay() {
    Start();
    begun_.emplace(door_->port());
    begun_->Send(StrCat("PUT ", kProxy,
                        "begun HTTP/1.1\r\nHost: localhost\r\n"
                        "Content-Length: ", 2 * part_.size(), "\r\n\r\n",
                        part_));
    files_.AwaitWrite("begun");
    stuck_.emplace(door_->port());
    stuck_->Send(StrCat("PUT ", kProxy,
                        "stuck HTTP/1.1\r\nHost: localhost\r\n"
                        "Content-Length: 1\r\n\r\nx"));
    files_.AwaitWrite("stuck");
    begun_->Send(part_);
  }

  const std::string part_ = std::string(limits::kTransferChunkBytes, 'x');
  std::optional<WireClient> begun_;
  std::optional<WireClient> stuck_;
};

TEST_F(TransferInLineTest, WhatHasBegunWaitsLongerThanWhatHasNot) {
  options_.admission_ms_max = 1;
  StartWithOneUnderWay();
  EXPECT_EQ(Ask("PUT", StrCat(kProxy, "new"), "x").status, 503);
  EXPECT_EQ(Ask("GET", "/health").status, 200);
  files_.GoOn();
  EXPECT_EQ(stuck_->Receive().status, 200);
  EXPECT_EQ(begun_->Receive().status, 200);
  EXPECT_EQ(files_.Of("begun"), part_ + part_);
  EXPECT_EQ(files_.Of("new"), "none");
}

TEST_F(TransferInLineTest, WhatHasBegunDoesNotWaitForEver) {
  options_.transfer_step_ms_max = 1;
  StartWithOneUnderWay();
  EXPECT_EQ(begun_->Receive().status, 503);
  files_.GoOn();
  EXPECT_EQ(stuck_->Receive().status, 200);
  EXPECT_EQ(files_.Of("begun"), "none");
}

TEST_F(TransferTest, UploadsMayComeInChunks) {
  Start();
  WireClient client(door_->port());
  client.Send(StrCat("PUT ", kProxy,
                     "c HTTP/1.1\r\nHost: localhost\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
  client.Send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_EQ(files_.Of("c"), "abcde");
  // The connection goes on.
  EXPECT_EQ(client.Ask("GET", StrCat(kProxy, "c")).body, "abcde");
}

TEST_F(TransferTest, DownloadsOfUnknownSizeComeInChunks) {
  Start();
  Ask("PUT", StrCat(kProxy, "unknown-size"), "hello");
  WireReply get = Ask("GET", StrCat(kProxy, "unknown-size"));
  EXPECT_EQ(get.headers["transfer-encoding"], "chunked");
  EXPECT_EQ(get.body, "hello");
}

TEST_F(TransferTest, OldClientsGetNoChunks) {
  Start();
  Ask("PUT", StrCat(kProxy, "unknown-size"), "hello");
  WireClient client(door_->port());
  client.Send(StrCat("GET ", kProxy, "unknown-size HTTP/1.0\r\n"
                     "Host: localhost\r\nConnection: keep-alive\r\n\r\n"));
  WireReply get = client.Receive();
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(get.headers["connection"], "close");
  EXPECT_EQ(client.Rest(), "hello");
}

TEST_F(TransferTest, AnUploadThatBreaksOffLeavesNothing) {
  Start();
  {
    WireClient client(door_->port());
    client.Send(StrCat("PUT ", kProxy,
                       "b HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Length: 100\r\n\r\nhalf"));
    client.FinishSending();
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_EQ(files_.Of("b"), "none");
}

TEST_F(TransferTest, EmptyFilesAreFiles) {
  Start();
  EXPECT_EQ(Ask("PUT", StrCat(kProxy, "e"), "").status, 200);
  EXPECT_EQ(files_.Of("e"), "");
  WireReply get = Ask("GET", StrCat(kProxy, "e"));
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, "");
}

TEST_F(TransferTest, TheCallerIsToldToGoOn) {
  Start();
  WireClient client(door_->port());
  client.Send(StrCat("PUT ", kProxy,
                     "x HTTP/1.1\r\nHost: localhost\r\n"
                     "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Receive().status, 200);
  // A refusal comes at once; the body need not be sent.
  WireClient refused(door_->port());
  refused.Send(StrCat("PUT ", kProxy,
                      "nowhere HTTP/1.1\r\nHost: localhost\r\n"
                      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_EQ(refused.Receive().status, 400);
  EXPECT_TRUE(refused.AtEnd());
}

TEST_F(TransferTest, ARefusedUploadIsReadPast) {
  Start();
  WireClient client(door_->port());
  WireReply reply =
      client.Ask("PUT", StrCat(kProxy, "nowhere"), std::string(3'000'000, 'x'));
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("error_code"), std::string::npos);
  EXPECT_EQ(client.Ask("PUT", StrCat(kProxy, "fine"), "x").status, 200);
  // Refused half-way.
  EXPECT_EQ(client.Ask("PUT", StrCat(kProxy, "small"),
                       std::string(3'000'000, 'x'))
                .status,
            400);
  EXPECT_EQ(files_.Of("small"), "none");
  EXPECT_EQ(client.Ask("GET", "/health").status, 200);
}

TEST_F(TransferTest, RangesAreSent) {
  Start();
  Ask("PUT", StrCat(kProxy, "a.txt"), "hello");
  const auto range = [this](std::string_view target, std::string_view text) {
    return Ask("GET", target, "", StrCat("Range: ", text, "\r\n"));
  };
  for (const std::string& target :
       {StrCat(kProxy, "a.txt"),
        std::string("/get-artifact?run_id=r&path=a.txt")}) {
    WireReply part = range(target, "bytes=2-");
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.headers["content-range"], "bytes 2-4/5");
    EXPECT_EQ(part.body, "llo");
    WireReply outside = range(target, "bytes=99-100");
    EXPECT_EQ(outside.status, 416);
    EXPECT_EQ(outside.headers["content-range"], "bytes */5");
  }
  EXPECT_EQ(range(StrCat(kProxy, "a.txt"), "nonsense").status, 400);
  EXPECT_EQ(range("/get-artifact?run_id=r&path=a.txt", "nonsense").status,
            416);
}

TEST_F(TransferTest, ErrorsHaveTheFormOfTheirRoute) {
  options_.static_prefix = "/mlf";
  Start();
  EXPECT_EQ(Ask("GET", StrCat(kProxy, "dir")).body,
            R"({"detail":"That is a directory."})");
  EXPECT_NE(Ask("GET", StrCat("/mlf", kProxy, "dir")).body.find("error_code"),
            std::string::npos);
  EXPECT_EQ(Ask("GET", StrCat(kProxy, "nothing")).status, 404);
  // Under the prefix an upload answers as other rpcs do.
  EXPECT_EQ(Ask("PUT", StrCat("/mlf", kProxy, "x"), "x").body, "{}");
  EXPECT_EQ(Ask("PUT", StrCat(kProxy, "x"), "x").body, "");
  EXPECT_EQ(Ask("DELETE", StrCat(kProxy, "x")).status, 404);
  EXPECT_EQ(Ask("PATCH", StrCat("/mlf", kProxy, "x")).status, 405);
}

TEST_F(TransferTest, TheUisRoutesAnswerAsTheReferenceDoes) {
  Start();
  WireReply put = Ask("POST",
                      "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=r&"
                      "path=up.txt",
                      "uploaded");
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.headers["content-type"], "application/json");
  EXPECT_EQ(put.body, "");
  EXPECT_EQ(Ask("GET", "/get-artifact?run_id=r&path=up.txt").body, "uploaded");
  WireReply form = Ask("POST",
                       "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=r&"
                       "path=form.txt",
                       "--x\r\n", "Content-Type: multipart/form-data; "
                       "boundary=x\r\n");
  EXPECT_EQ(form.status, 400);
  EXPECT_NE(form.body.find("must specify data"), std::string::npos);
  const auto range = [&](std::string_view path, std::string_view span) {
    return Ask("GET", StrCat("/get-artifact?run_id=r&path=", path), "",
               StrCat("Range: bytes=", span, "\r\n"))
        .status;
  };
  EXPECT_EQ(range("up.txt", "0-1"), 206);
  EXPECT_EQ(range("up.txt", "0-1,3-4"), 416);
  WireReply no_path = Ask("GET", "/get-artifact?run_id=r");
  EXPECT_EQ(no_path.status, 400);
  EXPECT_EQ(no_path.headers["content-type"], "text/html; charset=utf-8");
}

}  // namespace
}  // namespace millstream::gateway
