#include "storage/mlflow_schema/mlflow_schema.h"

#include <algorithm>
#include <iterator>
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

// What a database holds.
struct Contents {
  // SQLite's. It shows whole transactions: no other server is half way through
  // making the tables.
  bool is_file = false;
  bool has_tables = false;
  bool is_marked = false;
  // Rows of alembic_version; one if all is well.
  std::vector<std::string> revisions;
};

// One of MLflow's two sets of tables.
struct Set {
  std::string_view revision_table;
  const char* revisions;
  const char* sqlite;
  const char* postgresql;
  const char* mysql;
  // Whether a table of this name keeps the set from being made.
  bool (*is_in_the_way)(absl::string_view name);
  // What brings an older revision to this one, but for the URI.
  std::string_view upgrade;
  // MySQL commits each statement that makes a table. Where this one is, tables
  // without a revision are ours: a server began to make them, and was killed.
  std::string_view mark;
};

bool IsOfUsers(absl::string_view name) {
  static constexpr absl::string_view kTables[] = {
      "alembic_version_auth", "experiment_permissions",
      "gateway_endpoint_permissions", "gateway_model_definition_permissions",
      "gateway_secret_permissions", "registered_model_permissions",
      "role_permissions", "roles", "scorer_permissions",
      "user_role_assignments", "users", "workspace_permissions"};
  return std::find(std::begin(kTables), std::end(kTables), name) !=
         std::end(kTables);
}

bool IsForeign(absl::string_view name) {
  return !absl::StartsWith(name, "sqlite_") &&
         !absl::StartsWith(name, AbslView(kOwnTablePrefix)) &&
         !IsOfUsers(name);
}

constexpr Set kTracking = {
    "alembic_version", kRevisions, kSqlite, kPostgresql, kMysql, &IsForeign,
    "mlflow db upgrade ", "millstream_schema_being_made"};
constexpr Set kUsers = {
    "alembic_version_auth", kUsersRevisions, kUsersSqlite, kUsersPostgresql,
    kUsersMysql, &IsOfUsers, "python -m mlflow.server.auth db upgrade --url ",
    "millstream_users_being_made"};

std::vector<std::string_view> Revisions(const Set& set) {
  std::vector<std::string_view> revisions;
  for (absl::string_view line : absl::StrSplit(set.revisions, '\n')) {
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

absl::StatusOr<Contents> Look(const Set& set, Connection& connection) {
  Contents contents;
  contents.is_file = connection.dialect() == Dialect::kSqlite;
  bool has_revision = false;
  {
    ASSIGN_OR_RETURN(StatementPtr table,
                     connection.Prepare(TablesSql(connection.dialect())));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, table->Step());
      if (!more) break;
      const absl::string_view name(table->Text(0).data(),
                                   table->Text(0).size());
      if (name == AbslView(set.revision_table)) {
        has_revision = true;
      } else if (name == AbslView(set.mark)) {
        contents.is_marked = true;
      } else if (set.is_in_the_way(name)) {
        contents.has_tables = true;
      }
    }
  }
  if (!has_revision) return contents;
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Prepare(StrCat("SELECT version_num FROM ",
                                             set.revision_table)));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return contents;
    contents.revisions.emplace_back(row->Text(0));
  }
}

bool IsReady(const Set& set, const Contents& contents) {
  return contents.revisions.size() == 1 &&
         contents.revisions[0] == Revisions(set).back();
}

bool IsEmpty(const Contents& contents) {
  return contents.revisions.empty() && !contents.has_tables;
}

absl::Status RefuseOlder(const Set& set, std::string_view found,
                         std::string_view shown_uri) {
  return absl::FailedPreconditionError(
      StrCat("The database ", shown_uri,
             " has the tables of an older MLflow (revision ", found,
             "). Make a copy of it; then install MLflow ", kMlflowVersion,
             " and run: ", set.upgrade, shown_uri));
}

