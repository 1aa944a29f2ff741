// A writer whom the server does not let in, or does not let in any more; and
// one that encrypts.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/connection.h"
#include "client/run_writer.h"
#include "client/testing/histories.h"
#include "client/testing/relay.h"
#include "client/testing/server_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr absl::Duration kShort = absl::Milliseconds(300);
// htpasswd -s, of "right" and "other".
constexpr char kRight[] = "me:{SHA}0nofEXcSAJSXFLGvmfBIpBb11vQ=\n";
constexpr char kOther[] = "me:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n";
// Of "token".
constexpr char kToken[] =
    "job:sha256:"
    "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0\n";

class Folder {
 public:
  Folder() : path_(::testing::TempDir() + "/access_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }
  // Whole or as it was, whoever reads it meanwhile.
  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = *this / name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(*this / name);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }

 private:
  std::string path_;
};

// What on_trouble was told.
class Told {
 public:
  WriterOptions Options() {
    return {.on_trouble = [this](const absl::Status& trouble) {
      absl::MutexLock lock(&mutex_);
      told_.push_back(trouble);
    }};
  }
  bool Await(absl::StatusCode code) {
    auto has = [&] {
      mutex_.AssertHeld();
      return !told_.empty() && told_.back().code() == code;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&has), kPatience);
  }

 private:
  absl::Mutex mutex_;
  std::vector<absl::Status> told_ ABSL_GUARDED_BY(mutex_);
};

void Log(RunWriter* writer, int64_t begin, int64_t end) {
  for (int64_t step = begin; step < end; ++step) {
    ASSERT_TRUE(writer->Log("m", static_cast<double>(step), step).ok());
  }
}

void ExpectSteps(const ServerOptions& server, const RunWriter& writer,
                 int64_t count) {
  auto connection = *Connection::Make(server);
  const auto points =
      testing::ReadHistory(connection.get(), writer.run_id(), "m");
  ASSERT_EQ(points.size(), count);
  for (int64_t step = 0; step < count; ++step) {
    EXPECT_EQ(points[step].step(), step);
    EXPECT_EQ(points[step].value(), static_cast<double>(step));
  }
}

TEST(RunWriterAccessTest, AUserLogs) {
  Folder folder;
  testing::ServerProcess server({"--htpasswd-file",
                                 folder.Write("users", kRight), "--token-file",
                                 folder.Write("tokens", kToken)});
  for (const ServerOptions& options :
       {ServerOptions{
            .address = server.address(), .user = "me", .password = "right"},
        ServerOptions{.address = server.address(), .bearer_token = "token"}}) {
    auto writer = RunWriter::Create(options, {.params = {{"p", "v"}}});
    ASSERT_TRUE(writer.ok()) << writer.status();
    Log(writer->get(), 0, 100);
    EXPECT_TRUE((*writer)->Finish(RunStatus::kFinished, kPatience).ok());
    ExpectSteps(options, **writer, 100);
  }
  for (const ServerOptions& options :
       {ServerOptions{.address = server.address()},
        ServerOptions{
            .address = server.address(), .user = "me", .password = "secret"},
        ServerOptions{.address = server.address(), .bearer_token = "secret"}}) {
    const absl::Status made = RunWriter::Create(options, {}).status();
    EXPECT_TRUE(absl::IsUnauthenticated(made)) << made;
    EXPECT_THAT(made.ToString(), Not(HasSubstr("secret")));
    EXPECT_TRUE(absl::IsUnauthenticated(
        RunWriter::Open(options, "0123456789abcdef0123456789abcdef").status()));
  }
}

