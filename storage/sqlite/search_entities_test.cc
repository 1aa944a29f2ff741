// Searches for experiments, registered models, model versions and logged models
// on the real schema: who matches, in which order, over how many pages.
// Runs are in search_test.cc.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/database.h"
#include "storage/sql/page_reader.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage::sqlite {
namespace {

using search::LoggedModelSearch;
using search::SearchQuery;
using sql::Connection;
using sql::Transaction;
using testing::ElementsAre;
using testing::IsEmpty;

using Names = std::vector<std::string>;
using Views = std::vector<std::string_view>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

class SearchEntitiesTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) /
                 StrCat(test->test_suite_name(), test->name());
    std::filesystem::create_directories(directory_);
    auto database = SqliteDatabase::Open((directory_ / "search.db").string(),
                                         SqliteDatabase::Options());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    const absl::Status status = database_->Write(body);
    ASSERT_TRUE(status.ok()) << status;
  }

  // The requested columns of all rows, joined by blanks, read in pages of one
  // size and again of another.
  template <typename Request, typename Build>
  Names Rows(Request request, const Build& build) {
    request.max_results = 1000;
    const Names whole = Pages(request, build);
    request.max_results = 1;
    EXPECT_EQ(Pages(request, build), whole);
    request.max_results = 2;
    EXPECT_EQ(Pages(request, build), whole);
    return whole;
  }

 private:
  template <typename Request, typename Build>
  Names Pages(Request request, const Build& build) {
    Names rows;
    std::string token;
    do {
      request.page_token = token;
      absl::StatusOr<SearchQuery> query =
          build(request, search::SqliteDialect());
      EXPECT_TRUE(query.ok()) << query.status();
      if (!query.ok()) return rows;
      const size_t columns = request.columns.size();
      const absl::Status status = database_->Read([&](Connection& connection) {
        ASSIGN_OR_RETURN(
            token, sql::ReadPage(connection, *query, columns,
                                 [&](const sql::Statement& row) {
                                   std::string text(row.Text(0));
                                   for (size_t i = 1; i < columns; ++i) {
                                     StrAppend(&text, " ", row.Text(i));
                                   }
                                   rows.push_back(std::move(text));
                                 }));
        return absl::OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return rows;
    } while (!token.empty());
    return rows;
  }

  std::filesystem::path directory_;
  std::unique_ptr<SqliteDatabase> database_;
};

// --- Experiments

class ExperimentSearchTest : public SearchEntitiesTest {
 protected:
  void SetUp() override {
    SearchEntitiesTest::SetUp();
    Write([](Transaction& to) {
      const auto insert = [&to](int64_t id, std::string_view name,
                                std::string_view stage, int64_t created,
                                int64_t updated, const Pairs& tags) {
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage, "
            "creation_time, last_update_time) VALUES (?, ?, ?, ?, ?)",
            id, name, stage, created, updated));
        for (const auto& [key, value] : tags) {
          RETURN_IF_ERROR(to.Execute(
              "INSERT INTO experiment_tags (experiment_id, \"key\", value) "
              "VALUES (?, ?, ?)",
              id, key, value));
        }
        return absl::OkStatus();
      };
      RETURN_IF_ERROR(insert(1, "alpha", "active", 10, 31, {{"c", "red"}}));
      RETURN_IF_ERROR(
          insert(2, "Beta", "active", 10, 33, {{"c", "green"}, {"my t", "1"}}));
      RETURN_IF_ERROR(insert(3, "gamma", "active", 12, 32, {}));
      return insert(4, "gone", "deleted", 13, 34, {{"c", "red"}});
    });
  }

  Names Find(std::string_view filter, Views order = {}) {
    search::ExperimentSearch request;
    request.columns = {"name"};
    request.filter = filter;
    request.order_by = std::move(order);
    request.view = view_;
    return Rows(request, search::BuildExperimentSearch);
  }

  search::ViewType view_ = search::ViewType::kActiveOnly;
};

