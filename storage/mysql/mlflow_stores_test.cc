// The stores on MLflow's schema in MariaDB, in a database that tells letters
// apart by their case. The usual collations do not: see the end.
#include "storage/conformance/mlflow_stores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/mysql/mysql_database.h"
#include "storage/testing/mariadb_server.h"

namespace millstream::storage {
namespace {

std::unique_ptr<mysql::MysqlDatabase> OpenUri(const std::string& text) {
  auto uri = sql::ParseDatabaseUri(text, "--uri");
  EXPECT_TRUE(uri.ok()) << uri.status();
  auto options = mysql::MysqlOptionsOf(*uri, "--uri");
  EXPECT_TRUE(options.ok()) << options.status();
  auto database = mysql::MysqlDatabase::Open(*std::move(options));
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

absl::StatusOr<std::vector<std::string>> Names(sql::Connection& connection,
                                               std::string_view sql) {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(sql::StatementPtr row, connection.Query(sql));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return names;
    names.emplace_back(row->Text(0));
  }
}

// Making the tables takes seconds, so those of one database are emptied for
// each test; those that count on from their last id are made anew.
absl::Status Empty(sql::Transaction& transaction) {
  ASSIGN_OR_RETURN(
      const std::vector<std::string> tables,
      Names(transaction,
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = database() "
            "AND table_name <> 'alembic_version' AND auto_increment IS NULL"));
  ASSIGN_OR_RETURN(
      const std::vector<std::string> counting,
      Names(transaction,
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = database() AND auto_increment > 1"));
  RETURN_IF_ERROR(transaction.Execute("SET SESSION foreign_key_checks = 0"));
  for (const std::string& table : tables) {
    RETURN_IF_ERROR(transaction.Execute(StrCat("DELETE FROM ", table)));
  }
  for (const std::string& table : counting) {
    RETURN_IF_ERROR(transaction.Execute(StrCat("TRUNCATE TABLE ", table)));
  }
  return transaction.Execute("SET SESSION foreign_key_checks = 1");
}

// One server for all tests.
class Server final : public ::testing::Environment {
 public:
  void SetUp() override { server = std::make_unique<testing::MariadbServer>(); }
  void TearDown() override { server.reset(); }

  inline static std::unique_ptr<testing::MariadbServer> server;
};

const auto* const kServer = ::testing::AddGlobalTestEnvironment(new Server);

class MysqlPlace final : public MlflowDatabase {
 public:
  MysqlPlace(const char* collation, int lanes) : lanes_(lanes) {
    const std::string name = StrCat("with_", collation);
    uri_ = Server::server->Uri(name);
    static std::vector<std::string> made;
    if (std::find(made.begin(), made.end(), name) == made.end()) {
      made.push_back(name);
      Server::server->MakeDatabase(name, collation);
      const absl::Status tables =
          mlflow::PrepareSchema(OpenUri(uri_).get(), "test");
      EXPECT_TRUE(tables.ok()) << tables;
    }
    const absl::Status emptied = OpenUri(uri_)->Write(Empty);
    EXPECT_TRUE(emptied.ok()) << emptied;
  }

  std::unique_ptr<sql::Database> Open() override { return OpenUri(uri_); }
  const search::SqlDialect& dialect() const override {
    return search::MysqlDialect();
  }
  int lanes() const override { return lanes_; }

 private:
  const int lanes_;
  std::string uri_;
};

std::unique_ptr<MlflowDatabase> NewPlace() {
  return std::make_unique<MysqlPlace>("utf8mb4_nopad_bin", /*lanes=*/0);
}
std::unique_ptr<MlflowDatabase> NewUsualPlace() {
  return std::make_unique<MysqlPlace>("utf8mb4_general_ci", /*lanes=*/0);
}
std::unique_ptr<MlflowDatabase> NewPlaceWithLanes() {
  return std::make_unique<MysqlPlace>("utf8mb4_nopad_bin", /*lanes=*/2);
}

INSTANTIATE_TEST_SUITE_P(Mysql, MetricStoreConformance, ::testing::Values(+[] {
                           return MlflowMetricStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Mysql, TrackingStoreConformance,
                         ::testing::Values(+[] {
                           return MlflowTrackingStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Mysql, RegistryStoreConformance,
                         ::testing::Values(+[] {
                           return MlflowRegistryStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Mysql, LoggedModelConformance, ::testing::Values(+[] {
                           return MlflowRegistryStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Mysql, RunLogConformance,
                         ::testing::Values(
                             +[] { return MlflowRunLog(NewPlace()); },
                             +[] {
                               return MlflowRunLog(NewPlaceWithLanes());
                             }));

// As for MLflow on such a database: one name, in whatever letters.
TEST(MysqlCollationTest, ANameInOtherLettersIsTheSame) {
  const auto harness = MlflowRegistryStore(NewUsualPlace());
  RegistryStore& registry = harness->registry();
  v1::RegisteredModel model, made, read;
  model.set_name("Model");
  model.set_creation_timestamp(1);
  ASSERT_TRUE(registry.CreateRegisteredModel(model, &made).ok());
  EXPECT_TRUE(registry.SetRegisteredModelTag("mODEL", "k", "v").ok());
  ASSERT_TRUE(registry.GetRegisteredModel("model", &read).ok());
  EXPECT_EQ(read.name(), "Model");
  model.set_name("MODEL");
  EXPECT_FALSE(registry.CreateRegisteredModel(model, &made).ok());
}

}  // namespace
}  // namespace millstream::storage
