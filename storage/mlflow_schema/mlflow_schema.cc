#include "storage/mlflow_schema/mlflow_schema.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mlflow_schema/resources.h"

namespace millstream::storage::mlflow {
namespace {

using sql::Connection;
using sql::Dialect;
using sql::StatementPtr;
using sql::Transaction;

// What the lock on making the schema is called: a number for PostgreSQL, a name
// for MySQL. Every version of this program takes the same.
constexpr int64_t kLockNumber = 0x6d6c6c73636865;
constexpr std::string_view kLockName = "millstream_schema";
// How long to wait for another server that makes it.
constexpr int kLockSeconds = 60;

// MySQL commits each statement that makes a table. Where this one is, tables
// without a revision are ours: a server began to make them, and was killed.
constexpr std::string_view kMark = "millstream_schema_being_made";

// What a database holds.
struct Contents {
  bool has_tables = false;
  bool is_marked = false;
  // Rows of alembic_version; one if all is well.
  std::vector<std::string> revisions;
};

std::vector<std::string_view> Revisions() {
  std::vector<std::string_view> revisions;
  for (absl::string_view line : absl::StrSplit(kRevisions, '\n')) {
    if (!line.empty()) revisions.emplace_back(line.data(), line.size());
  }
  return revisions;
}

std::string_view TablesSql(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return "SELECT name FROM sqlite_master WHERE type = 'table'";
    case Dialect::kPostgres:
      return "SELECT table_name FROM information_schema.tables "
             "WHERE table_schema = current_schema()";
    case Dialect::kMysql:
      return "SELECT table_name FROM information_schema.tables "
             "WHERE table_schema = database()";
  }
  return "";
}

absl::StatusOr<Contents> Look(Connection& connection) {
  Contents contents;
  bool has_revision = false;
  {
    ASSIGN_OR_RETURN(StatementPtr table,
                     connection.Prepare(TablesSql(connection.dialect())));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, table->Step());
      if (!more) break;
      const absl::string_view name(table->Text(0).data(),
                                   table->Text(0).size());
      if (name == "alembic_version") {
        has_revision = true;
      } else if (name == AbslView(kMark)) {
        contents.is_marked = true;
      } else if (!absl::StartsWith(name, "sqlite_") &&
                 !absl::StartsWith(name, {kOwnTablePrefix.data(),
                                          kOwnTablePrefix.size()})) {
        contents.has_tables = true;
      }
    }
  }
  if (!has_revision) return contents;
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Prepare("SELECT version_num FROM alembic_version"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return contents;
    contents.revisions.emplace_back(row->Text(0));
  }
}

bool IsReady(const Contents& contents) {
  return contents.revisions.size() == 1 && contents.revisions[0] == Revision();
}

bool IsEmpty(const Contents& contents) {
  return contents.revisions.empty() && !contents.has_tables;
}

// REQUIRES: neither ready nor empty.
absl::Status Refuse(const Contents& contents, std::string_view shown_uri) {
  if (contents.revisions.empty()) {
    return absl::FailedPreconditionError(StrCat(
        "The database ", shown_uri,
        " has tables that are not MLflow's (there is no alembic_version in "
        "it). Name an empty database, or one that MLflow has made."));
  }
  const std::vector<std::string_view> known = Revisions();
  const std::string& found = contents.revisions[0];
  if (contents.revisions.size() == 1 &&
      std::find(known.begin(), known.end(), found) != known.end()) {
    return absl::FailedPreconditionError(StrCat(
        "The database ", shown_uri, " has the tables of an older MLflow "
        "(revision ", found, "). Make a copy of it; then install MLflow ",
        kMlflowVersion, " and run: mlflow db upgrade ", shown_uri));
  }
  return absl::FailedPreconditionError(StrCat(
      "The database ", shown_uri,
      " has the tables of a newer MLflow (revision ", found,
      "), and this program knows those of MLflow ", kMlflowVersion,
      " (revision ", Revision(),
      "). Start a newer millstream, or name another database."));
}

