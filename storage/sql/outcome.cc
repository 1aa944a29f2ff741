#include "storage/sql/outcome.h"

#include "absl/strings/cord.h"
#include "base/status_macros.h"

namespace millstream::storage::sql {
namespace {

constexpr char kPayload[] = "millstream.storage.sql.outcome_unknown";

}  // namespace

absl::Status OutcomeUnknownError() {
  absl::Status status = absl::UnavailableError(
      "the connection to the database was lost during a commit: it may or may "
      "not have taken place");
  status.SetPayload(kPayload, absl::Cord());
  return status;
}

bool IsOutcomeUnknown(const absl::Status& status) {
  return status.GetPayload(kPayload).has_value();
}

absl::Status WriteNew(
    Database* database,
    absl::FunctionRef<absl::StatusOr<bool>(Transaction&)> is_made,
    absl::FunctionRef<absl::Status(Transaction&)> body) {
  const absl::Status status = database->Write(body);
  if (!IsOutcomeUnknown(status)) return status;
  return database->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const bool made, is_made(transaction));
    return made ? absl::OkStatus() : body(transaction);
  });
}

}  // namespace millstream::storage::sql
