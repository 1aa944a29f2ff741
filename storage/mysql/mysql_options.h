// What a MySQL or MariaDB backend is opened with, from a URI.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_OPTIONS_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database_uri.h"

namespace millstream::storage::mysql {

// Encryption, in MySQL's words for it; each asks for more than the one before.
enum class Tls {
  kDisabled,
  kPreferred,   // if the server offers it; nothing is verified
  kRequired,    // nothing is verified
  kVerifiedCa,  // the certificate, by tls_ca or tls_ca_folder
  kVerified,    // the certificate, and the host's name in it
};

struct MysqlOptions {
  // Tried in their order; none: localhost.
  std::vector<sql::DatabaseUri::Host> hosts;
  // Instead of hosts, if it is not empty.
  std::string unix_socket;
  std::string user;
  std::string password;
  std::string database;

  Tls tls = Tls::kPreferred;
  // Files and a folder; empty: none.
  std::string tls_ca;
  std::string tls_ca_folder;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_key_password;
  std::string tls_ciphers;

  // As DatabaseUri::fresh_password.
  std::function<absl::StatusOr<std::string>()> fresh_password;
  // How the log calls the database: no user, no password.
  std::string name;
  sql::PoolOptions pool;
  // For each host.
  absl::Duration connect_timeout = absl::Seconds(5);
  // The server ends statements that take longer: no caller waits for more
  // (limits::kHttpCallMsMax). Zero: none is ended. MySQL, unlike MariaDB, ends
  // only those that read.
  absl::Duration statement_timeout = absl::Minutes(5);
  // How long a call goes on trying when the database cannot be reached: it may
  // be restarting.
  absl::Duration reconnect = absl::Seconds(20);
  // How long Open waits for a database that is not there yet.
  absl::Duration wait_at_start = absl::Minutes(2);

  void SetPassword(std::string_view fresh) { password = std::string(fresh); }
};

// The options for a URI of MySQL or MariaDB. Keys of the URI's query are those
// of mysqlclient, PyMySQL and Connector/Python that say where the server is and
// how to speak to it. Who names an authority (ssl_ca) has certificate and host
// verified, as by PyMySQL; ssl_check_hostname=false leaves out the host, and
// ssl_verify_cert=false all. INVALID_ARGUMENT naming `flag` and a key that is
// none. Thread-safe.
absl::StatusOr<MysqlOptions> MysqlOptionsOf(const sql::DatabaseUri& uri,
                                            std::string_view flag);

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_OPTIONS_H_
