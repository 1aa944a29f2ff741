#include "storage/sql/database.h"

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
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

void Statement::BindCell(int index, const Cell& cell) {
  switch (cell.index()) {
    case 0:
      return BindNull(index);
    case 1:
      return BindInt64(index, std::get<1>(cell));
    case 2:
      return BindDouble(index, std::get<2>(cell));
    case 3:
      return BindBool(index, std::get<3>(cell));
    case 4:
      return BindText(index, std::get<4>(cell));
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

absl::StatusOr<int64_t> Transaction::InsertRows(const RowInsert& insert) {
  const size_t width = insert.columns.size();
  const size_t rows = insert.cells.size() / width;
  size_t size = insert_rows_max();
  int64_t changed = 0;
  for (size_t row = 0; row < rows; row += size) {
    while (size > rows - row) size /= kInsertRowsFactor;
    std::string text = InsertSql(insert.table, insert.columns);
    const std::string more = StrCat(", (", Placeholders(width), ")");
    for (size_t i = 1; i < size; ++i) text += more;
    text += insert.after;
    ASSIGN_OR_RETURN(StatementPtr statement, Prepare(text));
    for (size_t i = 0; i < size * width; ++i) {
      statement->BindCell(static_cast<int>(i) + 1,
                          insert.cells[row * width + i]);
    }
    RETURN_IF_ERROR(statement->Finish());
    changed += changes();
  }
  return changed;
}

absl::StatusOr<StatementPtr> Transaction::PrepareForId(std::string_view sql,
                                                       std::string_view id) {
  if (dialect() == Dialect::kMysql) return Prepare(sql);
  return Prepare(StrCat(sql, " RETURNING ", id));
}

absl::StatusOr<int64_t> Transaction::FinishForId(Statement& statement) {
  int64_t id = 0;
  for (;;) {
    absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    id = statement.Int64(0);
  }
  return dialect() == Dialect::kMysql ? last_insert_id() : id;
}

std::string InsertSql(std::string_view table,
                      absl::Span<const std::string_view> columns) {
  return StrCat("INSERT INTO ", Quoted(table), " (",
                absl::StrJoin(columns, ", ", AppendQuoted), ") VALUES (",
                Placeholders(columns.size()), ")");
}

std::string OnConflictUpdate(Dialect dialect,
                             absl::Span<const std::string_view> columns,
                             int key_columns) {
  std::string sql;
  if (dialect == Dialect::kMysql) {
    sql = " ON DUPLICATE KEY UPDATE ";
  } else {
    sql = StrCat(
        " ON CONFLICT (",
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
  StrAppend(&sql, absl::StrJoin(columns.subspan(key_columns), ", ", assign));
  return sql;
}

std::string OnConflictDoNothing(Dialect dialect, std::string_view column) {
  if (dialect != Dialect::kMysql) return " ON CONFLICT DO NOTHING";
  return StrCat(" ON DUPLICATE KEY UPDATE ", Quoted(column), " = ",
                Quoted(column));
}

std::string_view ForUpdate(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return "";
    case Dialect::kPostgres:
      // Rows that refer to it may be added meanwhile.
      return " FOR NO KEY UPDATE";
    case Dialect::kMysql:
      return " FOR UPDATE";
  }
  return "";
}

std::string UpsertSql(Dialect dialect, std::string_view table,
                      absl::Span<const std::string_view> columns,
                      int key_columns) {
  return InsertSql(table, columns) +
         OnConflictUpdate(dialect, columns, key_columns);
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
