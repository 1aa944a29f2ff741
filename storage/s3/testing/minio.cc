#include "storage/s3/testing/minio.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "aws/digest.h"
#include "aws/http_client.h"
#include "aws/signer.h"
#include "base/clock.h"
#include "base/str_cat.h"
#include "gtest/gtest.h"

namespace millstream::storage::testing {
namespace {

constexpr char kKeyId[] = "millstream";
constexpr char kSecret[] = "millstream-secret";
constexpr absl::Duration kStartMax = absl::Seconds(60);

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Where tools/minio/build puts it.
std::string Program() {
  std::string cache = aws::ProcessEnvironment("XDG_CACHE_HOME");
  if (cache.empty()) {
    const passwd* user = getpwuid(getuid());
    cache = StrCat(user == nullptr ? "" : user->pw_dir, "/.cache");
  }
  const std::string pins =
      TextOf("tools/minio/go.mod") + TextOf("tools/minio/go.sum");
  return StrCat(cache, "/millstream/minio-",
                aws::Hex(aws::Sha256(pins)).substr(0, 16), "/minio");
}

int FreePort() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  bind(probe, reinterpret_cast<sockaddr*>(&address), length);
  getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length);
  close(probe);
  return ntohs(address.sin_port);
}

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

pid_t Start(const std::string& program, const std::string& folder, int port) {
  const std::string address = StrCat("127.0.0.1:", port);
  const std::string id = StrCat("MINIO_ROOT_USER=", kKeyId);
  const std::string secret = StrCat("MINIO_ROOT_PASSWORD=", kSecret);
  const std::string home = StrCat("HOME=", folder);
  const char* const arguments[] = {
      program.c_str(), "server",       "--quiet", "--address",
      address.c_str(), folder.c_str(), nullptr};
  const char* const variables[] = {
      id.c_str(),         secret.c_str(),   home.c_str(), "MINIO_BROWSER=off",
      "MINIO_UPDATE=off", "MINIO_CI_CD=on", nullptr};
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  // It ends with us, however we end.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const int log =
      open((folder + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(log, 1);
  dup2(log, 2);
  execve(program.c_str(), const_cast<char* const*>(arguments),
         const_cast<char* const*>(variables));
  _exit(1);
}

}  // namespace

const Minio& Minio::Shared() {
  static const Minio shared;
  return shared;
}

Minio::Minio() {
  const std::string program = Program();
  if (access(program.c_str(), X_OK) != 0) {
    Fail(StrCat("There is no ", program, "; run tools/minio/build."));
  }
  const int port = FreePort();
  url_ = StrCat("http://127.0.0.1:", port);
  process_ = Start(program, folder_.path(), port);
  variables_ = {
      {"MLFLOW_S3_ENDPOINT_URL", url_},   {"AWS_ACCESS_KEY_ID", kKeyId},
      {"AWS_SECRET_ACCESS_KEY", kSecret}, {"AWS_EC2_METADATA_DISABLED", "true"},
      {"TMPDIR", folder_.path()},         {"HOME", folder_.path()}};
  aws::HttpClient http({});
  const absl::Time give_up = absl::Now() + kStartMax;
  for (;;) {
    aws::HttpRequest request;
    request.method = "PUT";
    request.scheme = "http";
    request.host = url_.substr(7);
    request.path = StrCat("/", kBucket);
    request.direct = true;
    aws::SignRequest({.access_key_id = kKeyId, .secret_access_key = kSecret},
                     {"us-east-1", "s3", Clock::System().NowMs()},
                     aws::Hex(aws::Sha256("")), &request);
    const auto response = http.Send(request, 1 << 20);
    if (response.ok() && response->status == 200) return;
    if (absl::Now() > give_up || waitpid(process_, nullptr, WNOHANG) != 0) {
      Fail("MinIO does not start:\n" + TextOf(folder_.path() + "/log"));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

Minio::~Minio() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

aws::Environment Minio::environment() const {
  return [variables = variables_](const char* name) -> std::string {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  };
}

}  // namespace millstream::storage::testing
