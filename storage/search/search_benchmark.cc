// From text to SQL: what each search costs before the database sees it.
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {
namespace {

void Build(benchmark::State& state, std::string_view filter,
           const std::vector<std::string_view>& order) {
  RunSearch request;
  request.columns = {"run_uuid", "name",       "user_id",  "status",
                     "start_time", "end_time", "lifecycle_stage",
                     "artifact_uri", "experiment_id"};
  request.experiment_ids = {"1"};
  request.filter = filter;
  request.order_by = order;
  request.max_results = 100;
  for (auto _ : state) {
    auto query = BuildRunSearch(request, SqliteDialect());
    if (!query.ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(query);
  }
}

void BM_NoFilter(benchmark::State& state) {
  Build(state, "", {"attributes.start_time DESC"});
}
BENCHMARK(BM_NoFilter);

void BM_MetricAndParam(benchmark::State& state) {
  Build(state, "metrics.accuracy > 0.9 AND params.lr = '0.01'", {});
}
BENCHMARK(BM_MetricAndParam);

void BM_OrderByMetric(benchmark::State& state) {
  Build(state, "params.lr = '0.01'", {"metrics.`accuracy` DESC"});
}
BENCHMARK(BM_OrderByMetric);

void BM_ManyConditions(benchmark::State& state) {
  std::string filter;
  for (int i = 0; i < state.range(0); ++i) {
    filter += "tags.`key " + std::to_string(i) + "` ILIKE '%value%' AND ";
  }
  Build(state, filter, {});
  state.SetBytesProcessed(state.iterations() * filter.size());
}
BENCHMARK(BM_ManyConditions)->Arg(10)->Arg(100);

void BM_RunIds(benchmark::State& state) {
  std::string filter = "run_id IN (";
  for (int i = 0; i < state.range(0); ++i) {
    filter += "'" + std::string(32, 'a' + i % 26) + "',";
  }
  filter += ")";
  Build(state, filter, {});
  state.SetBytesProcessed(state.iterations() * filter.size());
}
BENCHMARK(BM_RunIds)->Arg(100)->Arg(3000);

// A page token is read, and the one of the next page written.
void BM_NextPage(benchmark::State& state) {
  RunSearch request;
  request.columns = {"run_uuid"};
  request.experiment_ids = {"1"};
  request.max_results = 100;
  const std::vector<SqlValue> cursor = {int64_t{1700000000000},
                                        std::string(32, 'a')};
  std::string token =
      BuildRunSearch(request, SqliteDialect())->NextPageToken(cursor);
  request.page_token = token;
  for (auto _ : state) {
    auto query = BuildRunSearch(request, SqliteDialect());
    if (!query.ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(query->NextPageToken(cursor));
  }
}
BENCHMARK(BM_NextPage);

}  // namespace
}  // namespace millstream::storage::search