TEST(RunWriterAccessTest, APasswordThatIsWrongForAWhileCostsNothing) {
  Folder folder;
  testing::ServerProcess server(
      {"--htpasswd-file", folder.Write("users", kRight)});
  const ServerOptions options = {
      .address = server.address(), .user = "me", .password = "right"};
  Told told;
  auto writer = *RunWriter::Create(options, {}, told.Options());
  Log(writer.get(), 0, 100);
  ASSERT_TRUE(writer->Flush(kPatience).ok());

  server.Stop();
  folder.Write("users", kOther);
  server.Start();
  Log(writer.get(), 100, 20'000);
  ASSERT_TRUE(writer->SetTags({{"t", "v"}}).ok());
  Log(writer.get(), 20'000, 20'100);
  ASSERT_TRUE(told.Await(absl::StatusCode::kUnauthenticated));
  EXPECT_TRUE(absl::IsUnauthenticated(writer->trouble()));
  EXPECT_TRUE(writer->status().ok());
  const absl::Status flushed = writer->Flush(kShort);
  EXPECT_TRUE(absl::IsDeadlineExceeded(flushed));
  EXPECT_THAT(flushed.ToString(), HasSubstr("UNAUTHENTICATED"));
  EXPECT_THAT(flushed.ToString(), Not(HasSubstr("right")));
  EXPECT_EQ(writer->stats().done, 100);
  EXPECT_EQ(writer->stats().refused, 0);
  EXPECT_GT(writer->stats().buffered_bytes, 20'000 * 32);

  folder.Write("users", kRight);
  ASSERT_TRUE(writer->Finish(RunStatus::kFinished, kPatience).ok());
  EXPECT_TRUE(told.Await(absl::StatusCode::kOk));
  EXPECT_TRUE(writer->trouble().ok());
  EXPECT_EQ(writer->stats().buffered_bytes, 0);
  ExpectSteps(options, *writer, 20'100);
}

TEST(RunWriterAccessTest, AWriterThatIsNotLetInEndsWhenItIsClosed) {
  Folder folder;
  testing::ServerProcess server(
      {"--htpasswd-file", folder.Write("users", kRight)});
  Told told;
  auto writer = *RunWriter::Create(
      {.address = server.address(), .user = "me", .password = "right"}, {},
      told.Options());
  server.Stop();
  folder.Write("users", kOther);
  server.Start();
  Log(writer.get(), 0, 100);
  ASSERT_TRUE(told.Await(absl::StatusCode::kUnauthenticated));
  const absl::Status closed = writer->Close(kShort);
  EXPECT_TRUE(absl::IsDeadlineExceeded(closed)) << closed;
  EXPECT_THAT(closed.ToString(), HasSubstr("100 of what was logged"));
}

// What no millstream says ends nothing: a proxy whose server is exchanged, a
// port that belongs to another server for a minute.
TEST(RunWriterAccessTest, WhatIsNotTheServersWordGivesNothingUp) {
  testing::ServerProcess server;
  testing::Relay relay(server.address());
  const ServerOptions direct = {.address = server.address()};
  for (const absl::StatusCode code :
       {absl::StatusCode::kUnauthenticated, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kUnimplemented, absl::StatusCode::kNotFound,
        absl::StatusCode::kInvalidArgument, absl::StatusCode::kInternal}) {
    Told told;
    auto writer =
        *RunWriter::Create({.address = relay.address()}, {}, told.Options());
    Log(writer.get(), 0, 100);
    ASSERT_TRUE(writer->Flush(kPatience).ok());
    relay.Refuse(absl::Status(code, "not I"));
    const int calls = relay.calls();
    // A call, and points before and behind it.
    Log(writer.get(), 100, 200);
    ASSERT_TRUE(writer->SetTags({{"t", "v"}}).ok());
    Log(writer.get(), 200, 300);
    const absl::Status flushed = writer->Flush(kShort);
    EXPECT_TRUE(absl::IsDeadlineExceeded(flushed)) << flushed;
    const absl::Time until = absl::Now() + kPatience;
    while (writer->trouble().code() != code && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_EQ(writer->trouble().code(), code) << writer->trouble();
    EXPECT_TRUE(writer->status().ok()) << writer->status();
    EXPECT_EQ(writer->stats().refused, 0);
    EXPECT_LT(relay.calls() - calls, 20) << "it is asked too often";
    relay.Refuse(absl::OkStatus());
    EXPECT_TRUE(writer->Finish(RunStatus::kFinished, kPatience).ok());
    ExpectSteps(direct, *writer, 300);
  }
  EXPECT_THAT(relay.record().faults(), ::testing::IsEmpty());
}

// Certificates for 127.0.0.1, made by openssl.
class TlsTest : public ::testing::Test {
 protected:
  // One that has signed itself, or that `issuer` has.
  void MakeCertificate(const std::string& name, const std::string& issuer) {
    std::string command = absl::StrCat(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 2 -subj /CN=",
        name, " -addext subjectAltName=IP:127.0.0.1 -out ",
        folder_ / (name + ".pem"), " -keyout ", folder_ / (name + ".key"));
    if (!issuer.empty()) {
      absl::StrAppend(&command, " -CA ", folder_ / (issuer + ".pem"),
                      " -CAkey ", folder_ / (issuer + ".key"));
    }
    ASSERT_EQ(std::system((command + " 2>&1 > /dev/null").c_str()), 0);
  }

  void SetUp() override {
    MakeCertificate("ca", "");
    MakeCertificate("server", "ca");
    MakeCertificate("client", "ca");
    MakeCertificate("stranger", "");
  }

  std::string Pem(const std::string& name) const {
    return folder_.Read(name + ".pem");
  }
  std::string Key(const std::string& name) const {
    return folder_.Read(name + ".key");
  }
  std::vector<std::string> Flags() const {
    return {"--tls-cert", folder_ / "server.pem", "--tls-key",
            folder_ / "server.key"};
  }

  Folder folder_;
};

absl::Status Logs(const ServerOptions& options) {
  auto writer = RunWriter::Create(options, {}, {.open_wait = kPatience});
  if (!writer.ok()) return writer.status();
  Log(writer->get(), 0, 1000);
  const absl::Status finished =
      (*writer)->Finish(RunStatus::kFinished, kPatience);
  if (finished.ok()) ExpectSteps(options, **writer, 1000);
  return finished;
}

// Why Create gives up, soon.
absl::Status Refused(const ServerOptions& options) {
  return RunWriter::Create(options, {}, {.open_wait = kShort}).status();
}

TEST_F(TlsTest, AServerThatIsTrustedIsLoggedTo) {
  testing::ServerProcess server(Flags());
  ServerOptions options = {.address = server.address(),
                           .tls = true,
                           .tls_root_certificates = Pem("ca")};
  EXPECT_EQ(Logs(options), absl::OkStatus());

  options.tls_root_certificates = Pem("stranger");
  absl::Status refused = Refused(options);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(refused.ToString(), HasSubstr("andshake"));
  // Nobody of this machine's signed it.
  options.tls_root_certificates = "";
  refused = Refused(options);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  // Another name than the certificate's.
  options.tls_root_certificates = Pem("ca");
  options.tls_server_name = "elsewhere";
  refused = Refused(options);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  // Not encrypted.
  refused = Refused({.address = server.address()});
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
}

TEST_F(TlsTest, ACallerShowsItsCertificate) {
  std::vector<std::string> flags = Flags();
  flags.insert(flags.end(), {"--tls-client-ca", folder_ / "ca.pem"});
  testing::ServerProcess server(flags);
  ServerOptions options = {.address = server.address(),
                           .tls = true,
                           .tls_root_certificates = Pem("ca")};
  EXPECT_TRUE(absl::IsUnavailable(Refused(options)));
  options.tls_certificate = Pem("stranger");
  options.tls_private_key = Key("stranger");
  EXPECT_TRUE(absl::IsUnavailable(Refused(options)));
  options.tls_certificate = Pem("client");
  options.tls_private_key = Key("client");
  EXPECT_EQ(Logs(options), absl::OkStatus());
}

TEST_F(TlsTest, ACertificateThatIsExchangedForAWrongOneIsWaitedOut) {
  testing::ServerProcess server(Flags());
  const ServerOptions options = {.address = server.address(),
                                 .tls = true,
                                 .tls_root_certificates = Pem("ca")};
  auto writer = *RunWriter::Create(options, {});
  Log(writer.get(), 0, 100);
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  const std::string certificate = Pem("server"), key = Key("server");
  server.Stop();
  folder_.Write("server.pem", Pem("stranger"));
  folder_.Write("server.key", Key("stranger"));
  server.Start();
  Log(writer.get(), 100, 200);
  EXPECT_TRUE(absl::IsDeadlineExceeded(writer->Flush(kShort)));
  EXPECT_TRUE(absl::IsUnavailable(writer->trouble())) << writer->trouble();
  server.Stop();
  folder_.Write("server.pem", certificate);
  folder_.Write("server.key", key);
  server.Start();
  ASSERT_TRUE(writer->Finish(RunStatus::kFinished, kPatience).ok());
  ExpectSteps(options, *writer, 200);
}

}  // namespace
}  // namespace millstream::client
