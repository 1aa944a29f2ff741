#include "storage/postgres/postgres_error.h"

#include <string>

#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::storage::postgres {
namespace {

struct Meaning {
  // A whole SQLSTATE, or the class that it begins with. The first that fits
  // counts.
  std::string_view sqlstate;
  FaultKind kind;
  absl::StatusCode code;
  std::string_view text;
};

constexpr Meaning kMeanings[] = {
    {"23505", FaultKind::kKeyTaken, absl::StatusCode::kAlreadyExists,
     "a key is taken"},
    // What it names was there when the transaction looked: another has removed
    // it, which the next run sees. If it does not, this stays.
    {"23503", FaultKind::kKeyTaken, absl::StatusCode::kFailedPrecondition,
     "a foreign key does not hold"},
    {"23", FaultKind::kOrdinary, absl::StatusCode::kFailedPrecondition,
     "a constraint does not hold"},
    {"40001", FaultKind::kConflict, absl::StatusCode::kUnavailable,
     "transactions were in each other's way"},
    {"40P01", FaultKind::kConflict, absl::StatusCode::kUnavailable,
     "transactions waited for each other"},
    // CockroachDB asks for repetition so; "40003" says that it does not know.
    {"40003", FaultKind::kOutcomeUnknown, absl::StatusCode::kUnavailable,
     "it is not known whether the commit took place"},
    {"40", FaultKind::kConflict, absl::StatusCode::kUnavailable,
     "the transaction was rolled back"},
    {"26000", FaultKind::kStatementLost, absl::StatusCode::kUnavailable,
     "a prepared statement is gone"},
    {"42P05", FaultKind::kStatementLost, absl::StatusCode::kUnavailable,
     "a prepared statement is there already"},
    {"0A000", FaultKind::kStatementLost, absl::StatusCode::kInternal,
     "a plan cannot be used any more, or a feature is missing"},
    // After a failover the old primary, if anybody, answers so.
    {"25006", FaultKind::kConnectionLost, absl::StatusCode::kUnavailable,
     "the database is read-only now"},
    {"53100", FaultKind::kOrdinary, absl::StatusCode::kResourceExhausted,
     "the database's disk is full"},
    {"53", FaultKind::kOrdinary, absl::StatusCode::kResourceExhausted,
     "the database lacks resources"},
    {"55P03", FaultKind::kConflict, absl::StatusCode::kUnavailable,
     "a lock is held by others"},
    {"57014", FaultKind::kOrdinary, absl::StatusCode::kDeadlineExceeded,
     "a statement took longer than it may"},
    {"57P", FaultKind::kConnectionLost, absl::StatusCode::kUnavailable,
     "the database is shutting down or starting"},
    {"08", FaultKind::kConnectionLost, absl::StatusCode::kUnavailable,
     "the connection to the database was lost"},
    {"25P03", FaultKind::kConnectionLost, absl::StatusCode::kUnavailable,
     "the database ended an idle transaction"},
    {"XX001", FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "the database is damaged"},
    {"XX002", FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "an index of the database is damaged"},
    {"58", FaultKind::kOrdinary, absl::StatusCode::kUnavailable,
     "the database's machine reports an error"},
};

// Values that the database cannot keep, in words for who sent them.
absl::Status AboutValue(std::string_view sqlstate) {
  if (sqlstate == "22021" || sqlstate == "22P05") {
    return InvalidParameter(
        "Text holds a character that the database cannot keep, such as "
        "U+0000.");
  }
  // As MLflow answers whatever its database refuses.
  if (sqlstate == "22001") {
    return MakeError(v1::BAD_REQUEST,
                     "Text is longer than the database's column for it.");
  }
  if (sqlstate == "22003") {
    return MakeError(
        v1::BAD_REQUEST,
        "A number is greater than the database's column for it takes.");
  }
  if (sqlstate == "22025") {
    return MakeError(v1::BAD_REQUEST,
                     "A LIKE pattern ends in a backslash, which takes the "
                     "next character as it is; write two.");
  }
  return absl::OkStatus();
}

}  // namespace

Fault FaultOf(std::string_view sqlstate, std::string_view severity,
              std::string_view constraint, std::string_view message) {
  if (absl::Status status = AboutValue(sqlstate); !status.ok()) {
    return {FaultKind::kOrdinary, std::move(status)};
  }
  const bool ends_session = severity == "FATAL" || severity == "PANIC";
  for (const Meaning& meaning : kMeanings) {
    if (!sqlstate.starts_with(meaning.sqlstate)) continue;
    std::string text = StrCat("PostgreSQL: ", meaning.text, " (SQLSTATE ",
                              sqlstate, constraint.empty() ? "" : ", ",
                              constraint, ")");
    return {ends_session ? FaultKind::kConnectionLost : meaning.kind,
            absl::Status(meaning.code, text)};
  }
  if (ends_session) return ConnectionLost();
  // Class 42 is about the text of a statement, which is ours.
  return {FaultKind::kOrdinary,
          absl::InternalError(StrCat(
              "PostgreSQL: SQLSTATE ", sqlstate,
              sqlstate.starts_with("42") ? ": " : "",
              sqlstate.starts_with("42") ? message : ""))};
}

}  // namespace millstream::storage::postgres