TEST_F(ExperimentSearchTest, Filters) {
  EXPECT_THAT(Find("name = 'alpha'"), ElementsAre("alpha"));
  EXPECT_THAT(Find("name LIKE '%eta'"), ElementsAre("Beta"));
  EXPECT_THAT(Find("name LIKE 'beta'"), IsEmpty());
  EXPECT_THAT(Find("name ILIKE '%BETA%'"), ElementsAre("Beta"));
  EXPECT_THAT(Find("tags.c = 'red'"), ElementsAre("alpha"));
  EXPECT_THAT(Find("tags.c != 'red'"), ElementsAre("Beta"));
  EXPECT_THAT(Find("tag.`my t` IS NULL"), ElementsAre("gamma", "alpha"));
  EXPECT_THAT(Find("creation_time > 10"), ElementsAre("gamma"));
  EXPECT_THAT(Find("experiment_id IN ('1', '3')"),
              ElementsAre("gamma", "alpha"));
}

TEST_F(ExperimentSearchTest, OrdersAndViews) {
  EXPECT_THAT(Find(""), ElementsAre("gamma", "alpha", "Beta"));
  EXPECT_THAT(Find("", {"name"}), ElementsAre("Beta", "alpha", "gamma"));
  EXPECT_THAT(Find("", {"creation_time"}),
              ElementsAre("Beta", "alpha", "gamma"));
  EXPECT_THAT(Find("", {"last_update_time DESC"}),
              ElementsAre("Beta", "gamma", "alpha"));
  view_ = search::ViewType::kDeletedOnly;
  EXPECT_THAT(Find(""), ElementsAre("gone"));
  view_ = search::ViewType::kAll;
  EXPECT_THAT(Find("", {"experiment_id"}),
              ElementsAre("alpha", "Beta", "gamma", "gone"));
}

// --- Registry

class RegistrySearchTest : public SearchEntitiesTest {
 protected:
  void SetUp() override {
    SearchEntitiesTest::SetUp();
    Write([](Transaction& to) {
      for (int i = 0; i < 4; ++i) {
        const bool prompt = i == 3;
        const std::string name = prompt ? "prompt" : StrCat("m", i);
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO registered_models (name, creation_time, "
            "last_updated_time) VALUES (?, 0, ?)",
            name, i < 2 ? 5 : 4));
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO registered_model_tags (name, \"key\", value) "
            "VALUES (?, ?, ?)",
            name, prompt ? "mlflow.prompt.is_prompt" : "odd",
            prompt ? "true" : StrCat(i % 2)));
        for (int version = 1; version <= 2; ++version) {
          RETURN_IF_ERROR(to.Execute(
              "INSERT INTO model_versions (name, version, creation_time, "
              "last_updated_time, current_stage, source, run_id) "
              "VALUES (?, ?, ?, ?, ?, ?, ?)",
              name, version, i, version == 2 ? 9 : i,
              i == 2 && version == 1 ? "Deleted_Internal" : "None",
              StrCat("s3://", name), version == 2 ? "run" : ""));
          if (i == 0 || (prompt && version == 1)) {
            RETURN_IF_ERROR(to.Execute(
                "INSERT INTO model_version_tags (name, version, \"key\", "
                "value) VALUES (?, ?, ?, 'true')",
                name, version, prompt ? "mlflow.prompt.is_prompt" : "a"));
          }
        }
      }
      return absl::OkStatus();
    });
  }

  Names Models(std::string_view filter, Views order = {}) {
    search::RegisteredModelSearch request;
    request.columns = {"name"};
    request.filter = filter;
    request.order_by = std::move(order);
    return Rows(request, search::BuildRegisteredModelSearch);
  }
  Names Versions(std::string_view filter, Views order = {}) {
    search::ModelVersionSearch request;
    request.columns = {"name", "version"};
    request.filter = filter;
    request.order_by = std::move(order);
    return Rows(request, search::BuildModelVersionSearch);
  }
};

