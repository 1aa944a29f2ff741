#include "storage/sql/database.h"

#include "absl/strings/str_join.h"
#include "base/str_cat.h"

namespace millstream::storage::sql {
namespace {

std::string Quoted(std::string_view name) {
  return StrCat("\"", name, "\"");
}

void AppendQuoted(std::string* out, std::string_view name) {
  StrAppend(out, Quoted(name));
}

}  // namespace

void Statement::Bind(int index, const Value& value) {
  switch (value.index()) {
    case 0:
      return BindNull(index);
    case 1:
      return BindInt64(index, std::get<1>(value));
    case 2:
      return BindDouble(index, std::get<2>(value));
    case 3:
      return BindText(index, std::get<3>(value));
  }
}

void Statement::BindValues(absl::Span<const Value> values) {
  int index = 0;
  for (const Value& value : values) Bind(++index, value);
}

absl::Status Statement::Finish() {
  for (;;) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

std::string InsertSql(std::string_view table,
                      absl::Span<const std::string_view> columns) {
  return StrCat("INSERT INTO ", Quoted(table), " (",
                absl::StrJoin(columns, ", ", AppendQuoted), ") VALUES (",
                Placeholders(columns.size()), ")");
}

std::string UpsertSql(Dialect dialect, std::string_view table,
                      absl::Span<const std::string_view> columns,
                      int key_columns) {
  std::string sql = InsertSql(table, columns) + " ";
  if (dialect == Dialect::kMysql) {
    StrAppend(&sql, "ON DUPLICATE KEY UPDATE ");
  } else {
    StrAppend(
        &sql, "ON CONFLICT (",
        absl::StrJoin(columns.subspan(0, key_columns), ", ", AppendQuoted),
        ") DO UPDATE SET ");
  }
  auto assign = [dialect](std::string* out, std::string_view name) {
    if (dialect == Dialect::kMysql) {
      StrAppend(out, Quoted(name), " = VALUES(", Quoted(name), ")");
    } else {
      StrAppend(out, Quoted(name), " = excluded.", Quoted(name));
    }
  };
  StrAppend(&sql,
                  absl::StrJoin(columns.subspan(key_columns), ", ", assign));
  return sql;
}

UpsertTexts::UpsertTexts(std::string_view table,
                         std::initializer_list<std::string_view> columns,
                         int key_columns) {
  for (Dialect dialect :
       {Dialect::kSqlite, Dialect::kPostgres, Dialect::kMysql}) {
    texts_[static_cast<size_t>(dialect)] =
        UpsertSql(dialect, table, columns, key_columns);
  }
}

std::string Placeholders(size_t count) {
  std::string text;
  text.reserve(count * 3);
  for (size_t i = 0; i < count; ++i) text += i == 0 ? "?" : ", ?";
  return text;
}

}  // namespace millstream::storage::sql
