#include "gateway/ui_files.h"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

namespace fs = std::filesystem;

void Write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string HeaderOf(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string BodyOf(HttpReply& reply) {
  if (reply.source == nullptr) return reply.body;
  std::string bytes(*reply.source_bytes, '\0');
  const auto read = reply.source->Read(std::span(bytes.data(), bytes.size()));
  return read.ok() ? bytes.substr(0, *read) : "unreadable";
}

class UiFilesTest : public testing::Test {
 protected:
  UiFilesTest() {
    std::string name = testing::TempDir() + "/uiXXXXXX";
    folder_ = mkdtemp(name.data());
    Write(folder_ / "secret", "secret");
    Write(folder_ / "ui/index.html", "<html>");
    Write(folder_ / "ui/static/main.js", "0123456789");
    Write(folder_ / "ui/static/big.js", "plain");
    Write(folder_ / "ui/static/big.js.gz", "zipped");
    fs::create_symlink("../../secret", folder_ / "ui/static/link");
    handler_ = MakeUiFileHandler(folder_ / "ui");
  }
  ~UiFilesTest() override { fs::remove_all(folder_); }

  HttpReply Get(std::string path, RequestHead head = {}) {
    const Request request{head, {{"path", std::move(path)}}, ""};
    std::string body;
    return handler_->Answer(request, &body);
  }

  fs::path folder_;
  std::shared_ptr<const Handler> handler_;
};

TEST_F(UiFilesTest, WithoutDescriptorsNoFileIsSaidToBeMissing) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(Get("static/main.js").status, 503);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(Get("static/main.js").status, 200);
  EXPECT_EQ(Get("static/other.js").status, 404);
}

TEST_F(UiFilesTest, FilesAreKeptByBrowsers) {
  HttpReply reply = Get("static/main.js");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(HeaderOf(reply, "Cache-Control"), "public, max-age=2419200");
  EXPECT_NE(HeaderOf(reply, "Last-Modified"), "");
  EXPECT_EQ(BodyOf(reply), "0123456789");
}

TEST_F(UiFilesTest, ThePageIsCheckedEachTime) {
  const auto page = MakeUiPageHandler(folder_ / "ui");
  std::string body;
  const RequestHead head;
  HttpReply reply = page->Answer({head, {}, ""}, &body);
  EXPECT_EQ(reply.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(HeaderOf(reply, "Cache-Control"), "no-cache");
  EXPECT_EQ(BodyOf(reply), "<html>");
}

TEST_F(UiFilesTest, WithoutAUiThePageSaysSo) {
  const auto page = MakeUiPageHandler("");
  std::string body;
  const RequestHead head;
  const HttpReply reply = page->Answer({head, {}, ""}, &body);
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("--ui-dir"), std::string::npos);
}

TEST_F(UiFilesTest, UnchangedFilesAreNotSent) {
  const std::string etag = HeaderOf(Get("static/main.js"), "ETag");
  RequestHead head;
  head.headers = {{"If-None-Match", etag}};
  HttpReply reply = Get("static/main.js", head);
  EXPECT_EQ(reply.status, 304);
  EXPECT_EQ(reply.source, nullptr);
}

TEST_F(UiFilesTest, PartsAreSent) {
  RequestHead head;
  head.headers = {{"Range", "bytes=2-4"}};
  HttpReply reply = Get("static/main.js", head);
  EXPECT_EQ(reply.status, 206);
  EXPECT_EQ(HeaderOf(reply, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(BodyOf(reply), "234");
  head.headers = {{"Range", "bytes=20-"}};
  EXPECT_EQ(Get("static/main.js", head).status, 416);
}

TEST_F(UiFilesTest, GzipIsSentToThoseWhoTakeIt) {
  RequestHead head;
  head.headers = {{"Accept-Encoding", "br, gzip;q=0.8"}};
  HttpReply zipped = Get("static/big.js", head);
  EXPECT_EQ(HeaderOf(zipped, "Content-Encoding"), "gzip");
  EXPECT_EQ(zipped.content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(BodyOf(zipped), "zipped");
  head.headers = {{"Accept-Encoding", "gzip;q=0"}};
  HttpReply plain = Get("static/big.js", head);
  EXPECT_EQ(BodyOf(plain), "plain");
  EXPECT_NE(HeaderOf(plain, "ETag"), HeaderOf(zipped, "ETag"));
}

TEST_F(UiFilesTest, NoPathLeadsOut) {
  for (const char* path :
       {"../secret", "static/../../secret", "/etc/passwd", "static/link",
        "static", "", ".", "static/../static/../../secret", "nothing"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
  EXPECT_EQ(Get(std::string("static/main.js\0x", 16)).status, 404);
}

TEST_F(UiFilesTest, TypesFollowFromNames) {
  EXPECT_EQ(UiContentType("a/b.css"), "text/css; charset=utf-8");
  EXPECT_EQ(UiContentType("x.woff2"), "font/woff2");
  EXPECT_EQ(UiContentType("LICENSE"), "application/octet-stream");
}

}  // namespace
}  // namespace millstream::gateway
