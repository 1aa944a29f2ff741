#include "storage/sql/writer_frames.h"

#include "base/status_macros.h"

namespace millstream::storage::sql {
namespace {

// Ids of writers are bytes: no collation takes one for another, and any byte
// may be in them. No foreign key: it would keep MLflow from removing runs.
std::string_view CreateSql(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return "CREATE TABLE IF NOT EXISTS millstream_writer_frames ("
             "run_uuid VARCHAR(32) NOT NULL, writer_id BLOB NOT NULL, "
             "last_frame BIGINT NOT NULL, PRIMARY KEY (run_uuid, writer_id))";
    case Dialect::kPostgres:
      return "CREATE TABLE IF NOT EXISTS millstream_writer_frames ("
             "run_uuid VARCHAR(32) NOT NULL, writer_id BYTEA NOT NULL, "
             "last_frame BIGINT NOT NULL, PRIMARY KEY (run_uuid, writer_id))";
    case Dialect::kMysql:
      return "CREATE TABLE IF NOT EXISTS millstream_writer_frames ("
             "run_uuid VARCHAR(32) NOT NULL, "
             "writer_id VARBINARY(250) NOT NULL, "
             "last_frame BIGINT NOT NULL, PRIMARY KEY (run_uuid, writer_id))";
  }
  return "";
}

// The number only grows, also when a commit that another server was slow with
// comes after the writer has gone on here.
std::string_view RaiseSql(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSqlite:
      return "INSERT INTO millstream_writer_frames "
             "(run_uuid, writer_id, last_frame) VALUES (?, ?, ?) "
             "ON CONFLICT (run_uuid, writer_id) DO UPDATE SET "
             "last_frame = MAX(last_frame, excluded.last_frame)";
    case Dialect::kPostgres:
      return "INSERT INTO millstream_writer_frames "
             "(run_uuid, writer_id, last_frame) VALUES (?, ?, ?) "
             "ON CONFLICT (run_uuid, writer_id) DO UPDATE SET last_frame = "
             "GREATEST(millstream_writer_frames.last_frame, "
             "excluded.last_frame)";
    case Dialect::kMysql:
      return "INSERT INTO millstream_writer_frames "
             "(run_uuid, writer_id, last_frame) VALUES (?, ?, ?) "
             "ON DUPLICATE KEY UPDATE last_frame = "
             "GREATEST(last_frame, VALUES(last_frame))";
  }
  return "";
}

}  // namespace

absl::Status WriterFrames::Prepare() {
  if (prepared_.load(std::memory_order_acquire)) return absl::OkStatus();
  const auto create = [](Transaction& transaction) {
    return transaction.Execute(CreateSql(transaction.dialect()));
  };
  absl::Status created = database_->Write(create);
  // Two servers may make it at once, and one be told that its name is taken.
  if (!created.ok()) created = database_->Write(create);
  RETURN_IF_ERROR(created);
  prepared_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status WriterFrames::Write(Transaction& transaction,
                                 std::string_view run_id,
                                 const WriterFrame& frame) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   transaction.Prepare(RaiseSql(transaction.dialect())));
  row->BindText(1, run_id);
  row->BindBlob(2, frame.writer_id);
  row->BindInt64(3, static_cast<int64_t>(frame.number));
  return row->Finish();
}

absl::StatusOr<uint64_t> WriterFrames::Read(std::string_view run_id,
                                            std::string_view writer_id) {
  RETURN_IF_ERROR(Prepare());
  uint64_t number = 0;
  RETURN_IF_ERROR(
      database_->Read([&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(
            StatementPtr row,
            connection.Prepare("SELECT last_frame FROM "
                               "millstream_writer_frames "
                               "WHERE run_uuid = ? AND writer_id = ?"));
        row->BindText(1, run_id);
        row->BindBlob(2, writer_id);
        ASSIGN_OR_RETURN(const bool found, row->Step());
        number = found ? static_cast<uint64_t>(row->Int64(0)) : 0;
        return absl::OkStatus();
      }));
  return number;
}

}  // namespace millstream::storage::sql
