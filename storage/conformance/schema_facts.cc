#include "storage/conformance/schema_facts.h"

#include <algorithm>
#include <fstream>
#include <string_view>

#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// Each returns one column of text.
constexpr std::string_view kPostgresFacts[] = {
    "SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type "
    "|| coalesce('(' || character_maximum_length || ')', '') || ' ' || "
    "is_nullable || ' ' || coalesce(column_default, '') || ' ' || "
    "is_identity || ' ' || coalesce(generation_expression, '') "
    "FROM information_schema.columns WHERE table_schema = current_schema()",
    "SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || "
    "pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = current_schema()::regnamespace",
    "SELECT 'index ' || indexdef FROM pg_indexes "
    "WHERE schemaname = current_schema()",
    "SELECT 'trigger ' || trigger_name || ' ' || event_object_table || ' ' || "
    "action_timing || ' ' || event_manipulation "
    "FROM information_schema.triggers "
    "WHERE trigger_schema = current_schema()",
};

constexpr std::string_view kMysqlFacts[] = {
    "SELECT CONCAT('table ', table_name, ' ', engine, ' ', row_format, ' ', "
    "table_collation) FROM information_schema.tables "
    "WHERE table_schema = database()",
    "SELECT CONCAT('column ', table_name, '.', column_name, ' ', "
    "ordinal_position, ' ', column_type, ' ', COALESCE(collation_name, '-'), "
    "' ', is_nullable, ' ', COALESCE(column_default, ''), ' ', extra, ' ', "
    "REPLACE(COALESCE(generation_expression, ''), CHAR(34), CHAR(96))) "
    "FROM information_schema.columns WHERE table_schema = database()",
    "SELECT CONCAT('index ', table_name, ' ', index_name, ' ', index_type, "
    "' ', non_unique, ' ', GROUP_CONCAT(CONCAT(column_name, "
    "COALESCE(CONCAT('(', sub_part, ')'), '')) ORDER BY seq_in_index)) "
    "FROM information_schema.statistics WHERE table_schema = database() "
    "GROUP BY table_name, index_name, index_type, non_unique",
    "SELECT CONCAT('foreign key ', k.table_name, ' ', k.constraint_name, ' (', "
    "GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position), ') ', "
    "k.referenced_table_name, ' (', "
    "GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position), ') ', "
    "r.update_rule, ' ', r.delete_rule) "
    "FROM information_schema.key_column_usage k "
    "JOIN information_schema.referential_constraints r "
    "ON r.constraint_schema = k.constraint_schema "
    "AND r.constraint_name = k.constraint_name "
    "AND r.table_name = k.table_name WHERE k.table_schema = database() "
    "AND k.referenced_table_name IS NOT NULL GROUP BY k.table_name, "
    "k.constraint_name, k.referenced_table_name, r.update_rule, r.delete_rule",
    "SELECT CONCAT('check ', table_name, ' ', constraint_name, ' ', "
    "REPLACE(check_clause, CHAR(34), CHAR(96))) "
    "FROM information_schema.check_constraints "
    "WHERE constraint_schema = database()",
    "SELECT CONCAT('trigger ', trigger_name, ' ', event_object_table, ' ', "
    "action_timing, ' ', event_manipulation) FROM information_schema.triggers "
    "WHERE trigger_schema = database()",
};

absl::Status AddFacts(sql::Connection& connection, std::string_view query,
                      std::vector<std::string>* facts) {
  ASSIGN_OR_RETURN(sql::StatementPtr row, connection.Prepare(query));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return absl::OkStatus();
    const std::string_view fact = row->Text(0);
    if (!absl::StrContains(AbslView(fact), "millstream_")) {
      facts->emplace_back(fact);
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadSchemaFacts(
    sql::Connection& connection) {
  const bool is_mysql = connection.dialect() == sql::Dialect::kMysql;
  std::vector<std::string> facts;
  for (std::string_view query : is_mysql
                                    ? absl::MakeConstSpan(kMysqlFacts)
                                    : absl::MakeConstSpan(kPostgresFacts)) {
    RETURN_IF_ERROR(AddFacts(connection, query, &facts));
  }
  std::sort(facts.begin(), facts.end());
  return facts;
}

std::vector<std::string> RecordedSchemaFacts(const std::string& name) {
  std::ifstream file(StrCat("storage/mlflow_schema/testdata/", name, ".txt"));
  std::vector<std::string> facts;
  for (std::string line; std::getline(file, line);) facts.push_back(line);
  return facts;
}

}  // namespace millstream::storage
