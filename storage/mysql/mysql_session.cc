#include "storage/mysql/mysql_session.h"

#include <charconv>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::mysql {
namespace {

// What the protocol has numbers for.
constexpr int kParametersMax = 65'535;

}  // namespace

MysqlSession::MysqlSession(std::unique_ptr<MysqlConnection> connection,
                           const char* begin, Reconnect reconnect)
    : connection_(std::move(connection)), begin_(begin), reconnect_(reconnect) {
  connection_->Begin(begin_);
}

absl::StatusOr<sql::StatementPtr> MysqlSession::Prepare(std::string_view sql) {
  return sql::StatementPtr(new MysqlStatement(this, sql));
}

absl::Status MysqlSession::Run(MysqlStatement* statement) {
  for (;;) {
    absl::Status status = connection_->Execute(
        statement->sql_, statement->parameters_, &statement->reader_);
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
    connection_->Begin(begin_);
  }
}

MysqlStatement::~MysqlStatement() {
  if (executed_) session_->connection().Forget(&reader_);
}

Parameter& MysqlStatement::At(int index) {
  static thread_local Parameter nowhere;
  if (index < 1 || index > kParametersMax) {
    out_of_range_ = true;
    return nowhere;
  }
  const auto count = static_cast<size_t>(index);
  if (parameters_.size() < count) parameters_.resize(count);
  return parameters_[count - 1];
}

void MysqlStatement::BindNull(int index) { At(index) = {}; }
void MysqlStatement::BindInt64(int index, int64_t value) {
  At(index) = {.kind = Parameter::Kind::kInt64, .number = value};
}
void MysqlStatement::BindDouble(int index, double value) {
  At(index) = {.kind = Parameter::Kind::kDouble, .real = value};
}
void MysqlStatement::BindText(int index, std::string_view value) {
  At(index) = {.kind = Parameter::Kind::kText, .text = value};
}
void MysqlStatement::BindBlob(int index, std::string_view value) {
  At(index) = {.kind = Parameter::Kind::kBytes, .text = value};
}

absl::StatusOr<bool> MysqlStatement::Step() {
  digits_.clear();
  if (!executed_) {
    if (out_of_range_) {
      return absl::InternalError("a value is bound to no placeholder");
    }
    executed_ = true;
    RETURN_IF_ERROR(session_->Run(this));
  }
  return session_->connection().Advance(&reader_);
}

void MysqlStatement::Rewind() {
  if (executed_) session_->connection().Forget(&reader_);
  executed_ = false;
  out_of_range_ = false;
  reader_ = RowReader();
  digits_.clear();
  parameters_.clear();
}

bool MysqlStatement::IsNull(int column) const {
  return reader_.current[column].index() == 0;
}

int64_t MysqlStatement::Int64(int column) const {
  const sql::Value& value = reader_.current[column];
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* real = std::get_if<double>(&value)) {
    return static_cast<int64_t>(*real);
  }
  int64_t number = 0;
  const std::string_view text = Text(column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

double MysqlStatement::Double(int column) const {
  const sql::Value& value = reader_.current[column];
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return static_cast<double>(*number);
  }
  double real = 0;
  const std::string_view text = Text(column);
  std::from_chars(text.data(), text.data() + text.size(), real);
  return real;
}

std::string_view MysqlStatement::Text(int column) const {
  const sql::Value& value = reader_.current[column];
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (IsNull(column)) return "";
  const auto* number = std::get_if<int64_t>(&value);
  digits_.push_back(number != nullptr ? StrCat(*number)
                                      : StrCat(std::get<double>(value)));
  return digits_.back();
}

sql::Value MysqlStatement::Get(int column) const {
  return reader_.current[column];
}

}  // namespace millstream::storage::mysql
