// JSON of the two hot bodies: a log-batch of 1,000 metrics coming in, a
// get-history page of 25,000 points going out. "items" are points.
#include <string>

#include "base/str_cat.h"
#include "benchmark/benchmark.h"
#include "gateway/json/json_decoder.h"
#include "gateway/json/json_writer.h"
#include "google/protobuf/arena.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

constexpr int kBatchPoints = 1000;
constexpr int kPagePoints = 25'000;

std::string LogBatchBody() {
  std::string body = R"({"run_id": "0123456789abcdef0123456789abcdef", )"
                     R"("metrics": [)";
  for (int i = 0; i < kBatchPoints; ++i) {
    StrAppend(&body, i > 0 ? ", " : "", R"({"key": "train/loss", "value": )",
              1.0 / (i + 3), R"(, "timestamp": )", 1700000000000 + i,
              R"(, "step": )", i, "}");
  }
  return body + R"(], "params": [], "tags": []})";
}

void BM_DecodeLogBatch(benchmark::State& state) {
  const MessageTable& table =
      MessageTable::Of(v1::LogBatchRequest::descriptor());
  std::string body = LogBatchBody();
  for (auto _ : state) {
    google::protobuf::Arena arena;
    auto* request =
        google::protobuf::Arena::CreateMessage<v1::LogBatchRequest>(&arena);
    if (!DecodeJson(&body, table, request).ok() ||
        request->metrics_size() != kBatchPoints) {
      state.SkipWithError("not decoded");
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatchPoints);
  state.SetBytesProcessed(state.iterations() * body.size());
}
BENCHMARK(BM_DecodeLogBatch);

void BM_WriteHistoryPage(benchmark::State& state) {
  const MessageTable& table =
      MessageTable::Of(v1::GetMetricHistoryResponse::descriptor());
  v1::GetMetricHistoryResponse response;
  for (int i = 0; i < kPagePoints; ++i) {
    v1::Metric* metric = response.add_metrics();
    metric->set_key("train/loss");
    metric->set_value(1.0 / (i + 3));
    metric->set_timestamp(1700000000000 + i);
    metric->set_step(i);
  }
  std::string out;
  for (auto _ : state) {
    out.clear();
    WriteJson(response, table, &out);
    benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * kPagePoints);
  state.SetBytesProcessed(state.iterations() * out.size());
}
BENCHMARK(BM_WriteHistoryPage);

}  // namespace
}  // namespace millstream::gateway
