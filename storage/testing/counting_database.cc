#include "storage/testing/counting_database.h"

namespace millstream::storage::testing {
namespace {

// Of sql::Connection, and of sql::Transaction by way of it.
template <typename Base>
class Counting : public Base {
 public:
  Counting(Base* inner, std::atomic<int64_t>* statements)
      : inner_(inner), statements_(statements) {}

  absl::StatusOr<sql::StatementPtr> Prepare(std::string_view sql) override {
    Count();
    return inner_->Prepare(sql);
  }
  sql::Dialect dialect() const override { return inner_->dialect(); }
  sql::Schema schema() const override { return inner_->schema(); }

 protected:
  void Count() { statements_->fetch_add(1); }

  Base* const inner_;

 private:
  std::atomic<int64_t>* const statements_;
};

class CountingTransaction final : public Counting<sql::Transaction> {
 public:
  using Counting<sql::Transaction>::Counting;
  int64_t changes() const override { return inner_->changes(); }
  absl::StatusOr<int64_t> InsertRows(const sql::RowInsert& insert) override {
    Count();
    return inner_->InsertRows(insert);
  }
  int64_t last_insert_id() const override { return inner_->last_insert_id(); }
};

}  // namespace

absl::Status CountingDatabase::ReadFor(
    const Liveness& caller,
    absl::FunctionRef<absl::Status(sql::Connection&)> body) {
  return database_->ReadFor(caller, [&](sql::Connection& connection) {
    Counting<sql::Connection> counting(&connection, &statements_);
    return body(counting);
  });
}

absl::Status CountingDatabase::Write(
    absl::FunctionRef<absl::Status(sql::Transaction&)> body) {
  return database_->Write([&](sql::Transaction& transaction) {
    CountingTransaction counting(&transaction, &statements_);
    return body(counting);
  });
}

}  // namespace millstream::storage::testing
