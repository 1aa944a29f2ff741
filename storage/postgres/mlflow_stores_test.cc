// The stores on MLflow's schema in PostgreSQL.
#include "storage/conformance/mlflow_stores.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/conformance/schema_facts.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/postgres/postgres_database.h"
#include "storage/testing/postgres_server.h"

namespace millstream::storage {
namespace {

std::unique_ptr<postgres::PostgresDatabase> OpenUri(const std::string& text) {
  auto uri = sql::ParseDatabaseUri(text, "--uri");
  EXPECT_TRUE(uri.ok()) << uri.status();
  auto options = postgres::PostgresOptionsOf(*uri, "--uri");
  EXPECT_TRUE(options.ok()) << options.status();
  auto database = postgres::PostgresDatabase::Open(*std::move(options));
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

// One server for all tests, and one database with the tables: to make those
// anew for each test would take longer than the tests do.
class Server final : public ::testing::Environment {
 public:
  void SetUp() override {
    server = std::make_unique<testing::PostgresServer>();
    uri = server->MakeDatabase("test");
    const auto database = OpenUri(uri);
    const absl::Status made = mlflow::PrepareSchema(database.get(), "test");
    ASSERT_TRUE(made.ok()) << made;
  }
  void TearDown() override { server.reset(); }

  inline static std::unique_ptr<testing::PostgresServer> server;
  inline static std::string uri;
};

const auto* const kServer =
    ::testing::AddGlobalTestEnvironment(new Server);

// Leaves the tables as they were made. Children come first.
absl::Status RemoveRows(sql::Transaction& transaction) {
  for (std::string_view table :
       {"metrics", "latest_metrics", "params", "tags", "input_tags", "inputs",
        "datasets", "logged_model_metrics", "logged_model_params",
        "logged_model_tags", "logged_models", "model_version_tags",
        "model_versions", "registered_model_tags", "registered_model_aliases",
        "registered_models", "runs", "experiment_tags", "experiments"}) {
    RETURN_IF_ERROR(
        transaction.ExecuteLater(StrCat("DELETE FROM ", table)));
  }
  RETURN_IF_ERROR(transaction.ExecuteLater(
      "DROP TABLE IF EXISTS millstream_writer_frames"));
  return transaction.Execute(
      "SELECT setval('experiments_experiment_id_seq', 1, false)");
}

class PostgresPlace final : public MlflowDatabase {
 public:
  explicit PostgresPlace(int lanes) : lanes_(lanes) {
    const absl::Status removed = OpenUri(Server::uri)->Write(&RemoveRows);
    EXPECT_TRUE(removed.ok()) << removed;
  }

  std::unique_ptr<sql::Database> Open() override {
    return OpenUri(Server::uri);
  }
  const search::SqlDialect& dialect() const override {
    return search::PostgresDialect();
  }
  int lanes() const override { return lanes_; }

 private:
  const int lanes_;
};

std::unique_ptr<MlflowDatabase> NewPlace() {
  return std::make_unique<PostgresPlace>(/*lanes=*/0);
}
std::unique_ptr<MlflowDatabase> NewPlaceWithLanes() {
  return std::make_unique<PostgresPlace>(/*lanes=*/2);
}

INSTANTIATE_TEST_SUITE_P(
    Postgres, MetricStoreConformance,
    ::testing::Values(+[] { return MlflowMetricStore(NewPlace()); }));
INSTANTIATE_TEST_SUITE_P(
    Postgres, TrackingStoreConformance,
    ::testing::Values(+[] { return MlflowTrackingStore(NewPlace()); }));
INSTANTIATE_TEST_SUITE_P(
    Postgres, RegistryStoreConformance,
    ::testing::Values(+[] { return MlflowRegistryStore(NewPlace()); }));
INSTANTIATE_TEST_SUITE_P(
    Postgres, LoggedModelConformance,
    ::testing::Values(+[] { return MlflowRegistryStore(NewPlace()); }));
INSTANTIATE_TEST_SUITE_P(
    Postgres, RunLogConformance,
    ::testing::Values(+[] { return MlflowRunLog(NewPlace()); },
                      +[] { return MlflowRunLog(NewPlaceWithLanes()); }));

TEST(MlflowSchemaTest, ServersThatBeginAtOnceFindWhatMlflowWouldMake) {
  constexpr int kServers = 3;
  const std::string uri = Server::server->MakeDatabase("at_once");
  std::vector<std::thread> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.emplace_back([&uri] {
      const auto database = OpenUri(uri);
      const absl::Status status = mlflow::PrepareSchema(database.get(), "test");
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& server : servers) server.join();
  std::vector<std::string> facts;
  const absl::Status read =
      OpenUri(uri)->Read([&](sql::Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(facts, ReadSchemaFacts(connection));
        return absl::OkStatus();
      });
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(facts, RecordedSchemaFacts("postgresql"));
}

}  // namespace
}  // namespace millstream::storage