// REQUIRES: neither ready nor empty.
absl::Status Refuse(const Set& set, const Contents& contents,
                    std::string_view shown_uri) {
  if (contents.revisions.empty()) {
    // The first tables of users had no revision.
    if (&set == &kUsers) return RefuseOlder(set, "none", shown_uri);
    return absl::FailedPreconditionError(StrCat(
        "The database ", shown_uri,
        " has tables that are not MLflow's (there is no alembic_version in "
        "it). Name an empty database, or one that MLflow has made."));
  }
  const std::vector<std::string_view> known = Revisions(set);
  const std::string& found = contents.revisions[0];
  if (contents.revisions.size() == 1 &&
      std::find(known.begin(), known.end(), found) != known.end()) {
    return RefuseOlder(set, found, shown_uri);
  }
  return absl::FailedPreconditionError(StrCat(
      "The database ", shown_uri,
      " has the tables of a newer MLflow (revision ", found,
      "), and this program knows those of MLflow ", kMlflowVersion,
      " (revision ", known.back(),
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

std::string_view Script(const Set& set, Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return set.sqlite;
    case Dialect::kPostgres:
      return set.postgresql;
    case Dialect::kMysql:
      return set.mysql;
  }
  return "";
}

// The tables that Make makes, as far as they are there, the last first.
absl::Status Remove(const Set& set, Transaction& transaction) {
  const std::string_view script = Script(set, transaction.dialect());
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
absl::Status Make(const Set& set, Transaction& transaction) {
  const bool needs_mark = transaction.dialect() == Dialect::kMysql;
  if (needs_mark) {
    RETURN_IF_ERROR(transaction.Execute(
        StrCat("CREATE TABLE IF NOT EXISTS ", set.mark, " (id INT)")));
  }
  const std::string_view script = Script(set, transaction.dialect());
  for (absl::string_view part : absl::StrSplit(
           absl::string_view(script.data(), script.size()), "\n\n")) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty() || absl::StartsWith(part, "--")) continue;
    RETURN_IF_ERROR(
        transaction.Execute(std::string_view(part.data(), part.size())));
  }
  // Last: a database with its revision has all of the tables.
  RETURN_IF_ERROR(transaction.Execute(
      StrCat("INSERT INTO ", set.revision_table, " (version_num) VALUES (?)"),
      Revisions(set).back()));
  if (!needs_mark) return absl::OkStatus();
  return transaction.Execute(StrCat("DROP TABLE ", set.mark));
}

absl::Status MakeUnlessThere(const Set& set, Transaction& transaction) {
  ASSIGN_OR_RETURN(const Contents contents, Look(set, transaction));
  if (IsEmpty(contents)) return Make(set, transaction);
  if (!contents.is_marked || !contents.revisions.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Remove(set, transaction));
  return Make(set, transaction);
}

absl::StatusOr<Contents> LookIn(const Set& set, sql::Database* database) {
  Contents contents;
  RETURN_IF_ERROR(
      database->Read([&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(contents, Look(set, connection));
        return absl::OkStatus();
      }));
  return contents;
}

// A file is altered by the first write to it (storage/sqlite): that is now,
// when it is known that it is to be used, and nobody waits yet.
absl::Status Accept(const Contents& contents, sql::Database* database) {
  if (!contents.is_file) return absl::OkStatus();
  return database->Write([](Transaction&) { return absl::OkStatus(); });
}

absl::Status Prepare(const Set& set, sql::Database* database,
                     std::string_view shown_uri) {
  ASSIGN_OR_RETURN(Contents contents, LookIn(set, database));
  if (IsReady(set, contents)) return Accept(contents, database);
  if (!contents.revisions.empty() ||
      (contents.is_file && contents.has_tables)) {
    return Refuse(set, contents, shown_uri);
  }
  // Empty, or another server is making it: known once the lock is ours.
  const absl::Status made =
      database->Write([&](Transaction& transaction) -> absl::Status {
        RETURN_IF_ERROR(Lock(transaction));
        const absl::Status made = MakeUnlessThere(set, transaction);
        const absl::Status unlocked = Unlock(transaction);
        return made.ok() ? unlocked : made;
      });
  // Where locks mean nothing (some that speak PostgreSQL's protocol), the
  // second of two servers fails: what counts is what is there.
  ASSIGN_OR_RETURN(contents, LookIn(set, database));
  if (IsReady(set, contents)) return absl::OkStatus();
  RETURN_IF_ERROR(made);
  return Refuse(set, contents, shown_uri);
}

}  // namespace

std::string_view Revision() {
  static const std::string_view revision = Revisions(kTracking).back();
  return revision;
}

absl::Status PrepareSchema(sql::Database* database,
                           std::string_view shown_uri) {
  return Prepare(kTracking, database, shown_uri);
}

absl::Status PrepareUserSchema(sql::Database* database,
                               std::string_view shown_uri) {
  return Prepare(kUsers, database, shown_uri);
}

}  // namespace millstream::storage::mlflow
