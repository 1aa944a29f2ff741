// A database with some experiments, into which tests put runs to search for.
#ifndef MILLSTREAM_STORAGE_SQLITE_SEARCH_TESTING_H_
#define MILLSTREAM_STORAGE_SQLITE_SEARCH_TESTING_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/database.h"
#include "storage/sql/page_reader.h"
#include "storage/sql/run_writes.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage::sqlite {

struct Metric {
  std::string key;
  std::optional<double> value;  // nothing: NaN
};
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct TestRun {
  std::string id;
  std::optional<int64_t> start_time = 0;
  std::string status = "RUNNING";
  std::optional<int64_t> end_time = std::nullopt;
  std::string stage = "active";
  Pairs params = {};
  Pairs tags = {};
  std::vector<Metric> metrics = {};
  int64_t experiment = 1;
};

inline absl::Status InsertRun(sql::Transaction& to, const TestRun& run) {
  RETURN_IF_ERROR(to.Execute(
      "INSERT INTO runs (run_uuid, name, user_id, status, start_time, "
      "end_time, lifecycle_stage, artifact_uri, experiment_id) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      run.id, run.id, StrCat("user ", run.id), run.status, run.start_time,
      run.end_time, run.stage, StrCat(run.id, "/artifacts"), run.experiment));
  const sql::RunRef ref{run.id, run.experiment, run.start_time};
  RETURN_IF_ERROR(sql::AddTag(to, ref, sql::kRunNameTag, run.id));
  for (const auto& [key, value] : run.tags) {
    RETURN_IF_ERROR(sql::AddTag(to, ref, key, value));
  }
  for (const auto& [key, value] : run.params) {
    RETURN_IF_ERROR(sql::WriteParam(to, ref, key, value));
  }
  for (const auto& [key, value] : run.metrics) {
    RETURN_IF_ERROR(to.Execute(
        "INSERT INTO latest_metrics (run_uuid, \"key\", value, \"timestamp\", "
        "step, is_nan, experiment_id, start_time) "
        "VALUES (?, ?, ?, 0, 0, ?, ?, ?)",
        run.id, key, value.value_or(0), value.has_value() ? 0 : 1,
        run.experiment, run.start_time));
  }
  return absl::OkStatus();
}

class SearchTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) / test->name();
    std::filesystem::create_directories(directory_);
    auto database = SqliteDatabase::Open((directory_ / "search.db").string(),
                                         SqliteDatabase::Options());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Write([](sql::Transaction& to) {
      for (int64_t id = 1; id <= 3; ++id) {
        RETURN_IF_ERROR(to.Execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage, "
            "creation_time, last_update_time) VALUES (?, ?, ?, ?, ?)",
            id, StrCat("exp ", id), id == 3 ? "deleted" : "active", id / 2,
            10 - id));
      }
      return absl::OkStatus();
    });
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Write(absl::FunctionRef<absl::Status(sql::Transaction&)> body) {
    const absl::Status status = database_->Write(body);
    ASSERT_TRUE(status.ok()) << status;
  }

  void Insert(const std::vector<TestRun>& runs) {
    Write([&](sql::Transaction& to) {
      for (const TestRun& run : runs) RETURN_IF_ERROR(InsertRun(to, run));
      return absl::OkStatus();
    });
  }

  // The first column of all rows, over as many pages as it takes.
  template <typename Request, typename Build>
  std::vector<std::string> Pages(Request request, const Build& build) {
    std::vector<std::string> rows;
    std::string token;
    do {
      request.page_token = token;
      absl::StatusOr<search::SearchQuery> query = build(request, *dialect_);
      EXPECT_TRUE(query.ok()) << query.status();
      if (!query.ok()) return rows;
      const size_t before = rows.size();
      const absl::Status status = database_->Read([&](sql::Connection&
                                                          connection) {
        ASSIGN_OR_RETURN(token,
                         sql::ReadPage(connection, *query,
                                       request.columns.size(),
                                       [&](const sql::Statement& row) {
                                         rows.emplace_back(row.Text(0));
                                       }));
        return absl::OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return rows;
      if (!token.empty()) {
        EXPECT_EQ(rows.size() - before,
                  static_cast<size_t>(request.max_results));
      }
    } while (!token.empty());
    return rows;
  }

  std::vector<std::string> Runs(std::string_view filter,
                                std::vector<std::string_view> order = {},
                                int64_t page = 1000) {
    search::RunSearch request;
    request.columns = {"run_uuid"};
    request.experiment_ids = experiments_;
    request.filter = filter;
    request.view = view_;
    request.order_by = std::move(order);
    request.max_results = page;
    return Pages(request, search::BuildRunSearch);
  }

  // The plan of each statement of a search for runs, probes as well.
  std::vector<std::string> Plans(const search::RunSearch& request) {
    std::vector<std::string> plans;
    const auto query = search::BuildRunSearch(request, *dialect_);
    EXPECT_TRUE(query.ok()) << query.status();
    std::vector<search::SqlStatement> statements;
    for (const search::SearchWay& way : query->ways()) {
      if (!way.probe.text.empty()) statements.push_back(way.probe);
      statements.insert(statements.end(), way.parts.begin(), way.parts.end());
    }
    for (const search::SqlStatement& part : statements) {
      std::string plan;
      const absl::Status status = database_->Read([&](sql::Connection&
                                                          connection) {
        ASSIGN_OR_RETURN(
            sql::StatementPtr statement,
            connection.Prepare(StrCat("EXPLAIN QUERY PLAN ", part.text)));
        statement->BindValues(part.bindings);
        for (;;) {
          ASSIGN_OR_RETURN(const bool more, statement->Step());
          if (!more) return absl::OkStatus();
          StrAppend(&plan, statement->Text(3), "\n");
        }
      });
      EXPECT_TRUE(status.ok()) << status;
      plans.push_back(plan);
    }
    return plans;
  }

  std::filesystem::path directory_;
  std::unique_ptr<SqliteDatabase> database_;
  const search::SqlDialect* dialect_ = &search::SqliteDialect();
  std::vector<std::string_view> experiments_ = {"1"};
  search::ViewType view_ = search::ViewType::kActiveOnly;
};

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_SEARCH_TESTING_H_
