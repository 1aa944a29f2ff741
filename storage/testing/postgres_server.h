// A PostgreSQL 15 server of a test's own, from Debian's package postgresql-15.
#ifndef MILLSTREAM_STORAGE_TESTING_POSTGRES_SERVER_H_
#define MILLSTREAM_STORAGE_TESTING_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace millstream::storage::testing {

// Listens on a Unix socket in a folder of its own, as the system's user
// postgres if the test is root, who may not run it. Stopped and removed when
// destroyed; if the test dies, the server ends with it. Thread-compatible.
// Aborts the test if it does not start. Takes a second; share one.
class PostgresServer {
 public:
  struct Options {
    // True: commits wait for the disk, as for durability they must.
    bool fsync = false;
    // "name=value", as in postgresql.conf.
    std::vector<std::string> settings = {};
  };

  PostgresServer();
  explicit PostgresServer(const Options& options);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Starts it again, on the same data.
  void Start();
  // Like a crash: nothing is written that was not.
  void StopAtOnce();
  // Ends all sessions first.
  void Stop();

  // Makes an empty database and returns its URI.
  std::string MakeDatabase(std::string_view name);
  std::string Uri(std::string_view database) const;

  const std::string& folder() const { return folder_; }

  // Runs a program as the server's user, in its folder. It ends with the test.
  pid_t Spawn(const std::vector<std::string>& command) const;

 private:
  void StopWith(int signal);

  const Options options_;
  std::string folder_;
  pid_t server_ = -1;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_POSTGRES_SERVER_H_
