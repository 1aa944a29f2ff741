#include "storage/testing/pgbouncer.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/str_cat.h"

namespace millstream::storage::testing {
namespace {

constexpr char kProgram[] = "/usr/sbin/pgbouncer";

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "Pgbouncer: %s\n", what);
  abort();
}

}  // namespace

Pgbouncer::Pgbouncer(const PostgresServer& server, int sessions)
    : folder_(StrCat(server.folder(), "/pooler")) {
  if (access(kProgram, X_OK) != 0) {
    Fail("there is no PgBouncer; install pgbouncer");
  }
  struct stat of_server;
  if (stat(server.folder().c_str(), &of_server) != 0 ||
      mkdir(folder_.c_str(), 0700) != 0 ||
      chown(folder_.c_str(), of_server.st_uid, of_server.st_gid) != 0) {
    Fail("no folder");
  }
  const std::string settings = StrCat(folder_, "/pgbouncer.ini");
  std::ofstream(settings) << "[databases]\n"
                          << "* = host=" << server.folder()
                          << " user=postgres pool_size=" << sessions << "\n"
                          << "[pgbouncer]\n"
                          << "pool_mode = transaction\n"
                          << "auth_type = any\n"
                          << "listen_port = 5432\n"
                          << "unix_socket_dir = " << folder_ << "\n";
  process_ = server.Spawn({kProgram, "--quiet", settings});
}

Pgbouncer::~Pgbouncer() {
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

std::string Pgbouncer::Uri(std::string_view database) const {
  return StrCat("postgresql://postgres@/", database, "?host=", folder_);
}

}  // namespace millstream::storage::testing
