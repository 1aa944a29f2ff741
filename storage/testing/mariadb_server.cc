#include "storage/testing/mariadb_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/str_cat.h"

namespace millstream::storage::testing {
namespace {

constexpr char kServer[] = "/usr/sbin/mariadbd";
constexpr char kInstall[] = "/usr/bin/mariadb-install-db";
constexpr char kClient[] = "/usr/bin/mariadb";

[[noreturn]] void Fail(const char* what, const std::string& log = "") {
  std::ifstream file(log);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::fprintf(stderr, "MariadbServer: %s\n%s\n", what, text.c_str());
  abort();
}

bool Succeeds(pid_t child) {
  int result = 0;
  return waitpid(child, &result, 0) == child && WIFEXITED(result) &&
         WEXITSTATUS(result) == 0;
}

}  // namespace

MariadbServer::MariadbServer() : folder_("/tmp/millstream-maria.XXXXXX") {
  if (access(kServer, X_OK) != 0) {
    Fail("there is no MariaDB; install mariadb-server");
  }
  // Not in the test's own folder: its path may be too long for a socket.
  if (mkdtemp(folder_.data()) == nullptr) Fail("no folder");
  std::vector<std::string> command = {
      kInstall,
      "--no-defaults",
      StrCat("--datadir=", folder_, "/data"),
      // A server that starts removes what it takes for left over there.
      StrCat("--tmpdir=", folder_),
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      "--skip-name-resolve",
      "--innodb-use-native-aio=0"};
  if (geteuid() == 0) command.push_back("--user=root");
  if (!Succeeds(Spawn(command)))
    Fail("mariadb-install-db failed", StrCat(folder_, "/log"));
  Start();
}

MariadbServer::~MariadbServer() {
  StopAtOnce();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

pid_t MariadbServer::Spawn(const std::vector<std::string>& command) const {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const std::string log = StrCat(folder_, "/log");
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child > 0) return child;
  // Ends with the test, at once.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(1);
  execv(arguments[0], arguments.data());
  _exit(1);
}

void MariadbServer::Start() {
  std::vector<std::string> command = {
      kServer, "--no-defaults", StrCat("--datadir=", folder_, "/data"),
      StrCat("--tmpdir=", folder_),
      StrCat("--socket=", folder_, "/socket"),
      StrCat("--pid-file=", folder_, "/pid"), "--skip-networking",
      "--skip-log-bin",
      // Commits outlive the process, and that is what tests ask for.
      "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
      "--innodb-log-file-size=32M", "--innodb-fast-shutdown=2",
      "--innodb-use-native-aio=0", "--character-set-server=utf8mb4"};
  if (geteuid() == 0) command.push_back("--user=root");
  server_ = Spawn(command);
  // It is there when it takes a connection.
  for (int attempt = 0;; ++attempt) {
    if (Succeeds(Spawn({kClient, "--no-defaults", "-u", "root",
                        StrCat("--socket=", folder_, "/socket"), "-e",
                        "SELECT 1"}))) {
      return;
    }
    if (attempt == 1000)
      Fail("the server does not start", StrCat(folder_, "/log"));
    usleep(20'000);
  }
}

void MariadbServer::StopWith(int signal) {
  if (server_ < 0) return;
  kill(server_, signal);
  waitpid(server_, nullptr, 0);
  server_ = -1;
}

void MariadbServer::StopAtOnce() { StopWith(SIGKILL); }
void MariadbServer::Stop() { StopWith(SIGTERM); }

void MariadbServer::Run(std::string_view database, std::string_view sql) const {
  std::vector<std::string> command = {kClient,
                                      "--no-defaults",
                                      "-u",
                                      "root",
                                      StrCat("--socket=", folder_, "/socket"),
                                      "-e",
                                      std::string(sql)};
  if (!database.empty()) command.emplace_back(database);
  if (!Succeeds(Spawn(command))) Fail("the client failed");
}

std::string MariadbServer::MakeDatabase(std::string_view name,
                                        std::string_view collation) {
  Run("", StrCat("CREATE DATABASE ", name, " CHARACTER SET utf8mb4 COLLATE ",
                 collation));
  return Uri(name);
}

std::string MariadbServer::Uri(std::string_view database) const {
  return StrCat("mysql+pymysql://root@localhost/", database,
                "?unix_socket=", folder_, "/socket");
}

}  // namespace millstream::storage::testing
