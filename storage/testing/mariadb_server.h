// A MariaDB server of a test's own, from Debian's package mariadb-server.
#ifndef MILLSTREAM_STORAGE_TESTING_MARIADB_SERVER_H_
#define MILLSTREAM_STORAGE_TESTING_MARIADB_SERVER_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace millstream::storage::testing {

// Listens on a Unix socket in a folder of its own. Stopped and removed when
// destroyed; if the test dies, the server ends with it. Thread-compatible.
// Aborts the test if it does not start. Takes two seconds; share one.
class MariadbServer {
 public:
  MariadbServer();
  ~MariadbServer();
  MariadbServer(const MariadbServer&) = delete;
  MariadbServer& operator=(const MariadbServer&) = delete;

  // Starts it again, on the same data.
  void Start();
  // Like a crash: nothing is written that was not.
  void StopAtOnce();
  // Ends all sessions first.
  void Stop();

  // Makes an empty database and returns its URI.
  std::string MakeDatabase(std::string_view name,
                           std::string_view collation = "utf8mb4_general_ci");
  std::string Uri(std::string_view database) const;
  // Runs SQL as its administrator, in a database.
  void Run(std::string_view database, std::string_view sql) const;

  const std::string& folder() const { return folder_; }

 private:
  pid_t Spawn(const std::vector<std::string>& command) const;
  void StopWith(int signal);

  std::string folder_;
  pid_t server_ = -1;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_MARIADB_SERVER_H_