TEST_F(RegistrySearchTest, Models) {
  EXPECT_THAT(Models(""), ElementsAre("m0", "m1", "m2"));
  EXPECT_THAT(Models("name ilike 'M%' AND tags.odd = '0'"),
              ElementsAre("m0", "m2"));
  EXPECT_THAT(Models("name IN ('m1', 'x')"), ElementsAre("m1"));
  EXPECT_THAT(Models("", {"name DESC"}), ElementsAre("m2", "m1", "m0"));
  EXPECT_THAT(Models("", {"timestamp"}), ElementsAre("m2", "m0", "m1"));
  EXPECT_THAT(Models("", {"last_updated_timestamp DESC", "name DESC"}),
              ElementsAre("m1", "m0", "m2"));
}

TEST_F(RegistrySearchTest, PromptsAreShownToWhoAsksForThem) {
  EXPECT_THAT(Models("name LIKE 'p%'"), IsEmpty());
  for (const std::string_view filter :
       {"tags.`mlflow.prompt.is_prompt` = 'true'",
        "tags.`mlflow.prompt.is_prompt` != 'false'"}) {
    EXPECT_THAT(Models(filter), ElementsAre("prompt"));
  }
  EXPECT_THAT(Models("tags.`mlflow.prompt.is_prompt` = 'false'"),
              ElementsAre("m0", "m1", "m2"));
  EXPECT_THAT(Versions("name = 'prompt'"), IsEmpty());
  EXPECT_THAT(Versions("tags.`mlflow.prompt.is_prompt` = 'true'"),
              ElementsAre("prompt 1"));
}

TEST_F(RegistrySearchTest, Versions) {
  EXPECT_THAT(Versions(""),
              ElementsAre("m0 2", "m1 2", "m2 2", "m1 1", "m0 1"));
  EXPECT_THAT(Versions("run_id = 'run' AND source_path LIKE 's3://m%'"),
              ElementsAre("m0 2", "m1 2", "m2 2"));
  EXPECT_THAT(Versions("version_number < '2' AND tags.a = 'true'"),
              ElementsAre("m0 1"));
  EXPECT_THAT(Versions("", {"version_number"}),
              ElementsAre("m0 1", "m1 1", "m0 2", "m1 2", "m2 2"));
  EXPECT_THAT(Versions("", {"creation_timestamp DESC", "name"}),
              ElementsAre("m2 2", "m1 2", "m1 1", "m0 2", "m0 1"));
}

// --- Logged models

class LoggedModelSearchTest : public SearchEntitiesTest {
 protected:
  void SetUp() override {
    SearchEntitiesTest::SetUp();
    Write([](Transaction& to) {
      RETURN_IF_ERROR(to.Execute(
          "INSERT INTO experiments (experiment_id, name, lifecycle_stage, "
          "creation_time, last_update_time) VALUES (1, 'e', 'active', 0, 0)"));
      RETURN_IF_ERROR(to.Execute(
          "INSERT INTO runs (run_uuid, status, lifecycle_stage, "
          "experiment_id) VALUES ('run', 'RUNNING', 'active', 1)"));
      int64_t i = 0;
      for (const std::string_view name : {"a", "b", "c", "gone"}) {
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO logged_models (model_id, experiment_id, name, "
            "artifact_location, creation_timestamp_ms, "
            "last_updated_timestamp_ms, status, lifecycle_stage, model_type) "
            "VALUES (?, 1, ?, '', ?, 0, ?, ?, ?)",
            StrCat("m-", name), name, 10 + i / 2, i,
            i == 3 ? "deleted" : "active",
            i == 1 ? std::optional<std::string>() : "net"));
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO logged_model_params (model_id, experiment_id, "
            "param_key, param_value) VALUES (?, 1, 'lr-x', ?)",
            StrCat("m-", name), StrCat("0.", i)));
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, "
            "tag_value) VALUES (?, 1, 't', ?)",
            StrCat("m-", name), name));
        ++i;
      }
      const auto metric = [&to](std::string_view model, int64_t time,
                                int64_t step, double value,
                                std::optional<std::string> dataset) {
        return to.Execute(
            "INSERT INTO logged_model_metrics (model_id, metric_name, "
            "metric_timestamp_ms, metric_step, metric_value, experiment_id, "
            "run_id, dataset_name, dataset_digest) "
            "VALUES (?, 'acc', ?, ?, ?, 1, 'run', ?, ?)",
            model, time, step, value, dataset,
            dataset == "d" ? std::optional<std::string>("x") : std::nullopt);
      };
      // The latest of a is 0.5; of b 0.9, on dataset d 0.1; c has none.
      RETURN_IF_ERROR(metric("m-a", 1, 7, 0.99, "d"));
      RETURN_IF_ERROR(metric("m-a", 2, 0, 0.7, std::nullopt));
      RETURN_IF_ERROR(metric("m-a", 2, 1, 0.5, "d"));
      RETURN_IF_ERROR(metric("m-b", 1, 0, 0.1, "d"));
      return metric("m-b", 3, 0, 0.9, "other");
    });
  }

  Names Find(std::string_view filter,
             std::vector<LoggedModelSearch::OrderBy> order = {},
             std::vector<LoggedModelSearch::Dataset> datasets = {}) {
    LoggedModelSearch request;
    request.columns = {"name"};
    request.experiment_ids = {"1"};
    request.filter = filter;
    request.order_by = std::move(order);
    request.datasets = std::move(datasets);
    return Rows(request, search::BuildLoggedModelSearch);
  }
};

