#include "storage/mysql/mysql_error.h"

#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::storage::mysql {
namespace {

struct Meaning {
  unsigned int number;
  FaultKind kind;
  absl::StatusCode code;
  std::string_view text;
};

constexpr auto kInternal = absl::StatusCode::kInternal;
constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

constexpr Meaning kMeanings[] = {
    {1022, FaultKind::kKeyTaken, absl::StatusCode::kAlreadyExists,
     "a key is taken"},
    {1062, FaultKind::kKeyTaken, absl::StatusCode::kAlreadyExists,
     "a key is taken"},
    {1586, FaultKind::kKeyTaken, absl::StatusCode::kAlreadyExists,
     "a key is taken"},
    {1048, FaultKind::kOrdinary, kPrecondition, "a column must have a value"},
    {1364, FaultKind::kOrdinary, kPrecondition, "a column must have a value"},
    {1216, FaultKind::kOrdinary, kPrecondition, "a foreign key does not hold"},
    {1217, FaultKind::kOrdinary, kPrecondition, "a foreign key does not hold"},
    {1451, FaultKind::kOrdinary, kPrecondition, "a foreign key does not hold"},
    // What it names was there when the transaction looked: another has removed
    // it, which the next run sees. If it does not, this stays.
    {1452, FaultKind::kKeyTaken, kPrecondition, "a foreign key does not hold"},
    {3819, FaultKind::kOrdinary, kPrecondition, "a constraint does not hold"},
    {4025, FaultKind::kOrdinary, kPrecondition, "a constraint does not hold"},
    // What was done is rolled back by 1213 and not by 1205; we see to it.
    {1205, FaultKind::kConflict, kUnavailable, "a lock is held by others"},
    {1213, FaultKind::kConflict, kUnavailable,
     "transactions waited for each other"},
    {1614, FaultKind::kConflict, kUnavailable,
     "the transaction was rolled back"},
    {1020, FaultKind::kConflict, kUnavailable,
     "transactions were in each other's way"},
    // Galera: another node committed first, or this one takes none now.
    {1047, FaultKind::kConnectionLost, kUnavailable,
     "this node of the cluster takes no statements"},
    {1243, FaultKind::kStatementLost, kUnavailable,
     "a prepared statement is gone"},
    {1461, FaultKind::kStatementLost, kUnavailable,
     "the database keeps no more prepared statements"},
    {1615, FaultKind::kStatementLost, kUnavailable,
     "a prepared statement cannot be used any more"},
    // After a failover the old primary answers so.
    {1290, FaultKind::kConnectionLost, kUnavailable,
     "the database is read-only now"},
    {1836, FaultKind::kConnectionLost, kUnavailable,
     "the database is read-only now"},
    {1021, FaultKind::kOrdinary, kExhausted, "the database's disk is full"},
    {1114, FaultKind::kOrdinary, kExhausted, "a table is full"},
    {1037, FaultKind::kOrdinary, kExhausted, "the database lacks memory"},
    {1038, FaultKind::kOrdinary, kExhausted, "the database lacks memory"},
    {1041, FaultKind::kOrdinary, kExhausted, "the database lacks memory"},
    {1206, FaultKind::kOrdinary, kExhausted, "there are too many locks"},
    {1040, FaultKind::kConnectionLost, kUnavailable,
     "the database has too many connections"},
    {1203, FaultKind::kConnectionLost, kUnavailable,
     "the user has too many connections"},
    {1053, FaultKind::kConnectionLost, kUnavailable,
     "the database is shutting down"},
    {1927, FaultKind::kConnectionLost, kUnavailable,
     "the connection to the database was ended"},
    {3169, FaultKind::kConnectionLost, kUnavailable,
     "the connection to the database was ended"},
    {4031, FaultKind::kConnectionLost, kUnavailable,
     "the database ended an idle connection"},
    {1317, FaultKind::kOrdinary, absl::StatusCode::kDeadlineExceeded,
     "a statement was interrupted"},
    {1969, FaultKind::kOrdinary, absl::StatusCode::kDeadlineExceeded,
     "a statement took longer than it may"},
    {3024, FaultKind::kOrdinary, absl::StatusCode::kDeadlineExceeded,
     "a statement took longer than it may"},
    {1033, FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "the database is damaged"},
    {1034, FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "an index of the database is damaged"},
    {1194, FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "a table of the database is damaged"},
    {1712, FaultKind::kOrdinary, absl::StatusCode::kDataLoss,
     "an index of the database is damaged"},
};

// Values that the database cannot keep, in words for who sent them.
absl::Status AboutValue(unsigned int number) {
  switch (number) {
    case 1300:
    case 1366:
    case 3854:
      return InvalidParameter(
          "Text holds a character that the database cannot keep.");
    // As MLflow answers whatever its database refuses.
    case 1406:
      return MakeError(v1::BAD_REQUEST,
                       "Text is longer than the database's column for it.");
    case 1264:
    case 1690:
      return MakeError(
          v1::BAD_REQUEST,
          "A number is greater than the database's column for it takes.");
    case 1153:
      return MakeError(
          v1::BAD_REQUEST,
          "The request is larger than the database takes at a time.");
    default:
      return absl::OkStatus();
  }
}

// Errors about the text of a statement, which is ours.
bool IsAboutSql(unsigned int number) {
  switch (number) {
    case 1054:  // no such column
    case 1064:  // syntax
    case 1146:  // no such table
    case 1149:
    case 1210:
    case 1305:
      return true;
    default:
      return false;
  }
}

}  // namespace

Fault FaultOf(unsigned int number, std::string_view message) {
  if (absl::Status status = AboutValue(number); !status.ok()) {
    return {FaultKind::kOrdinary, std::move(status)};
  }
  for (const Meaning& meaning : kMeanings) {
    if (meaning.number != number) continue;
    return {meaning.kind,
            absl::Status(meaning.code, StrCat("MySQL: ", meaning.text,
                                              " (error ", number, ")"))};
  }
  // The client library's own: what is left of them means that the connection
  // is of no use.
  if ((number >= 2000 && number < 3000) || (number >= 5000 && number < 6000)) {
    return ConnectionLost();
  }
  // Of the network, as the server reports it.
  if (number >= 1152 && number <= 1161) return ConnectionLost();
  return {FaultKind::kOrdinary,
          absl::Status(kInternal, StrCat("MySQL: error ", number,
                                         IsAboutSql(number) ? ": " : "",
                                         IsAboutSql(number) ? message : ""))};
}

}  // namespace millstream::storage::mysql
