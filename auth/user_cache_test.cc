#include "auth/user_cache.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/testing/any_database.h"

namespace millstream::auth {
namespace {

namespace sql = storage::sql;

// A database that makes a reader wait.
class Slow final : public sql::Database {
 public:
  explicit Slow(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)) {}

  absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(sql::Connection&)> body) override {
    if (hold_next.exchange(false)) {
      held.Notify();
      release.WaitForNotification();
    }
    return database_->ReadFor(caller, body);
  }
  absl::Status Write(
      absl::FunctionRef<absl::Status(sql::Transaction&)> body) override {
    return database_->Write(body);
  }
  absl::Status Sync() override { return database_->Sync(); }

  std::atomic<bool> hold_next{false};
  absl::Notification held, release;

 private:
  const std::unique_ptr<sql::Database> database_;
};

TEST(UserCacheTest, NobodyWaitsLongBehindWhoeverAsksASlowDatabase) {
  storage::testing::AnyDatabase databases(sql::Dialect::kSqlite);
  Slow database(databases.Open());
  ASSERT_TRUE(
      storage::mlflow::PrepareUserSchema(&database, "the database").ok());
  UserCache cache(&database, absl::Milliseconds(10));
  ASSERT_TRUE(cache.Begin().ok());
  database.hold_next = true;
  std::thread writer([&] { EXPECT_TRUE(cache.Reload().ok()); });
  database.held.WaitForNotification();
  cache.Refresh();
  EXPECT_NE(cache.table(), nullptr);
  database.release.Notify();
  writer.join();
}

}  // namespace
}  // namespace millstream::auth
