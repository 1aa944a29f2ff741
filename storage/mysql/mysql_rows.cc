#include "storage/mysql/mysql_rows.h"

#include <charconv>
#include <cstring>
#include <memory>

namespace millstream::storage::mysql {
namespace {

// What room for a text begins with.
constexpr size_t kTextBytes = 256;

}  // namespace

std::vector<MYSQL_BIND> BindParameters(const std::vector<Parameter>& parameters,
                                       size_t count) {
  std::vector<MYSQL_BIND> binds(count);
  for (size_t i = 0; i < count; ++i) {
    MYSQL_BIND& bind = binds[i];
    std::memset(&bind, 0, sizeof(bind));
    bind.buffer_type = MYSQL_TYPE_NULL;
    if (i >= parameters.size()) continue;
    const Parameter& parameter = parameters[i];
    switch (parameter.kind) {
      case Parameter::Kind::kNull:
        break;
      case Parameter::Kind::kInt64:
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = const_cast<int64_t*>(&parameter.number);
        break;
      case Parameter::Kind::kDouble:
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = const_cast<double*>(&parameter.real);
        break;
      case Parameter::Kind::kText:
      case Parameter::Kind::kBytes:
        bind.buffer_type = parameter.kind == Parameter::Kind::kText
                               ? MYSQL_TYPE_STRING
                               : MYSQL_TYPE_BLOB;
        bind.buffer = const_cast<char*>(parameter.text.data());
        bind.buffer_length = parameter.text.size();
        break;
    }
  }
  return binds;
}

bool RowRoom::Bind(MYSQL_STMT* statement) {
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> metadata(
      mysql_stmt_result_metadata(statement), &mysql_free_result);
  if (metadata == nullptr) return false;
  const size_t count = mysql_num_fields(metadata.get());
  columns_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    Column& column = columns_[i];
    switch (mysql_fetch_field_direct(metadata.get(), i)->type) {
      case MYSQL_TYPE_TINY:
      case MYSQL_TYPE_SHORT:
      case MYSQL_TYPE_INT24:
      case MYSQL_TYPE_LONG:
      case MYSQL_TYPE_LONGLONG:
      case MYSQL_TYPE_YEAR:
        column.kind = Kind::kInt64;
        break;
      case MYSQL_TYPE_FLOAT:
      case MYSQL_TYPE_DOUBLE:
        column.kind = Kind::kDouble;
        break;
      case MYSQL_TYPE_DECIMAL:
      case MYSQL_TYPE_NEWDECIMAL:
        column.kind = Kind::kDecimal;
        break;
      default:
        column.kind = Kind::kText;
    }
  }
  return BindColumns(statement);
}

bool RowRoom::BindColumns(MYSQL_STMT* statement) {
  binds_.resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    MYSQL_BIND& bind = binds_[i];
    std::memset(&bind, 0, sizeof(bind));
    bind.length = &column.length;
    bind.is_null = &column.is_null;
    bind.error = &column.is_cut;
    switch (column.kind) {
      case Kind::kInt64:
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = &column.number;
        break;
      case Kind::kDouble:
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = &column.real;
        break;
      case Kind::kDecimal:
      case Kind::kText:
        if (column.text.empty()) column.text.resize(kTextBytes);
        bind.buffer_type = MYSQL_TYPE_STRING;
        bind.buffer = column.text.data();
        bind.buffer_length = column.text.size();
    }
  }
  return mysql_stmt_bind_result(statement, binds_.data()) == 0;
}

bool RowRoom::Take(MYSQL_STMT* statement, RowReader::Row* row) {
  bool grown = false;
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    if (column.kind != Kind::kText && column.kind != Kind::kDecimal) continue;
    if (column.is_null || column.length <= column.text.size()) continue;
    column.text.resize(column.length);
    binds_[i].buffer = column.text.data();
    binds_[i].buffer_length = column.text.size();
    if (mysql_stmt_fetch_column(statement, &binds_[i],
                                static_cast<unsigned int>(i), 0) != 0) {
      return false;
    }
    grown = true;
  }
  row->resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    sql::Value& value = (*row)[i];
    std::string* const text = std::get_if<std::string>(&value);
    if (column.kind == Kind::kText && !column.is_null && text != nullptr) {
      // In the room that it has.
      text->assign(column.text.data(), column.length);
    } else {
      value = ValueOf(column);
    }
  }
  return !grown || BindColumns(statement);
}

sql::Value RowRoom::ValueOf(const Column& column) {
  if (column.is_null) return std::monostate();
  switch (column.kind) {
    case Kind::kInt64:
      return column.number;
    case Kind::kDouble:
      return column.real;
    case Kind::kDecimal: {
      const char* const begin = column.text.data();
      const char* const end = begin + column.length;
      int64_t number = 0;
      if (const auto read = std::from_chars(begin, end, number);
          read.ec == std::errc() && read.ptr == end) {
        return number;
      }
      double real = 0;
      std::from_chars(begin, end, real);
      return real;
    }
    case Kind::kText:
      break;
  }
  return std::string(column.text.data(), column.length);
}

}  // namespace millstream::storage::mysql
