#include "storage/conformance/mlflow_server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/conformance/schema_facts.h"
#include "storage/mlflow_schema/mlflow_schema.h"

namespace millstream::storage {
namespace {

// Leaves the tables as they were made. Children come first.
absl::Status RemoveRows(sql::Transaction& transaction) {
  for (std::string_view table :
       {"metrics", "latest_metrics", "params", "tags", "input_tags", "inputs",
        "datasets", "logged_model_metrics", "logged_model_params",
        "logged_model_tags", "logged_models", "model_version_tags",
        "model_versions", "registered_model_tags", "registered_model_aliases",
        "registered_models", "runs", "experiment_tags", "experiments"}) {
    RETURN_IF_ERROR(transaction.ExecuteLater(StrCat("DELETE FROM ", table)));
  }
  RETURN_IF_ERROR(transaction.ExecuteLater(
      "DROP TABLE IF EXISTS millstream_writer_frames"));
  // The next id.
  return transaction.Execute(
      transaction.dialect() == sql::Dialect::kMysql
          ? "ALTER TABLE experiments AUTO_INCREMENT = 1"
          : "SELECT setval('experiments_experiment_id_seq', 1, false)");
}

std::unique_ptr<sql::Database> Open(DatabaseServer& server,
                                    const std::string& uri) {
  auto database = server.Open(uri);
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

class Place final : public MlflowDatabase {
 public:
  Place(DatabaseServer& server, std::string uri,
        const search::SqlDialect& dialect, int lanes)
      : server_(server),
        uri_(std::move(uri)),
        dialect_(dialect),
        lanes_(lanes) {}

  std::unique_ptr<sql::Database> Open() override {
    return storage::Open(server_, uri_);
  }
  const search::SqlDialect& dialect() const override { return dialect_; }
  int lanes() const override { return lanes_; }

 private:
  DatabaseServer& server_;
  const std::string uri_;
  const search::SqlDialect& dialect_;
  const int lanes_;
};

}  // namespace

std::unique_ptr<MlflowDatabase> MlflowDatabaseAt(
    DatabaseServer& server, const std::string& uri,
    const search::SqlDialect& dialect, int lanes) {
  static std::set<std::string> made;
  const auto database = Open(server, uri);
  const absl::Status ready = made.insert(uri).second
                                 ? mlflow::PrepareSchema(database.get(), "test")
                                 : database->Write(&RemoveRows);
  EXPECT_TRUE(ready.ok()) << ready;
  return std::make_unique<Place>(server, uri, dialect, lanes);
}

namespace {

TEST_P(MlflowSchemaConformance, ServersThatBeginAtOnceFindWhatMlflowWouldMake) {
  constexpr int kServers = 3;
  DatabaseServer& server = GetParam().server();
  const std::string uri = server.MakeDatabase("at_once");
  std::vector<std::thread> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.emplace_back([&] {
      const auto database = Open(server, uri);
      const absl::Status status = mlflow::PrepareSchema(database.get(), "test");
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& each : servers) each.join();
  std::vector<std::string> facts;
  const absl::Status read =
      Open(server, uri)->Read([&](sql::Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(facts, ReadSchemaFacts(connection));
        return absl::OkStatus();
      });
  ASSERT_TRUE(read.ok()) << read;
  const std::vector<std::string> recorded =
      RecordedSchemaFacts(GetParam().recorded);
  std::vector<std::string> different;
  std::set_symmetric_difference(facts.begin(), facts.end(), recorded.begin(),
                                recorded.end(), std::back_inserter(different));
  EXPECT_THAT(different, ::testing::IsEmpty());
  EXPECT_EQ(facts.size(), recorded.size());
}

}  // namespace
}  // namespace millstream::storage
