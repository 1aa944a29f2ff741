// The stores on MLflow's schema in PostgreSQL.
#include "storage/conformance/mlflow_stores.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/str_cat.h"
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

// One server for all tests; a database with the tables, to be copied for each.
class Server final : public ::testing::Environment {
 public:
  static constexpr char kTemplate[] = "with_tables";

  void SetUp() override {
    server = std::make_unique<testing::PostgresServer>();
    const auto database = OpenUri(server->MakeDatabase(kTemplate));
    const absl::Status made = mlflow::PrepareSchema(database.get(), "test");
    ASSERT_TRUE(made.ok()) << made;
  }
  void TearDown() override { server.reset(); }

  inline static std::unique_ptr<testing::PostgresServer> server;
};

const auto* const kServer =
    ::testing::AddGlobalTestEnvironment(new Server);

class PostgresPlace final : public MlflowDatabase {
 public:
  explicit PostgresPlace(int lanes) : lanes_(lanes) {
    static int number = 0;
    uri_ = Server::server->MakeDatabase(StrCat("test", ++number),
                                        Server::kTemplate);
  }

  std::unique_ptr<sql::Database> Open() override { return OpenUri(uri_); }
  const search::SqlDialect& dialect() const override {
    return search::PostgresDialect();
  }
  int lanes() const override { return lanes_; }

 private:
  const int lanes_;
  std::string uri_;
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

}  // namespace
}  // namespace millstream::storage
