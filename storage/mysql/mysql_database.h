// sql::Database on a MySQL or MariaDB server, with InnoDB.
//
// Isolation. Read: REPEATABLE READ, one snapshot for the whole body. Write:
// SERIALIZABLE, which here means that rows that were read are locked against
// others' writes until the end. REPEATABLE READ lets a transaction overwrite
// what has changed since its snapshot, without a word: of two that read a row
// and then write it, one would be lost. Transactions that wait for each other
// so are run again.
//
// Text is compared by the collations of the columns: where a statement asks for
// a name, a database that was made with a collation that ignores case ignores
// it, as MLflow does on it. Search compares exactly (SqlDialect).
//
// What is run again, and what OK means: storage/sql/server_database.h; the
// server's innodb_flush_log_at_trx_commit must be 1, its default, for commits
// to survive a crash of its machine.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_DATABASE_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_DATABASE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "storage/mysql/mysql_connection.h"
#include "storage/mysql/mysql_options.h"
#include "storage/mysql/mysql_session.h"
#include "storage/sql/server_database.h"

namespace millstream::storage::mysql {

struct MysqlEngine {
  using Options = MysqlOptions;
  using Connection = MysqlConnection;
  using Session = MysqlSession;

  static constexpr char kName[] = "MySQL";
  // The session's own level.
  static constexpr char kBeginRead[] = "";
  // For one transaction.
  static constexpr char kBeginWrite[] =
      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";

  static absl::StatusOr<std::unique_ptr<MysqlConnection>> Connect(
      const MysqlOptions& options) {
    return MysqlConnection::Connect(options);
  }
};

using MysqlDatabase = sql::ServerDatabase<MysqlEngine>;

}  // namespace millstream::storage::mysql

extern template class millstream::storage::sql::ServerDatabase<
    millstream::storage::mysql::MysqlEngine>;

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_DATABASE_H_