TEST_F(LoggedModelSearchTest, Filters) {
  EXPECT_THAT(Find(""), ElementsAre("c", "a", "b"));
  EXPECT_THAT(Find("name != 'a' AND model_type = 'net'"), ElementsAre("c"));
  EXPECT_THAT(Find("attributes.model_id IN ('m-a', 'm-gone')"),
              ElementsAre("a"));
  EXPECT_THAT(Find("params.lr-x = 0.1"), ElementsAre("b"));
  EXPECT_THAT(Find("tags.t like '_' AND creation_time > 10"),
              ElementsAre("c"));
  EXPECT_THAT(Find("metrics.acc > 0.6"), ElementsAre("a", "b"));
  EXPECT_THAT(Find("name = \"a\""), IsEmpty());
  EXPECT_THAT(Find("status = 'READY'"), IsEmpty());
  EXPECT_THAT(Find("status = 1"), ElementsAre("b"));
  EXPECT_THAT(Find("name IN ()"), IsEmpty());
}

TEST_F(LoggedModelSearchTest, OrdersByTheLatestMetricAndNothingIsLast) {
  EXPECT_THAT(Find("", {{.field_name = "metrics.acc"}}),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Find("", {{.field_name = "metrics.acc", .ascending = false}}),
              ElementsAre("b", "a", "c"));
  EXPECT_THAT(Find("", {{.field_name = "metrics.acc",
                         .ascending = false,
                         .dataset_name = "d",
                         .dataset_digest = "x"}}),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Find("", {{.field_name = "model_type"}, {.field_name = "name"}}),
              ElementsAre("a", "c", "b"));
  EXPECT_THAT(Find("", {{.field_name = "name", .ascending = false}}),
              ElementsAre("c", "b", "a"));
}

TEST_F(LoggedModelSearchTest, DatasetsNarrowTheMetrics) {
  const std::vector<LoggedModelSearch::Dataset> d = {
      {.name = "d", .digest = "x"}};
  EXPECT_THAT(Find("", {}, d), ElementsAre("a", "b"));
  EXPECT_THAT(Find("metrics.acc < 0.2", {}, d), ElementsAre("b"));
  // Without a digest: metrics without one.
  EXPECT_THAT(Find("", {}, {{.name = "d"}}), IsEmpty());
  EXPECT_THAT(Find("", {}, {{.name = "other"}}), ElementsAre("b"));
}

}  // namespace
}  // namespace millstream::storage::sqlite
