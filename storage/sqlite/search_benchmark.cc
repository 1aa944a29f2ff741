// What a page of a search costs among 100,000 runs (20 params, 10 tags and 20
// metrics each): building the statements, running them, reading 100 rows. Rows
// of params, tags and metrics of the page are not read.
//
// The database is made once, in about a minute. MILLSTREAM_BENCHMARK_RUNS
// makes it another size.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/str_cat.h"
#include "benchmark/benchmark.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/page_reader.h"
#include "storage/sql/run_writes.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage::sqlite {
namespace {

using search::RunSearch;

constexpr int kRunsDefault = 100'000;
constexpr int kRunsPerWrite = 2000;
constexpr int kParams = 20;
constexpr int kTags = 10;
constexpr int kMetrics = 20;

void Must(const absl::Status& status) {
  if (!status.ok()) std::abort();
}

class Runs {
 public:
  static SqliteDatabase& Get() {
    static const Runs* const kRuns = new Runs;
    return *kRuns->database_;
  }

 private:
  Runs() {
    const char* wanted = std::getenv("MILLSTREAM_BENCHMARK_RUNS");
    const int count = wanted != nullptr ? std::atoi(wanted) : kRunsDefault;
    static std::filesystem::path* const folder = new std::filesystem::path(
        std::filesystem::temp_directory_path() /
        StrCat("millstream_search_benchmark_", getpid()));
    std::filesystem::create_directory(*folder);
    std::atexit([] { std::filesystem::remove_all(*folder); });
    database_ = *SqliteDatabase::Open(
        (*folder / "db").string(), {.durability = Durability::kProcess});
    Must(database_->Write([](sql::Transaction& to) {
      return to.Execute(
          "INSERT OR IGNORE INTO experiments (experiment_id, name, "
          "lifecycle_stage, creation_time, last_update_time) "
          "VALUES (1, 'x', 'active', 0, 0)");
    }));
    for (int first = 0; first < count; first += kRunsPerWrite) {
      Must(database_->Write([&](sql::Transaction& to) {
        for (int i = first; i < std::min(first + kRunsPerWrite, count); ++i) {
          Insert(to, i);
        }
        return absl::OkStatus();
      }));
    }
  }

  void Insert(sql::Transaction& to, int number) {
    // Ids come in no order.
    const std::string run = StrCat(absl::Hex(random_(), absl::kZeroPad16),
                                   absl::Hex(random_(), absl::kZeroPad16));
    const sql::RunRef ref{run, 1, 1700000000000 + number};
    Must(to.Execute(
        "INSERT INTO runs (run_uuid, name, status, start_time, "
        "lifecycle_stage, artifact_uri, experiment_id) "
        "VALUES (?, ?, 'FINISHED', ?, 'active', ?, 1)",
        run, StrCat("run-", number), ref.start_time,
        StrCat("mlflow-artifacts:/1/", run, "/artifacts")));
    for (int i = 0; i < kParams; ++i) {
      // p0 is unique, p1 has four values.
      Must(sql::WriteParam(
          to, ref, StrCat("p", i),
          StrCat("v", i == 0 ? number : random_() % (i == 1 ? 4 : 1000))));
    }
    for (int i = 0; i < kTags; ++i) {
      Must(sql::AddTag(
          to, ref, i == 0 ? std::string(sql::kRunNameTag) : StrCat("t", i),
          i == 0 ? StrCat("run-", number) : StrCat("v", random_() % 10)));
    }
    for (int i = 0; i < kMetrics; ++i) {
      // m1 has three values, m2 is with a hundredth of the runs.
      if (i == 2 && number % 100 != 0) continue;
      const double value = (random_() % 1000003) / 1000003.0;
      Must(to.Execute(
          "INSERT INTO latest_metrics (run_uuid, \"key\", value, "
          "\"timestamp\", step, is_nan, experiment_id, start_time) "
          "VALUES (?, ?, ?, 0, 0, 0, ?, ?)",
          run, StrCat("m", i), i == 1 ? number % 3 : value, ref.experiment_id,
          ref.start_time));
    }
  }

  std::mt19937_64 random_{1};
  std::unique_ptr<SqliteDatabase> database_;
};

void Search(benchmark::State& state, std::string_view filter,
            const std::vector<std::string_view>& order, int pages = 1) {
  SqliteDatabase& database = Runs::Get();
  RunSearch request;
  request.columns = {"run_uuid",   "name",     "user_id",
                     "status",     "start_time", "end_time",
                     "lifecycle_stage", "artifact_uri", "experiment_id"};
  request.experiment_ids = {"1"};
  request.filter = filter;
  request.order_by = order;
  request.max_results = 100;
  int64_t rows = 0;
  for (auto _ : state) {
    std::string token;
    for (int page = 0; page < pages; ++page) {
      request.page_token = token;
      const auto query = search::BuildRunSearch(request,
                                                search::SqliteDialect());
      Must(query.status());
      Must(database.Read([&](sql::Connection& connection) {
        auto next = sql::ReadPage(connection, *query, request.columns.size(),
                                  [&](const sql::Statement& row) {
                                    benchmark::DoNotOptimize(row.Text(0));
                                    ++rows;
                                  });
        Must(next.status());
        token = *std::move(next);
        return absl::OkStatus();
      }));
    }
  }
  state.counters["rows"] =
      benchmark::Counter(rows, benchmark::Counter::kAvgIterations);
}

#define SEARCH(name, ...)                                      \
  void BM_##name(benchmark::State& state) {                    \
    Search(state, __VA_ARGS__);                                \
  }                                                            \
  BENCHMARK(BM_##name)->Unit(benchmark::kMicrosecond)

SEARCH(Newest, "", {});
SEARCH(NewestTenPages, "", {}, 10);
SEARCH(Oldest, "", {"start_time ASC"});
SEARCH(ByMetric, "", {"metrics.m5 DESC"});
SEARCH(ByMetricTenPages, "", {"metrics.m5"}, 10);
SEARCH(ByMetricOfThreeValues, "", {"metrics.m1"});
SEARCH(ByRareMetric, "", {"metrics.m2 DESC"});
SEARCH(ByMetricAboveIt, "metrics.m5 > 0.5", {"metrics.m5"});
SEARCH(ByMetricWithParam, "params.p1 = 'v1'", {"metrics.m5 DESC"});
SEARCH(MetricAndParam, "metrics.m5 > 0.5 AND params.p1 = 'v1'", {});
SEARCH(FewMetrics, "metrics.m5 > 0.9999", {});
SEARCH(Children, "tags.`mlflow.parentRunId` = 'none'", {});
// No index helps these: all runs are visited.
SEARCH(UniqueParam, "params.p0 = 'v77'", {});
SEARCH(NamePart, "run_name ILIKE '%no such run%'", {});
SEARCH(ByParam, "", {"params.p2 DESC"});
SEARCH(ByName, "", {"run_name"});

}  // namespace
}  // namespace millstream::storage::sqlite
