// A database server that the tests of a binary share, as the suites of
// sql::ServerDatabase see it. Each backend's test names its own:
//
//   struct MyServerTraits {
//     using Server = testing::MyServer;     // storage/testing
//     using Database = mine::MyDatabase;    // a sql::ServerDatabase
//     static constexpr auto* kOptionsOf = &mine::MyOptionsOf;
//     static constexpr std::string_view kSleep = "SELECT sleep(60)";
//     static constexpr std::string_view kBytesType = "BLOB";
//     static constexpr std::string_view kSocket = "socket";
//     static constexpr std::string_view kCommitted = "COMMIT";
//   };
//   using MyServer = DatabaseServerOf<MyServerTraits>;
//
//   INSTANTIATE_TEST_SUITE_P(Mine, ServerDatabaseConformance,
//                            testing::Values(&MyServer::Shared));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_DATABASE_SERVER_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_DATABASE_SERVER_H_

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database.h"
#include "storage/sql/database_uri.h"

namespace millstream::storage {

// What a test wants otherwise than by default.
struct ServerOptions {
  std::optional<sql::PoolOptions> pool = {};
  std::optional<absl::Duration> statement_timeout = {};
  std::optional<absl::Duration> reconnect = {};
  std::optional<absl::Duration> wait_at_start = {};
};

// Thread-compatible.
class DatabaseServer {
 public:
  virtual ~DatabaseServer() = default;

  // As storage/testing's servers have it.
  virtual void Start() = 0;
  virtual void StopAtOnce() = 0;
  virtual void Stop() = 0;

  // Makes an empty database, which tells letters apart by their case, and
  // returns its URI.
  virtual std::string MakeDatabase(const std::string& name) = 0;
  virtual absl::StatusOr<std::unique_ptr<sql::Database>> Open(
      const std::string& uri, const ServerOptions& options = {},
      const Liveness& starter = Liveness::Always()) = 0;
  // Of a database that Open has returned.
  virtual int Connections(const sql::Database& database) const = 0;

  // Answers after a minute.
  virtual std::string_view sleep_sql() const = 0;
  virtual std::string_view bytes_type() const = 0;

  // Its Unix socket is the file `socket` of `folder`, which URIs name.
  virtual const std::string& folder() const = 0;
  virtual std::string_view socket() const = 0;
  // What is in the answer to a COMMIT, and in no other.
  virtual std::string_view committed() const = 0;
};

template <typename Traits>
class DatabaseServerOf final : public DatabaseServer {
 public:
  // The one of this binary: starts when it is first asked for.
  static DatabaseServer& Shared() { return Own(); }
  static DatabaseServerOf& Own() {
    static DatabaseServerOf server;
    return server;
  }

  typename Traits::Server& server() { return server_; }

  void Start() override { server_.Start(); }
  void StopAtOnce() override { server_.StopAtOnce(); }
  void Stop() override { server_.Stop(); }

  std::string MakeDatabase(const std::string& name) override {
    return Traits::MakeDatabase(server_, name);
  }
  absl::StatusOr<std::unique_ptr<sql::Database>> Open(
      const std::string& uri, const ServerOptions& options,
      const Liveness& starter) override {
    ASSIGN_OR_RETURN(const sql::DatabaseUri parsed,
                     sql::ParseDatabaseUri(uri, "--uri"));
    ASSIGN_OR_RETURN(auto own, Traits::kOptionsOf(parsed, "--uri"));
    own.pool = options.pool.value_or(own.pool);
    own.statement_timeout =
        options.statement_timeout.value_or(own.statement_timeout);
    own.reconnect = options.reconnect.value_or(own.reconnect);
    own.wait_at_start = options.wait_at_start.value_or(own.wait_at_start);
    return Traits::Database::Open(std::move(own), starter);
  }
  int Connections(const sql::Database& database) const override {
    return static_cast<const typename Traits::Database&>(database)
        .connections();
  }

  std::string_view sleep_sql() const override { return Traits::kSleep; }
  std::string_view bytes_type() const override { return Traits::kBytesType; }
  const std::string& folder() const override { return server_.folder(); }
  std::string_view socket() const override { return Traits::kSocket; }
  std::string_view committed() const override { return Traits::kCommitted; }

 private:
  DatabaseServerOf() = default;

  typename Traits::Server server_;
};

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

// Each test has a database of its own, with a table.
class ServerDatabaseTest : public ::testing::Test {
 protected:
  using ServerFunction = DatabaseServer& (*)();

  virtual DatabaseServer& server() const = 0;

  void SetUp() override {
    static std::atomic<int> number{0};
    uri_ = server().MakeDatabase(StrCat("test", ++number));
    database_ = Open();
    ASSERT_TRUE(Run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, "
                    "value BIGINT NOT NULL DEFAULT 0)")
                    .ok());
  }
  void TearDown() override { database_.reset(); }

  std::unique_ptr<sql::Database> Open(const ServerOptions& options = {}) {
    auto database = server().Open(uri_, options);
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

  std::string uri_;
  std::unique_ptr<sql::Database> database_;
};

// For a backend's own cases.
template <typename Server>
class OwnServerDatabaseTest : public ServerDatabaseTest {
 protected:
  DatabaseServer& server() const override { return Server::Shared(); }
};

// For suites that every backend runs.
class SharedServerDatabaseTest
    : public ServerDatabaseTest,
      public ::testing::WithParamInterface<DatabaseServer& (*)()> {
 protected:
  DatabaseServer& server() const override { return GetParam()(); }
};

// What every sql::ServerDatabase must do, what long charts are on it, and what
// happens when its server goes away and comes back.
class ServerDatabaseConformance : public SharedServerDatabaseTest {};
class ServerChartsConformance : public SharedServerDatabaseTest {};
class ServerRestartConformance : public SharedServerDatabaseTest {
 protected:
  void Restart() {
    server().StopAtOnce();
    server().Start();
  }
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_DATABASE_SERVER_H_
