// Where the files of a version may be for the server to fetch them. What a
// source may be is in tests/api/test_registry.py and
// server/model_source_test.cc.
#include "server/model_lineage.h"

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "base/testing.h"
#include "gtest/gtest.h"
#include "storage/registry_store.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

constexpr v1::ErrorCode kOk = v1::ERROR_CODE_UNSPECIFIED;
constexpr v1::ErrorCode kForeign = v1::INVALID_PARAMETER_VALUE;
constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr char kModel[] = "m-0123456789abcdef0123456789abcdef";
constexpr char kOfRun[] =
    "s3://bucket/1/0123456789abcdef0123456789abcdef/artifacts";
constexpr char kOfModel[] =
    "s3://bucket/1/models/m-0123456789abcdef0123456789abcdef/artifacts";

class OwnsFilesTest : public testing::Test {
 protected:
  OwnsFilesTest() {
    v1::Experiment experiment;
    experiment.set_name("e");
    experiment.set_artifact_location("s3://bucket/1");
    experiment_ = *stores_.tracking()->CreateExperiment(experiment);
    v1::RunInfo info;
    info.set_run_id(kRun);
    info.set_experiment_id(experiment_);
    info.set_status(v1::RUNNING);
    v1::Run run;
    EXPECT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
    EXPECT_EQ(run.info().artifact_uri(), kOfRun);
    v1::RegisteredModel model, model_made;
    model.set_name("m");
    EXPECT_TRUE(
        stores_.registry()->CreateRegisteredModel(model, &model_made).ok());
  }

  void MakeLoggedModel(std::string_view run_id) {
    v1::LoggedModel model, created;
    model.mutable_info()->set_model_id(kModel);
    model.mutable_info()->set_experiment_id(experiment_);
    model.mutable_info()->set_name("model");
    model.mutable_info()->set_status(v1::LOGGED_MODEL_READY);
    if (!run_id.empty()) {
      model.mutable_info()->set_source_run_id(std::string(run_id));
    }
    ASSERT_TRUE(stores_.tracking()->CreateLoggedModel(model, &created).ok());
    ASSERT_EQ(created.info().artifact_uri(), kOfModel);
  }

  // Registers a version and asks for it.
  v1::ErrorCode Owns(v1::ModelVersion version, std::string_view location) {
    version.set_name("m");
    if (version.source().empty()) version.set_source(std::string(location));
    v1::ModelVersion created;
    const absl::Status status =
        stores_.registry()->CreateModelVersion(version, location, &created);
    EXPECT_TRUE(status.ok()) << status;
    last_ = std::stoll(created.version());
    return CodeOf(CheckOwnsFiles(*stores_.registry(), *stores_.tracking(), "m",
                                 last_, location));
  }
  v1::ErrorCode OwnsCopy(std::string_view location) {
    v1::ModelVersion copy;
    copy.set_source(StrCat("models:/m/", last_));
    return Owns(copy, location);
  }

  storage::testing::SqliteStores stores_;
  std::string experiment_;
  int64_t last_ = 0;
};

TEST_F(OwnsFilesTest, FilesOfTheRunThatIsNamed) {
  v1::ModelVersion of_run;
  of_run.set_run_id(kRun);
  EXPECT_EQ(Owns(of_run, kOfRun), kOk);
  EXPECT_EQ(Owns(of_run, StrCat(kOfRun, "/model")), kOk);
  EXPECT_EQ(Owns(of_run, "s3://bucket/1"), kForeign);
  EXPECT_EQ(Owns(of_run, StrCat(kOfRun, "/../../other/artifacts")), kForeign);
  EXPECT_EQ(Owns(of_run, StrCat("s3://other", kOfRun + 11)), kForeign);
  EXPECT_EQ(Owns({}, kOfRun), kForeign);
  EXPECT_EQ(Owns({}, "s3://elsewhere/model"), kForeign);
}

TEST_F(OwnsFilesTest, FilesOfALoggedModelThatSaysSo) {
  MakeLoggedModel("");
  EXPECT_EQ(Owns({}, kOfModel), kForeign);
  v1::ModelVersion of_model;
  of_model.set_model_id(kModel);  // the model lists it
  EXPECT_EQ(Owns(of_model, StrCat(kOfModel, "/data")), kOk);
  v1::ModelVersion by_source;
  by_source.set_source(StrCat("models:/", kModel));
  EXPECT_EQ(Owns(by_source, kOfModel), kOk);
  EXPECT_EQ(Owns(by_source, kOfRun), kForeign);
}

TEST_F(OwnsFilesTest, FilesOfALoggedModelOfTheRun) {
  MakeLoggedModel(kRun);
  v1::ModelVersion of_run;
  of_run.set_run_id(kRun);
  EXPECT_EQ(Owns(of_run, kOfModel), kOk);
  EXPECT_EQ(Owns({}, kOfModel), kForeign);
}

TEST_F(OwnsFilesTest, ACopyHasTheFilesOfItsOriginal) {
  v1::ModelVersion of_run;
  of_run.set_run_id(kRun);
  ASSERT_EQ(Owns(of_run, kOfRun), kOk);
  for (int i = 0; i < limits::kModelCopiesMax; ++i) {
    ASSERT_EQ(OwnsCopy(kOfRun), kOk) << i;
  }
  EXPECT_EQ(OwnsCopy(kOfRun), kForeign) << "a chain has an end";
}

TEST_F(OwnsFilesTest, ACopyHasNoOthers) {
  ASSERT_EQ(Owns({}, "s3://elsewhere/model"), kForeign);
  EXPECT_EQ(OwnsCopy("s3://elsewhere/model"), kForeign);
}

}  // namespace
}  // namespace millstream::server