// Takes the lock until the transaction ends, or, in MySQL, until Unlock.
absl::Status Lock(Transaction& transaction) {
  switch (transaction.dialect()) {
    case Dialect::kSqlite:
      // There is one writer.
      return absl::OkStatus();
    case Dialect::kPostgres:
      return transaction.Execute(
          StrCat("SELECT pg_advisory_xact_lock(", kLockNumber, ")"));
    case Dialect::kMysql: {
      ASSIGN_OR_RETURN(
          StatementPtr row,
          transaction.Prepare(StrCat("SELECT GET_LOCK('", kLockName, "', ",
                                     kLockSeconds, ")")));
      ASSIGN_OR_RETURN(const bool found, row->Step());
      if (found && row->Int64(0) == 1) return absl::OkStatus();
      return absl::UnavailableError(
          "another server has been making the tables for too long");
    }
  }
  return absl::OkStatus();
}

absl::Status Unlock(Transaction& transaction) {
  if (transaction.dialect() != Dialect::kMysql) return absl::OkStatus();
  ASSIGN_OR_RETURN(StatementPtr row,
                   transaction.Prepare(
                       StrCat("SELECT RELEASE_LOCK('", kLockName, "')")));
  return row->Finish();
}

std::string_view Script(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return kSqlite;
    case Dialect::kPostgres:
      return kPostgresql;
    case Dialect::kMysql:
      return kMysql;
  }
  return "";
}

// The tables that Make makes, as far as they are there, the last first.
absl::Status Remove(Transaction& transaction) {
  const std::string_view script = Script(transaction.dialect());
  std::vector<std::string> names;
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(script.data(), script.size()), '\n')) {
    if (!absl::ConsumePrefix(&line, "CREATE TABLE ")) continue;
    names.emplace_back(line.substr(0, line.find(' ')));
  }
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    RETURN_IF_ERROR(
        transaction.Execute(StrCat("DROP TABLE IF EXISTS ", *name)));
  }
  return absl::OkStatus();
}

// REQUIRES: an empty database, locked.
absl::Status Make(Transaction& transaction) {
  const bool needs_mark = transaction.dialect() == Dialect::kMysql;
  if (needs_mark) {
    RETURN_IF_ERROR(transaction.Execute(
        StrCat("CREATE TABLE IF NOT EXISTS ", kMark, " (id INT)")));
  }
  const std::string_view script = Script(transaction.dialect());
  for (absl::string_view part : absl::StrSplit(
           absl::string_view(script.data(), script.size()), "\n\n")) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty() || absl::StartsWith(part, "--")) continue;
    RETURN_IF_ERROR(
        transaction.Execute(std::string_view(part.data(), part.size())));
  }
  // Last: a database with its revision has all of the tables.
  RETURN_IF_ERROR(transaction.Execute(
      "INSERT INTO alembic_version (version_num) VALUES (?)", Revision()));
  if (!needs_mark) return absl::OkStatus();
  return transaction.Execute(StrCat("DROP TABLE ", kMark));
}

absl::Status MakeUnlessThere(Transaction& transaction) {
  ASSIGN_OR_RETURN(const Contents contents, Look(transaction));
  if (IsEmpty(contents)) return Make(transaction);
  if (!contents.is_marked || !contents.revisions.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Remove(transaction));
  return Make(transaction);
}

absl::StatusOr<Contents> LookIn(sql::Database* database) {
  Contents contents;
  RETURN_IF_ERROR(
      database->Read([&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(contents, Look(connection));
        return absl::OkStatus();
      }));
  return contents;
}

}  // namespace

std::string_view Revision() {
  static const std::string_view revision = Revisions().back();
  return revision;
}

absl::Status PrepareSchema(sql::Database* database,
                           std::string_view shown_uri) {
  ASSIGN_OR_RETURN(Contents contents, LookIn(database));
  if (IsReady(contents)) return absl::OkStatus();
  if (!contents.revisions.empty()) return Refuse(contents, shown_uri);
  // Empty, or another server is making it: known once the lock is ours.
  const absl::Status made =
      database->Write([&](Transaction& transaction) -> absl::Status {
        RETURN_IF_ERROR(Lock(transaction));
        const absl::Status made = MakeUnlessThere(transaction);
        const absl::Status unlocked = Unlock(transaction);
        return made.ok() ? unlocked : made;
      });
  // Where locks mean nothing (some that speak PostgreSQL's protocol), the
  // second of two servers fails: what counts is what is there.
  ASSIGN_OR_RETURN(contents, LookIn(database));
  if (IsReady(contents)) return absl::OkStatus();
  RETURN_IF_ERROR(made);
  return Refuse(contents, shown_uri);
}

}  // namespace millstream::storage::mlflow
