// What tests of this folder share: a server per test binary, a table.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/liveness.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mysql/mysql_database.h"
#include "storage/testing/mariadb_server.h"

namespace millstream::storage::mysql {

// Waits until it was asked so often.
class Impatient final : public Liveness {
 public:
  explicit Impatient(int questions) : left_(questions) {}
  absl::Status Alive() const override {
    return --left_ >= 0 ? absl::OkStatus() : absl::DeadlineExceededError("");
  }

 private:
  mutable std::atomic<int> left_;
};

class MysqlTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    if (server_ == nullptr) {
      server_ = std::make_unique<testing::MariadbServer>();
    }
    static std::atomic<int> number{0};
    uri_ = server_->MakeDatabase(StrCat("test", ++number));
    database_ = Open(Options());
    ASSERT_TRUE(Run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, "
                    "value BIGINT NOT NULL DEFAULT 0)")
                    .ok());
  }
  void TearDown() override { database_.reset(); }

  MysqlOptions Options() const {
    auto uri = sql::ParseDatabaseUri(uri_, "--uri");
    EXPECT_TRUE(uri.ok()) << uri.status();
    auto options = MysqlOptionsOf(*uri, "--uri");
    EXPECT_TRUE(options.ok()) << options.status();
    return *std::move(options);
  }
  static std::unique_ptr<MysqlDatabase> Open(MysqlOptions options) {
    auto database = MysqlDatabase::Open(std::move(options));
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }

  template <typename... Args>
  absl::Status Run(std::string_view sql, const Args&... args) {
    return database_->Write([&](sql::Transaction& transaction) {
      return transaction.Execute(sql, args...);
    });
  }
  absl::Status Insert(int64_t id) {
    return Run("INSERT INTO numbers (id) VALUES (?)", id);
  }
  static absl::StatusOr<int64_t> Number(sql::Connection& connection,
                                        std::string_view sql) {
    ASSIGN_OR_RETURN(sql::StatementPtr row, connection.Query(sql));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    return found ? row->Int64(0) : -1;
  }
  int64_t Number(std::string_view sql) {
    int64_t number = -2;
    const absl::Status status =
        database_->Read([&](sql::Connection& connection) -> absl::Status {
          ASSIGN_OR_RETURN(number, Number(connection, sql));
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return number;
  }
  int64_t Count() { return Number("SELECT count(*) FROM numbers"); }

  inline static std::unique_ptr<testing::MariadbServer> server_;
  std::string uri_;
  std::unique_ptr<MysqlDatabase> database_;
};

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_
