#include "storage/testing/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/str_cat.h"

namespace millstream::storage::testing {
namespace {

constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin";

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "PostgresServer: %s\n", what);
  abort();
}

// Whom root lets run the server.
const passwd& Servant() {
  static const passwd* const servant = getpwnam("postgres");
  if (servant == nullptr) Fail("no user postgres; install postgresql-15");
  return *servant;
}

bool Succeeds(pid_t child) {
  int result = 0;
  return waitpid(child, &result, 0) == child && WIFEXITED(result) &&
         WEXITSTATUS(result) == 0;
}

}  // namespace

PostgresServer::PostgresServer() : PostgresServer(Options()) {}

PostgresServer::PostgresServer(const Options& options)
    : options_(options), folder_("/tmp/millstream-pg.XXXXXX") {
  if (access(kPrograms, X_OK) != 0) {
    Fail("there is no PostgreSQL 15; install postgresql-15");
  }
  // Not in the test's own folder: its path may be too long for a socket, and
  // not open to other users.
  if (mkdtemp(folder_.data()) == nullptr) Fail("no folder");
  if (geteuid() == 0 &&
      chown(folder_.c_str(), Servant().pw_uid, Servant().pw_gid) != 0) {
    Fail("chown");
  }
  if (!Succeeds(Spawn({StrCat(kPrograms, "/initdb"), "-D",
                       StrCat(folder_, "/data"), "-U", "postgres", "-A",
                       "trust", "-E", "UTF8", "--locale=C.UTF-8",
                       "--no-sync"}))) {
    Fail("initdb failed");
  }
  Start();
}

PostgresServer::~PostgresServer() {
  StopAtOnce();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

pid_t PostgresServer::Spawn(const std::vector<std::string>& command) const {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const std::string log = StrCat(folder_, "/log");
  const passwd* const servant = geteuid() == 0 ? &Servant() : nullptr;
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child > 0) return child;
  if (servant != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(servant->pw_gid) != 0 ||
       setuid(servant->pw_uid) != 0)) {
    _exit(1);
  }
  // Ends with the test, at once.
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
      chdir(folder_.c_str()) != 0) {
    _exit(1);
  }
  execv(arguments[0], arguments.data());
  _exit(1);
}

void PostgresServer::Start() {
  std::vector<std::string> command = {
      StrCat(kPrograms, "/postgres"), "-D", StrCat(folder_, "/data"),
      "-k", folder_, "-h", "", "-F"};
  if (options_.fsync) command.pop_back();
  for (const std::string& setting : options_.settings) {
    command.push_back("-c");
    command.push_back(setting);
  }
  server_ = Spawn(command);
  // It is there when it takes a connection.
  for (int attempt = 0;; ++attempt) {
    if (Succeeds(Spawn({StrCat(kPrograms, "/pg_isready"), "-q", "-h",
                        folder_}))) {
      return;
    }
    if (attempt == 1000) Fail("the server does not start");
    usleep(20'000);
  }
}

void PostgresServer::StopWith(int signal) {
  if (server_ < 0) return;
  kill(server_, signal);
  waitpid(server_, nullptr, 0);
  server_ = -1;
}

void PostgresServer::StopAtOnce() { StopWith(SIGQUIT); }
void PostgresServer::Stop() { StopWith(SIGINT); }

std::string PostgresServer::MakeDatabase(std::string_view name) {
  if (!Succeeds(Spawn({StrCat(kPrograms, "/createdb"), "-h", folder_, "-U",
                       "postgres", std::string(name)}))) {
    Fail("createdb failed");
  }
  return Uri(name);
}

std::string PostgresServer::Uri(std::string_view database) const {
  return StrCat("postgresql://postgres@/", database, "?host=", folder_);
}

}  // namespace millstream::storage::testing
