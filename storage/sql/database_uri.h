// The URI of a database, in the spellings that SQLAlchemy and so MLflow take:
//
//   dialect[+driver]://[user[:password]@][host[:port][,...]]/database
//       [?key=value[&key=value...]]
//
// User, password and values are percent-encoded; an IPv6 address stands in [].
// A password may have "/", "?" and "@" in it as they are, unless the URI could
// then be read in two ways: that is refused.
// Hosts may be told by the query too, as psycopg2 takes them: ?host=/run/pg for
// the folder of a Unix socket, ?host=a:5432&host=b:5432 or ?host=a,b&port=1,2.
// Which other keys there are is the backend's to say.
#ifndef MILLSTREAM_STORAGE_SQL_DATABASE_URI_H_
#define MILLSTREAM_STORAGE_SQL_DATABASE_URI_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace millstream::storage::sql {

enum class Engine { kSqlite, kPostgres, kMysql };

struct DatabaseUri {
  struct Host {
    // A name, an address without brackets, or the folder of a Unix socket.
    std::string name;
    uint16_t port = 0;  // 0: the engine's own
  };

  Engine engine = Engine::kSqlite;
  // "psycopg2"; empty if none is named.
  std::string driver;
  std::string user;
  std::string password;
  // In the order in which they are to be tried. None: the engine's own.
  std::vector<Host> hosts;
  // Of SQLite the path: "/x.db" of sqlite:////x.db, "x.db" of sqlite:///x.db.
  std::string database;
  // All other keys of the query, decoded, in their order.
  std::vector<std::pair<std::string, std::string>> query;

  // Not in the text: where the password of now is to be had, if it changes
  // while we run. Null: it does not. May be called by any thread, and block.
  std::function<absl::StatusOr<std::string>()> fresh_password = nullptr;

  // What may be shown and logged: no user, no password, no query.
  // "postgresql://db.example:5432/mlflow".
  std::string Redacted() const;
};

// Longest URI that is read.
inline constexpr size_t kDatabaseUriBytesMax = 8192;

// Thread-safe. INVALID_ARGUMENT: what is wrong, naming `flag`, by which the URI
// came ("--backend-store-uri"); never repeats any of the URI, which may hold a
// password.
absl::StatusOr<DatabaseUri> ParseDatabaseUri(std::string_view text,
                                             std::string_view flag);

// Whether `text` begins like a URI of a database that there is a backend for,
// known driver or not.
bool IsDatabaseUri(std::string_view text);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_DATABASE_URI_H_
