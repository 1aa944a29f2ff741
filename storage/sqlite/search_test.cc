// What storage/search generates, on the real schema: who matches, in which
// order, and over how many pages.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
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
#include "storage/sql/run_writes.h"
#include "storage/sqlite/search_testing.h"

namespace millstream::storage::sqlite {
namespace {

using search::RunSearch;
using search::SearchQuery;
using search::SqlDialect;
using sql::Connection;
using sql::Transaction;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// SQLite's dialect, but always sorting.
class SortingDialect : public SqlDialect {
 public:
  std::string_view BooleanLiteral(bool value) const override {
    return lite_.BooleanLiteral(value);
  }
  std::string TextEquals(std::string_view column) const override {
    return lite_.TextEquals(column);
  }
  std::string TextDiffers(std::string_view column) const override {
    return lite_.TextDiffers(column);
  }
  std::string ExactText(std::string_view column) const override {
    return lite_.ExactText(column);
  }
  std::string Like(std::string_view column) const override {
    return lite_.Like(column);
  }
  std::string LikePattern(std::string_view pattern) const override {
    return lite_.LikePattern(pattern);
  }
  std::string ILike(std::string_view column) const override {
    return lite_.ILike(column);
  }
  std::string ILikePattern(std::string_view pattern) const override {
    return lite_.ILikePattern(pattern);
  }
  std::string IntegerAsText(std::string_view column) const override {
    return lite_.IntegerAsText(column);
  }
  std::string OrderNullsLast(std::string_view column,
                             bool ascending) const override {
    return lite_.OrderNullsLast(column, ascending);
  }
  bool FollowsPlans() const override { return false; }

