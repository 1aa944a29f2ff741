// The stores on MLflow's schema in MariaDB, in a database that tells letters
// apart by their case. The usual collations do not: see the end.
#include "storage/conformance/mlflow_stores.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/conformance/mlflow_server.h"
#include "storage/conformance/schema_facts.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/mysql/mysql_testing.h"

namespace millstream::storage {
namespace {

using mysql::SharedMariadb;

// One for nearly all tests.
const std::string& Uri() {
  static const std::string uri = SharedMariadb::Shared().MakeDatabase("stores");
  return uri;
}

std::unique_ptr<MlflowDatabase> NewPlace(int lanes = 0) {
  return MlflowDatabaseAt(SharedMariadb::Shared(), Uri(),
                          search::MysqlDialect(), lanes);
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
                               return MlflowRunLog(NewPlace(/*lanes=*/2));
                             }));
INSTANTIATE_TEST_SUITE_P(Mysql, MlflowSchemaConformance,
                         ::testing::Values(SchemaCase{&SharedMariadb::Shared,
                                                      "mysql"}));

// Which others do with one transaction.
TEST(MysqlSchemaTest, AStartThatWasInterruptedIsMadeAnew) {
  testing::MariadbServer& mariadb = SharedMariadb::Own().server();
  const std::string uri = mariadb.MakeDatabase("interrupted");
  auto database = SharedMariadb::Shared().Open(uri);
  ASSERT_TRUE(database.ok()) << database.status();
  mariadb.Run("interrupted",
              "CREATE TABLE alembic_version (version_num VARCHAR(32)); "
              "CREATE TABLE entity_associations (other INT)");
  absl::Status status = mlflow::PrepareSchema(database->get(), "test");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  mariadb.Run("interrupted",
              "CREATE TABLE millstream_schema_being_made (id INT)");
  status = mlflow::PrepareSchema(database->get(), "test");
  EXPECT_TRUE(status.ok()) << status;
  status = (*database)->Read([](sql::Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const auto facts, ReadSchemaFacts(connection));
    EXPECT_EQ(facts.size(), RecordedSchemaFacts("mysql").size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// In a database with a usual collation, as for MLflow there: one name, in
// whatever letters.
class MysqlCollationTest : public ::testing::Test {
 protected:
  static std::unique_ptr<MlflowDatabase> NewUsualPlace() {
    static const std::string uri =
        SharedMariadb::Own().server().MakeDatabase("usual",
                                                   "utf8mb4_general_ci");
    return MlflowDatabaseAt(SharedMariadb::Shared(), uri,
                            search::MysqlDialect());
  }
};

TEST_F(MysqlCollationTest, ANameInOtherLettersIsTheSame) {
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

TEST_F(MysqlCollationTest, AParamThatCannotBeKeptIsRefused) {
  const auto harness = MlflowRunLog(NewUsualPlace());
  const std::string run_id(32, 'a');
  v1::RunInfo info;
  info.set_run_id(run_id);
  info.set_experiment_id("0");
  info.set_status(v1::RUNNING);
  v1::Run run;
  ASSERT_TRUE(harness->tracking().CreateRun(info, {}, &run).ok());
  const auto log = [&](std::initializer_list<const char*> keys) {
    google::protobuf::RepeatedPtrField<v1::Param> params;
    for (const char* key : keys) {
      v1::Param* const param = params.Add();
      param->set_key(key);
      param->set_value(key);
    }
    return harness->log().Log({.run_id = run_id, .params = &params});
  };
  EXPECT_TRUE(log({"lr"}).ok());
  EXPECT_TRUE(log({"lr", "b"}).ok());
  for (const absl::Status& status : {log({"LR"}), log({"c", "C"})}) {
    EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE) << status;
  }
  ASSERT_TRUE(harness->tracking().GetRun(run_id, &run).ok());
  EXPECT_EQ(run.data().params_size(), 2);
}

}  // namespace
}  // namespace millstream::storage
