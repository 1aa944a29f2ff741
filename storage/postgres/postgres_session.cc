#include "storage/postgres/postgres_session.h"

#include <postgresql/libpq-fe.h>

#include <charconv>
#include <cstring>
#include <limits>

#include "absl/strings/escaping.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/postgres/array_text.h"

namespace millstream::storage::postgres {

PostgresSession::PostgresSession(std::unique_ptr<PostgresConnection> connection,
                                 const char* begin, Reconnect reconnect)
    : connection_(std::move(connection)),
      begin_(begin),
      reconnect_(reconnect) {
  connection_->Begin(begin_);
}

absl::StatusOr<sql::StatementPtr> PostgresSession::Prepare(
    std::string_view sql) {
  return sql::StatementPtr(
      new PostgresStatement(this, connection_->Find(sql), generation_));
}

template <typename Finish>
absl::Status PostgresSession::Insert(const sql::RowInsert& insert,
                                     Finish finish) {
  const size_t width = insert.columns.size();
  if (insert.cells.empty()) return absl::OkStatus();
  std::vector<std::string> arrays;
  arrays.reserve(width);
  std::string sql = StrCat("INSERT INTO \"", insert.table, "\" (");
  std::string values;
  for (size_t column = 0; column < width; ++column) {
    const std::string_view separator = column == 0 ? "" : ", ";
    StrAppend(&sql, separator, "\"", insert.columns[column], "\"");
    std::string_view type;
    arrays.push_back(ArrayText(insert.cells, column, width, &type));
    StrAppend(&values, separator, "CAST(? AS ", type, "[])");
  }
  StrAppend(&sql, ") SELECT * FROM unnest(", values, ")", insert.after);
  ASSIGN_OR_RETURN(sql::StatementPtr statement, Prepare(sql));
  for (size_t column = 0; column < width; ++column) {
    statement->BindText(static_cast<int>(column) + 1, arrays[column]);
  }
  return finish(*statement);
}

absl::StatusOr<int64_t> PostgresSession::InsertRows(
    const sql::RowInsert& insert) {
  if (insert.cells.empty()) return 0;
  RETURN_IF_ERROR(Insert(
      insert, [](sql::Statement& statement) { return statement.Finish(); }));
  return changes();
}

absl::Status PostgresSession::InsertRowsLater(const sql::RowInsert& insert) {
  return Insert(insert, [](sql::Statement& statement) {
    return statement.FinishLater();
  });
}

absl::Status PostgresSession::Run(PostgresStatement* statement) {
  for (;;) {
    if (statement->generation_ != generation_) {
      statement->text_ = connection_->Find(statement->text_->sql);
      statement->generation_ = generation_;
    }
    absl::Status status = connection_->Execute(
        statement->text_, statement->parameters_, &statement->reader_);
    if (status.ok()) {
      answered_ = true;
      return status;
    }
    const FaultKind kind = connection_->fault().kind;
    if (answered_ || (kind != FaultKind::kConnectionLost &&
                      kind != FaultKind::kStatementLost)) {
      return status;
    }
    RETURN_IF_ERROR(reconnect_(&connection_));
    ++generation_;
    connection_->Begin(begin_);
  }
}

absl::Status PostgresSession::RunLater(PostgresStatement* statement) {
  // It is not known to have been lost until something is waited for; then the
  // whole transaction is run again.
  answered_ = true;
  if (statement->generation_ != generation_) {
    statement->text_ = connection_->Find(statement->text_->sql);
    statement->generation_ = generation_;
  }
  return connection_->ExecuteLater(statement->text_, statement->parameters_);
}

PostgresStatement::PostgresStatement(PostgresSession* session,
                                     std::shared_ptr<StatementText> text,
                                     int generation)
    : session_(session),
      text_(std::move(text)),
      generation_(generation),
      parameters_(text_->parameters) {}

PostgresStatement::~PostgresStatement() {
  if (executed_) session_->connection().Forget(&reader_);
}

void PostgresStatement::Release() { delete this; }

void PostgresStatement::BindNull(int index) { parameters_.SetNull(index); }
void PostgresStatement::BindInt64(int index, int64_t value) {
  parameters_.SetInt64(index, value);
}
void PostgresStatement::BindDouble(int index, double value) {
  parameters_.SetDouble(index, value);
}
void PostgresStatement::BindBool(int index, bool value) {
  parameters_.SetBool(index, value);
}
void PostgresStatement::BindText(int index, std::string_view value) {
  parameters_.SetText(index, value);
}
void PostgresStatement::BindBlob(int index, std::string_view value) {
  parameters_.SetBytes(index, value);
}

absl::StatusOr<bool> PostgresStatement::Step() {
  blobs_.clear();
  if (!executed_) {
    if (parameters_.out_of_range()) {
      return absl::InternalError("a value is bound to no placeholder");
    }
    executed_ = true;
    RETURN_IF_ERROR(session_->Run(this));
  }
  return session_->connection().Advance(&reader_);
}

absl::Status PostgresStatement::FinishLater() {
  if (parameters_.out_of_range()) {
    return absl::InternalError("a value is bound to no placeholder");
  }
  return session_->RunLater(this);
}

void PostgresStatement::Rewind() {
  if (executed_) session_->connection().Forget(&reader_);
  executed_ = false;
  reader_ = RowReader();
  blobs_.clear();
  parameters_.Clear();
}

unsigned int PostgresStatement::Type(int column) const {
  return PQftype(reader_.current.get(), column);
}

bool PostgresStatement::IsNull(int column) const {
  return PQgetisnull(reader_.current.get(), reader_.row, column) != 0;
}

int64_t PostgresStatement::Int64(int column) const {
  const std::string_view text = Text(column);
  if (Type(column) == kBoolType) return text == "t" ? 1 : 0;
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double PostgresStatement::Double(int column) const {
  const std::string_view text = Text(column);
  if (Type(column) == kBoolType) return text == "t" ? 1 : 0;
  // Reads "Infinity" and "NaN" as PostgreSQL writes them.
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view PostgresStatement::Text(int column) const {
  const char* const text =
      PQgetvalue(reader_.current.get(), reader_.row, column);
  if (text == nullptr) return "";
  return {text, static_cast<size_t>(PQgetlength(reader_.current.get(),
                                                reader_.row, column))};
}

std::string_view PostgresStatement::Blob(int column) const {
  std::string_view text = Text(column);
  if (Type(column) != kBytesType) return text;
  // "\x0a1b"; extra digits that are none cannot be.
  if (text.starts_with("\\x")) text.remove_prefix(2);
  blobs_.push_back(absl::HexStringToBytes(AbslView(text)));
  return blobs_.back();
}

sql::Value PostgresStatement::Get(int column) const {
  if (IsNull(column)) return std::monostate();
  switch (Type(column)) {
    case kBoolType:
    case kInt2Type:
    case kInt4Type:
    case kInt8Type:
      return Int64(column);
    case kFloat4Type:
    case kFloat8Type:
    case kNumericType:
      return Double(column);
    case kBytesType:
      return std::string(Blob(column));
    default:
      return std::string(Text(column));
  }
}

}  // namespace millstream::storage::postgres
