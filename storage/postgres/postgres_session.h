// A transaction on a PostgresConnection, as storage/sql sees it.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_SESSION_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/postgres_connection.h"
#include "storage/postgres/statement_text.h"
#include "storage/sql/database.h"

namespace millstream::storage::postgres {

class PostgresStatement;

// Lives for one transaction; used by one thread at a time. All statements are
// given back before it ends.
class PostgresSession final : public sql::Transaction {
 public:
  // Puts another connection in the place of one that turned out to be lost, or
  // leaves it there.
  using Reconnect =
      absl::FunctionRef<absl::Status(std::unique_ptr<PostgresConnection>*)>;

  // `begin` is a constant. If the connection is lost before the transaction's
  // first statement has answered, nothing has been seen or done, and the
  // statement runs on the connection that `reconnect` gives instead.
  PostgresSession(std::unique_ptr<PostgresConnection> connection,
                  const char* begin, Reconnect reconnect);

  absl::StatusOr<sql::StatementPtr> Prepare(std::string_view sql) override;
  sql::Dialect dialect() const override { return sql::Dialect::kPostgres; }
  int64_t changes() const override { return connection_->changes(); }
  // No such thing: INSERT says RETURNING (sql::InsertReturningId).
  int64_t last_insert_id() const override { return 0; }

  // In one statement, whatever the number of rows: each column is an array.
  absl::StatusOr<int64_t> InsertRows(const sql::RowInsert& insert) override;
  absl::Status InsertRowsLater(const sql::RowInsert& insert) override;

  // Never null.
  PostgresConnection& connection() { return *connection_; }
  std::unique_ptr<PostgresConnection> TakeConnection() {
    return std::move(connection_);
  }

 private:
  friend class PostgresStatement;

  template <typename Finish>
  absl::Status Insert(const sql::RowInsert& insert, Finish finish);

  absl::Status Run(PostgresStatement* statement);
  absl::Status RunLater(PostgresStatement* statement);

  std::unique_ptr<PostgresConnection> connection_;
  const char* const begin_;
  const Reconnect reconnect_;
  // Something was done that another connection would not know of.
  bool answered_ = false;
  // Counts connections: texts belong to one.
  int generation_ = 0;
};

class PostgresStatement final : public sql::Statement {
 public:
  PostgresStatement(PostgresSession* session,
                    std::shared_ptr<StatementText> text, int generation);
  ~PostgresStatement() override;

  void BindNull(int index) override;
  void BindInt64(int index, int64_t value) override;
  void BindDouble(int index, double value) override;
  void BindBool(int index, bool value) override;
  void BindText(int index, std::string_view value) override;
  void BindBlob(int index, std::string_view value) override;

  absl::StatusOr<bool> Step() override;
  absl::Status FinishLater() override;
  void Rewind() override;

  bool IsNull(int column) const override;
  int64_t Int64(int column) const override;
  double Double(int column) const override;
  std::string_view Text(int column) const override;
  std::string_view Blob(int column) const override;
  sql::Value Get(int column) const override;

 private:
  friend class PostgresSession;
  void Release() override;
  unsigned int Type(int column) const;

  PostgresSession* const session_;
  std::shared_ptr<StatementText> text_;
  int generation_;
  Parameters parameters_;
  bool executed_ = false;
  RowReader reader_;
  // Blobs of the current row, which arrive as digits.
  mutable std::deque<std::string> blobs_;
};

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_SESSION_H_