 private:
  const SqlDialect& lite_ = search::SqliteDialect();
};

// --- Who matches

class RunFilterTest : public SearchTest {
 protected:
  void SetUp() override {
    SearchTest::SetUp();
    Insert({{.id = "alpha",
             .start_time = 0,
             .status = "FINISHED",
             .end_time = 9000,
             .params = {{"lr", "0.1"}, {"opt", "sgd"}, {"p", "it's"}},
             .tags = {{"color", "red"}, {"my tag", "1"}},
             .metrics = {{"acc", 0.9}, {"loss", 1}}},
            {.id = "Beta",
             .start_time = 1,
             .status = "FAILED",
             .end_time = 8999,
             .params = {{"lr", "0.01"}, {"opt", "Adam"}, {"p", "100%"}},
             .tags = {{"color", "green"}},
             .metrics = {{"acc", 0.5}, {"loss", std::nullopt}}},
            {.id = "gamma",
             .start_time = 2,
             .params = {{"lr", "0.1"}, {"depth", "3"}, {"p", "a_b*[c]?"}},
             .tags = {{"color", "Red"}, {"with.dot", "x"}},
             .metrics = {{"acc", 0.7}, {"a/b c", 3}}}});
  }
};

TEST_F(RunFilterTest, Metrics) {
  EXPECT_THAT(Runs("metrics.acc > 0.6"), ElementsAre("gamma", "alpha"));
  EXPECT_THAT(Runs("metrics.acc <= .7"), ElementsAre("gamma", "Beta"));
  EXPECT_THAT(Runs("metrics.acc = 0.5"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("metrics.nothing > 0"), IsEmpty());
  EXPECT_THAT(Runs("metrics.`a/b c` = 3"), ElementsAre("gamma"));
}

TEST_F(RunFilterTest, NanDiffersFromEveryNumber) {
  EXPECT_THAT(Runs("metrics.loss >= 0"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("metrics.loss = 0"), IsEmpty());
  EXPECT_THAT(Runs("metrics.loss != 1"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("metrics.loss != 0"), ElementsAre("Beta", "alpha"));
}

TEST_F(RunFilterTest, TextByCase) {
  EXPECT_THAT(Runs("params.opt LIKE 'A%'"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("params.opt LIKE 'a%'"), IsEmpty());
  EXPECT_THAT(Runs("params.opt ILIKE 'a%'"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("params.opt LIKE '_gd'"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("tags.color = 'red'"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("tags.color ILIKE 'RED'"), ElementsAre("gamma", "alpha"));
  EXPECT_THAT(Runs("tags.color != 'red'"), ElementsAre("gamma", "Beta"));
}

TEST_F(RunFilterTest, PatternsAreTakenByTheLetter) {
  EXPECT_THAT(Runs("params.p LIKE 'a_b*[c]?'"), ElementsAre("gamma"));
  EXPECT_THAT(Runs("params.p LIKE '*'"), IsEmpty());
  EXPECT_THAT(Runs("params.p LIKE '[a-z]%'"), IsEmpty());
  EXPECT_THAT(Runs("params.p LIKE '100%'"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("params.p LIKE '100\\%'"), IsEmpty());
  EXPECT_THAT(Runs("params.p = \"it's\""), ElementsAre("alpha"));
}

TEST_F(RunFilterTest, Presence) {
  EXPECT_THAT(Runs("tags.`my tag` IS NULL"), ElementsAre("gamma", "Beta"));
  EXPECT_THAT(Runs("params.depth IS NOT NULL"), ElementsAre("gamma"));
}

TEST_F(RunFilterTest, Attributes) {
  EXPECT_THAT(Runs("status LIKE 'F%'"), ElementsAre("Beta", "alpha"));
  EXPECT_THAT(Runs("run_name = 'alpha'"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("attributes.`Run name` ILIKE 'b%'"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("start_time > 0.5"), ElementsAre("gamma", "Beta"));
  EXPECT_THAT(Runs("end_time != 0"), ElementsAre("Beta", "alpha"));
  EXPECT_THAT(Runs("run_id IN ('alpha', 'x')"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("run_id NOT IN ('alpha')"), ElementsAre("gamma", "Beta"));
  EXPECT_THAT(Runs("artifact_uri LIKE '%artifacts' AND user_id != 'x'"),
              ElementsAre("gamma", "Beta", "alpha"));
}

TEST_F(RunFilterTest, AllConditionsHold) {
  EXPECT_THAT(Runs("metrics.acc > 0.6 and params.lr = '0.1'"),
              ElementsAre("gamma", "alpha"));
  EXPECT_THAT(Runs("params.lr = '0.1' params.opt = 'sgd'"),
              ElementsAre("alpha"));
  std::string chain = "metrics.acc > 0";
  for (int i = 0; i < 99; ++i) chain += " AND params.lr = '0.1'";
  EXPECT_THAT(Runs(chain), ElementsAre("gamma", "alpha"));
}

TEST_F(RunFilterTest, Datasets) {
  Write([](Transaction& to) {
    for (const std::string_view name : {"train", "eval"}) {
      const std::string run = name == "train" ? "alpha" : "Beta";
      RETURN_IF_ERROR(to.Execute(
          "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, "
          "dataset_source_type, dataset_source) VALUES (?, 1, ?, ?, '', '')",
          name, name, StrCat("digest ", name)));
      RETURN_IF_ERROR(to.Execute(
          "INSERT INTO inputs (input_uuid, source_type, source_id, "
          "destination_type, destination_id) "
          "VALUES (?, 'DATASET', ?, 'RUN', ?)",
          StrCat("in ", name), name, run));
      RETURN_IF_ERROR(to.Execute(
          "INSERT INTO input_tags (input_uuid, name, value) VALUES "
          "(?, 'mlflow.data.context', ?)",
          StrCat("in ", name), StrCat("for ", name)));
    }
    return absl::OkStatus();
  });
  EXPECT_THAT(Runs("dataset.name = 'train'"), ElementsAre("alpha"));
  EXPECT_THAT(Runs("datasets.name ILIKE '%A%'"), ElementsAre("Beta", "alpha"));
  EXPECT_THAT(Runs("dataset.context = 'for eval'"), ElementsAre("Beta"));
  EXPECT_THAT(Runs("dataset.digest NOT IN ('digest eval')"),
              ElementsAre("alpha"));
}

TEST_F(RunFilterTest, ScopeIsExperimentsAndStage) {
  Insert({{.id = "gone", .start_time = 5, .stage = "deleted"},
          {.id = "other", .start_time = 6, .experiment = 2}});
  EXPECT_THAT(Runs(""), ElementsAre("gamma", "Beta", "alpha"));
  view_ = search::ViewType::kDeletedOnly;
  EXPECT_THAT(Runs(""), ElementsAre("gone"));
  view_ = search::ViewType::kAll;
  experiments_ = {"2", "1", "2"};
  EXPECT_THAT(Runs(""),
              ElementsAre("other", "gone", "gamma", "Beta", "alpha"));
  experiments_ = {};
  EXPECT_THAT(Runs(""), IsEmpty());
}

// --- In which order

TEST_F(RunFilterTest, Orders) {
  EXPECT_THAT(Runs("", {"metrics.acc"}), ElementsAre("Beta", "gamma", "alpha"));
  EXPECT_THAT(Runs("", {"metrics.loss DESC"}),
              ElementsAre("alpha", "Beta", "gamma"));
  EXPECT_THAT(Runs("", {"params.opt"}), ElementsAre("Beta", "alpha", "gamma"));
  EXPECT_THAT(Runs("", {"params.depth DESC"}),
              ElementsAre("gamma", "Beta", "alpha"));
  EXPECT_THAT(Runs("", {"tags.color", "start_time DESC"}),
              ElementsAre("gamma", "Beta", "alpha"));
  EXPECT_THAT(Runs("", {"end_time DESC"}),
              ElementsAre("alpha", "Beta", "gamma"));
  EXPECT_THAT(Runs("", {"created"}), ElementsAre("alpha", "Beta", "gamma"));
  EXPECT_THAT(Runs("", {"run_name"}), ElementsAre("Beta", "alpha", "gamma"));
}

TEST_F(SearchTest, NanIsBehindAllNumbersAndNothingIsLast) {
  const std::vector<std::pair<std::string, std::optional<double>>> values = {
      {"1", 1},
      {"NaN", std::nullopt},
      {"inf", 1.7976931348623157e308},
      {"-inf", -1.7976931348623157e308},
      {"-3", -3},
      {"0", 0}};
  std::vector<TestRun> runs = {{.id = "none"}};
  for (const auto& [id, value] : values) {
    runs.push_back({.id = id, .metrics = {{"m", value}}});
  }
  Insert(runs);
  EXPECT_THAT(Runs("", {"metrics.m"}),
              ElementsAre("-inf", "-3", "0", "1", "inf", "NaN", "none"));
  EXPECT_THAT(Runs("", {"metrics.m DESC"}),
              ElementsAre("inf", "1", "0", "-3", "-inf", "NaN", "none"));
}

// --- Over how many pages

std::vector<TestRun> RandomRuns(int count) {
  std::mt19937 random(count);
  const auto pick = [&random](int n) { return static_cast<int>(random() % n); };
  std::vector<TestRun> runs;
  for (int i = 0; i < count; ++i) {
    TestRun run{.id = StrCat("run ", (i * 7919) % count)};
    run.experiment = 1 + pick(10) / 9;
    run.start_time = pick(20) == 0 ? std::nullopt
                                   : std::optional<int64_t>(pick(count / 3));
    if (pick(3) > 0) run.end_time = pick(5);
    if (pick(30) == 0) run.stage = "deleted";
    if (pick(4) > 0) run.params = {{"p", StrCat("v", pick(9))}};
    if (pick(4) > 0) run.tags = {{"t", StrCat("v", pick(3))}};
    if (pick(4) > 0) {
      run.tags.push_back({"mlflow.parentRunId", pick(3) > 0 ? "many" : "few"});
    }
    if (pick(5) > 0) {
      run.metrics.push_back({"m", pick(6) == 0 ? std::nullopt
                                               : std::optional<double>(
                                                     pick(count / 2) / 7.0)});
    }
    if (pick(2) > 0) run.metrics.push_back({"n", pick(3)});
    runs.push_back(std::move(run));
  }
  return runs;
}

const std::vector<std::vector<std::string_view>>& Orders() {
  static const auto* const kOrders =
      new std::vector<std::vector<std::string_view>>{
          {},
          {"start_time"},
          {"end_time", "start_time"},
          {"end_time DESC", "start_time DESC"},
          {"run_id DESC"},
          {"params.p"},
          {"params.p DESC", "tags.t", "metrics.n DESC"},
          {"metrics.m"},
          {"metrics.m DESC"},
          {"metrics.m", "params.p DESC"},
          {"metrics.n DESC", "metrics.m"},
          {"metrics.n", "start_time"},
          {"tags.t"},
          {"run_name DESC"},
          {"end_time"},
          {"status", "metrics.m DESC"}};
  return *kOrders;
}

TEST_F(SearchTest, PagesTogetherAreTheWhole) {
  Insert(RandomRuns(120));
  experiments_ = {"1", "2"};
  for (const auto& order : Orders()) {
    SCOPED_TRACE(order.empty() ? "default" : std::string(order[0]));
    for (const std::string_view filter : {"", "metrics.m != 3"}) {
      const std::vector<std::string> whole = Runs(filter, order);
      EXPECT_GT(whole.size(), 60u);
      for (const int64_t page : {1, 7, 50}) {
        EXPECT_THAT(Runs(filter, order, page), ElementsAreArray(whole));
      }
    }
  }
}

// Large experiments and few candidates take other ways to the same result.
TEST_F(SearchTest, AllWaysGiveTheSame) {
  Insert(RandomRuns(5000));
  for (const auto& order : Orders()) {
    SCOPED_TRACE(order.empty() ? "default" : std::string(order[0]));
    for (const std::string_view filter :
         {"", "params.p = 'v3'", "metrics.m > 0", "metrics.m > 330",
          "metrics.m != 3 AND metrics.n >= 1", "metrics.n = 1",
          "tags.mlflow.parentRunId = 'few' AND metrics.n = 1",
          "tags.mlflow.parentRunId = 'many'", "params.p IS NOT NULL",
          "tags.t IS NULL", "params.p != 'v1' AND tags.t LIKE 'v%'",
          "status = 'RUNNING' AND params.p ILIKE '%3'"}) {
      SCOPED_TRACE(filter);
      SortingDialect sorting;
      dialect_ = &sorting;
      const std::vector<std::string> sorted = Runs(filter, order, 10000);
      dialect_ = &search::SqliteDialect();
      EXPECT_THAT(Runs(filter, order, 10000), ElementsAreArray(sorted));
      EXPECT_THAT(Runs(filter, order, 1500), ElementsAreArray(sorted));
      EXPECT_GT(sorted.size(), filter.empty() ? 4000u : 150u);
    }
  }
}

// Several experiments are merged, or sorted if there are too many.
TEST_F(SearchTest, ExperimentsTogetherGiveTheSame) {
  Insert(RandomRuns(600));
  std::vector<std::string> ids;
  for (int i = 1; i <= 150; ++i) ids.push_back(StrCat(i));
  for (const size_t count : {2, 100, 150}) {
    experiments_.assign(ids.begin(), ids.begin() + count);
    for (const auto& order : Orders()) {
      SCOPED_TRACE(order.empty() ? "default" : std::string(order[0]));
      for (const std::string_view filter : {"", "params.p = 'v3'"}) {
        SortingDialect sorting;
        dialect_ = &sorting;
        const std::vector<std::string> sorted = Runs(filter, order, 10000);
        dialect_ = &search::SqliteDialect();
        EXPECT_THAT(Runs(filter, order, 90), ElementsAreArray(sorted));
      }
    }
  }
}

TEST_F(SearchTest, ValuesTooLongForATokenArePagedByOffset) {
  std::vector<TestRun> runs;
  for (int i = 0; i < 10; ++i) {
    runs.push_back({.id = StrCat("run ", i),
                    .params = {{"p", std::string(5990, 'x') + char('a' + i)}},
                    .metrics = {{"m", 1}}});
  }
  Insert(runs);
  for (const std::vector<std::string_view>& order :
       std::vector<std::vector<std::string_view>>{
           {"params.p DESC"}, {"metrics.m", "params.p DESC"}}) {
    const std::vector<std::string> whole = Runs("", order);
    EXPECT_THAT(whole, ElementsAre("run 9", "run 8", "run 7", "run 6", "run 5",
                                   "run 4", "run 3", "run 2", "run 1",
                                   "run 0"));
    EXPECT_THAT(Runs("", order, 3), ElementsAreArray(whole));
  }
}

// Runs that arrive or go between two pages neither repeat nor hide others.
TEST_F(SearchTest, PagesKeepTheirPlaceWhileRunsComeAndGo) {
  std::vector<TestRun> runs;
  for (int i = 0; i < 10; ++i) {
    runs.push_back({.id = StrCat("run ", i), .start_time = i});
  }
  Insert(runs);
  RunSearch request;
  request.columns = {"run_uuid"};
  request.experiment_ids = {"1"};
  request.max_results = 4;
  std::string token;
  const auto page = [&] {
    std::vector<std::string> rows;
    request.page_token = token;
    const auto query = search::BuildRunSearch(request, *dialect_);
    EXPECT_TRUE(query.ok());
    const absl::Status status = database_->Read([&](Connection& connection) {
      ASSIGN_OR_RETURN(
          token, sql::ReadPage(connection, *query, 1,
                               [&](const sql::Statement& row) {
                                 rows.emplace_back(row.Text(0));
                               }));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return rows;
  };
  EXPECT_THAT(page(), ElementsAre("run 9", "run 8", "run 7", "run 6"));
  Insert({{.id = "new", .start_time = 99}});
  Write([](Transaction& to) {
    return to.Execute(
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid IN "
        "('run 8', 'run 5')");
  });
  EXPECT_THAT(page(), ElementsAre("run 4", "run 3", "run 2", "run 1"));
}

}  // namespace
}  // namespace millstream::storage::sqlite
