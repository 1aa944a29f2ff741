// A transaction on a MysqlConnection, as storage/sql sees it.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_SESSION_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/mysql/mysql_connection.h"
#include "storage/sql/database.h"

namespace millstream::storage::mysql {

class MysqlStatement;

// Lives for one transaction; used by one thread at a time. All statements are
// given back before it ends.
class MysqlSession final : public sql::Transaction {
 public:
  // Puts another connection in the place of one that turned out to be lost, or
  // leaves it there.
  using Reconnect =
      absl::FunctionRef<absl::Status(std::unique_ptr<MysqlConnection>*)>;

  // `begin` is a constant. If the connection is lost before the transaction's
  // first statement has answered, nothing has been seen or done, and the
  // statement runs on the connection that `reconnect` gives instead.
  MysqlSession(std::unique_ptr<MysqlConnection> connection, const char* begin,
               Reconnect reconnect);

  absl::StatusOr<sql::StatementPtr> Prepare(std::string_view sql) override;
  sql::Dialect dialect() const override { return sql::Dialect::kMysql; }
  int64_t changes() const override { return connection_->changes(); }
  int64_t last_insert_id() const override {
    return connection_->last_insert_id();
  }

  // Never null.
  MysqlConnection& connection() { return *connection_; }
  std::unique_ptr<MysqlConnection> TakeConnection() {
    return std::move(connection_);
  }

 private:
  friend class MysqlStatement;

  size_t insert_rows_max() const override { return 256; }
  absl::Status Run(MysqlStatement* statement);

  std::unique_ptr<MysqlConnection> connection_;
  const char* const begin_;
  const Reconnect reconnect_;
  // Something was done that another connection would not know of.
  bool answered_ = false;
};

class MysqlStatement final : public sql::Statement {
 public:
  MysqlStatement(MysqlSession* session, std::string_view sql)
      : session_(session), sql_(sql) {}
  ~MysqlStatement() override;

  void BindNull(int index) override;
  void BindInt64(int index, int64_t value) override;
  void BindDouble(int index, double value) override;
  void BindText(int index, std::string_view value) override;
  void BindBlob(int index, std::string_view value) override;

  absl::StatusOr<bool> Step() override;
  void Rewind() override;

  bool IsNull(int column) const override;
  int64_t Int64(int column) const override;
  double Double(int column) const override;
  std::string_view Text(int column) const override;
  std::string_view Blob(int column) const override { return Text(column); }
  sql::Value Get(int column) const override;

 private:
  friend class MysqlSession;
  void Release() override { delete this; }
  Parameter& At(int index);

  MysqlSession* const session_;
  const std::string sql_;
  std::vector<Parameter> parameters_;
  bool out_of_range_ = false;
  bool executed_ = false;
  RowReader reader_;
  // Numbers of the current row that were asked for as text.
  mutable std::deque<std::string> digits_;
};

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_SESSION_H_
