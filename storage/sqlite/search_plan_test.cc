// By which index the searches that storage/search generates find their rows, on
// the real schema.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/search/search.h"
#include "storage/sqlite/search_testing.h"

namespace millstream::storage::sqlite {
namespace {

using search::RunSearch;
using sql::Transaction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class SearchPlanTest : public SearchTest {
 protected:
  std::vector<std::string> PlansOf(std::string_view filter,
                                   std::vector<std::string_view> order = {}) {
    RunSearch request;
    request.columns = {"run_uuid", "status"};
    request.experiment_ids = experiments_;
    request.filter = filter;
    request.order_by = std::move(order);
    request.max_results = 100;
    request.page_token = token_;
    return Plans(request);
  }
  // From here on, of the page behind a row with these sort values.
  void GoBehind(std::string_view filter, std::vector<std::string_view> order,
                std::vector<search::SqlValue> cursor) {
    RunSearch request;
    request.experiment_ids = experiments_;
    request.filter = filter;
    request.order_by = std::move(order);
    const auto query = search::BuildRunSearch(request, *dialect_);
    ASSERT_TRUE(query.ok()) << query.status();
    token_ = query->NextPageToken(cursor);
  }

  std::string token_;
};

constexpr std::string_view kSorts = "USE TEMP B-TREE FOR ORDER BY";

TEST_F(SearchPlanTest, DefaultOrderWalksTheIndexOfRuns) {
  EXPECT_THAT(PlansOf(""),
              ElementsAre("SEARCH e USING COVERING INDEX "
                          "index_runs_experiment_id_start_time "
                          "(experiment_id=?)\n"));
  // What the index tells is not read from the row of each run visited.
  EXPECT_THAT(
      PlansOf("run_name ILIKE '%x%' AND metrics.acc != 0.5"),
      ElementsAre(
          "CO-ROUTINE k\n"
          "SEARCH e USING COVERING INDEX index_runs_experiment_id_start_time "
          "(experiment_id=?)\n"
          "CORRELATED SCALAR SUBQUERY 1\n"
          "SEARCH c USING PRIMARY KEY (run_uuid=? AND key=?)\n"
          "CORRELATED SCALAR SUBQUERY 2\n"
          "SEARCH c USING PRIMARY KEY (run_uuid=? AND key=?)\n"
          "SCAN k\n"
          "SEARCH e USING PRIMARY KEY (run_uuid=?)\n"
          // Of the page's rows.
          "USE TEMP B-TREE FOR ORDER BY\n"));
}

TEST_F(SearchPlanTest, EqualValuesComeInTheDefaultOrder) {
  const std::vector<std::string> plans =
      PlansOf("metrics.acc != 0.5 AND params.lr = '0.1'");
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_THAT(plans[0], HasSubstr("SEARCH d USING COVERING INDEX "
                                  "index_params_experiment_id_key_value "
                                  "(experiment_id=? AND key=? AND value=?)"));
  EXPECT_THAT(plans[0], Not(HasSubstr(kSorts)));
  EXPECT_THAT(PlansOf("tags.`mlflow.parentRunId` = 'abc'")[0],
              HasSubstr("index_tags_experiment_id_key_value "
                        "(experiment_id=? AND key=? AND value=?)"));
  EXPECT_THAT(PlansOf("run_name = 'x'")[0],
              HasSubstr("index_runs_experiment_id_name "
                        "(experiment_id=? AND name=?)"));
}

TEST_F(SearchPlanTest, OrdersWalkTheIndexOfTheirValues) {
  const std::vector<std::string> plans =
      PlansOf("metrics.acc > 0.5", {"metrics.acc DESC"});
  // Of those with the greatest value, which come in order; and of the others.
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_THAT(plans[0],
              HasSubstr("SEARCH d USING COVERING INDEX "
                        "index_latest_metrics_experiment_id_key_value "
                        "(experiment_id=? AND key=? AND is_nan=? AND "
                        "value=?)"));
  EXPECT_THAT(plans[0], Not(HasSubstr("USE TEMP B-TREE")));
  EXPECT_THAT(plans[1],
              HasSubstr("SEARCH d USING COVERING INDEX "
                        "index_latest_metrics_experiment_id_key_value "
                        "(experiment_id=? AND key=? AND is_nan=? AND "
                        "value>? AND value<?)"));
  // Sorts runs of equal values only.
  EXPECT_THAT(plans[1], Not(HasSubstr(kSorts)));
  for (const auto& [order, index] :
       std::vector<std::pair<std::string, std::string>>{
           {"params.p", "index_params_experiment_id_key_value"},
           {"tags.t DESC", "index_tags_experiment_id_key_value"},
           {"metrics.m", "index_latest_metrics_experiment_id_key_value"},
           {"start_time", "index_runs_experiment_id_start_time"},
           {"run_name DESC", "index_runs_experiment_id_name"}}) {
    SCOPED_TRACE(order);
    const std::string plan = PlansOf("", {order})[0];
    EXPECT_THAT(plan, HasSubstr(index + " (experiment_id=?"));
    EXPECT_THAT(plan, Not(HasSubstr(kSorts)));
  }
}

TEST_F(SearchPlanTest, OtherColumnsAreReadFromTheIndexOfRuns) {
  for (const auto& [filter, order] :
       std::vector<std::pair<std::string, std::string>>{
           {"status = 'FAILED'", "start_time DESC"},
           {"user_id = 'x' AND end_time > 5", "start_time DESC"},
           {"", "status"},
           {"", "end_time DESC"}}) {
    SCOPED_TRACE(filter + order);
    const std::vector<std::string> plans = PlansOf(filter, {order});
    ASSERT_EQ(plans.size(), 1u);
    EXPECT_THAT(plans[0], HasSubstr("SEARCH e USING COVERING INDEX "
                                    "index_runs_experiment_id_start_time"));
  }
}

TEST_F(SearchPlanTest, PagesFarBackAreRangesOfTheIndex) {
  GoBehind("", {"metrics.m"}, {0, 0.5, 17, "run"});
  const std::vector<std::string> plans = PlansOf("", {"metrics.m"});
  ASSERT_EQ(plans.size(), 4u);  // Ties, beyond, NaNs, none.
  EXPECT_THAT(plans[0],
              HasSubstr("(experiment_id=? AND key=? AND is_nan=? AND "
                        "value=?)"));
  EXPECT_THAT(plans[1],
              HasSubstr("(experiment_id=? AND key=? AND is_nan=? AND "
                        "value>?)"));
  for (size_t i = 0; i < 2; ++i) EXPECT_THAT(plans[i], Not(HasSubstr(kSorts)));
  GoBehind("", {}, {17, "run"});
  const std::vector<std::string> newest = PlansOf("");
  ASSERT_EQ(newest.size(), 3u);  // Ties, beyond, none.
  EXPECT_THAT(newest[0], HasSubstr("(experiment_id=? AND start_time=? AND "
                                   "run_uuid>?)"));
  EXPECT_THAT(newest[1], HasSubstr("(experiment_id=? AND start_time<?)"));
}

TEST_F(SearchPlanTest, FewCandidatesAreCountedAndFetchedByIndex) {
  const std::vector<std::string> plans =
      PlansOf("metrics.acc > 0.99 AND params.lr = '0.1'", {"metrics.loss"});
  ASSERT_EQ(plans.size(), 7u);  // Two probed ways, then three parts.
  for (size_t i : {0, 1}) {
    EXPECT_THAT(plans[i],
                HasSubstr("SEARCH d USING COVERING INDEX "
                          "index_params_experiment_id_key_value "
                          "(experiment_id=? AND key=? AND value=?)"));
  }
  for (size_t i : {2, 3}) {
    EXPECT_THAT(plans[i],
                HasSubstr("SEARCH d USING COVERING INDEX "
                          "index_latest_metrics_experiment_id_key_value "
                          "(experiment_id=? AND key=? AND is_nan=? AND "
                          "value>?)"));
  }
}

TEST_F(SearchPlanTest, OrdersOfExperimentsAreMerged) {
  experiments_ = {"1", "2", "3"};
  const std::string plan = PlansOf("", {"metrics.m"})[0];
  EXPECT_THAT(plan, HasSubstr("MERGE (UNION ALL)"));
  EXPECT_THAT(plan, HasSubstr("SEARCH d USING COVERING INDEX "
                              "index_latest_metrics_experiment_id_key_value"));
}

}  // namespace
}  // namespace millstream::storage::sqlite
