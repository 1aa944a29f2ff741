// What a point costs: encoding, appending, reading.
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/rocksdb_metric_store.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

std::vector<MetricPoint> Curve(int64_t first_step, int64_t count) {
  std::vector<MetricPoint> points;
  for (int64_t step = first_step; step < first_step + count; ++step) {
    const float noise = std::sin(static_cast<float>(step) * 12.9898f);
    points.push_back({1700000000000 + 250 * step + (step * 7919) % 13, step,
                      1.0f / (1 + 0.001f * step) + 0.01f * noise});
  }
  return points;
}

// A store in a folder of its own.
class Store {
 public:
  Store() {
    folder_ = std::filesystem::temp_directory_path() /
              ("millstream_benchmark_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    store_ = *OpenRocksDbMetricStore(folder_);
  }
  ~Store() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  MetricStore* operator->() { return store_.get(); }

 private:
  std::string folder_;
  std::unique_ptr<MetricStore> store_;
};

void CountPoints(benchmark::State& state, int64_t points) {
  state.SetItemsProcessed(state.iterations() * points);
}

void BM_EncodeBlock(benchmark::State& state) {
  const std::vector<MetricPoint> points = Curve(0, state.range(0));
  std::string block;
  for (auto _ : state) {
    block.clear();
    EncodeBlock(points, &block);
    benchmark::DoNotOptimize(block.data());
  }
  CountPoints(state, state.range(0));
  state.counters["bytes_per_point"] =
      static_cast<double>(block.size()) / points.size();
}
BENCHMARK(BM_EncodeBlock)->Arg(10)->Arg(1000);

void BM_DecodeBlock(benchmark::State& state) {
  const std::vector<MetricPoint> points = Curve(0, state.range(0));
  std::string block;
  EncodeBlock(points, &block);
  std::vector<MetricPoint> decoded;
  for (auto _ : state) {
    decoded.clear();
    if (!DecodeBlock(block, points[0], &decoded).ok()) std::abort();
    benchmark::DoNotOptimize(decoded.data());
  }
  CountPoints(state, state.range(0));
}
BENCHMARK(BM_DecodeBlock)->Arg(10)->Arg(1000);

// One request of `range(0)` points of one series, handed to the system.
void BM_Append(benchmark::State& state) {
  Store store;
  int64_t step = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<MetricPoint> points = Curve(step, state.range(0));
    step += state.range(0);
    state.ResumeTiming();
    const SeriesAppend series{"train/loss", points};
    if (!store->Append(kRun, {&series, 1}, {.durability = Durability::kProcess})
             .ok()) {
      std::abort();
    }
  }
  CountPoints(state, state.range(0));
}
BENCHMARK(BM_Append)->Arg(1)->Arg(10)->Arg(1000);

// One request of one point for each of `range(0)` series.
void BM_AppendManySeries(benchmark::State& state) {
  Store store;
  std::vector<std::string> keys;
  for (int i = 0; i < state.range(0); ++i) {
    keys.push_back("layer" + std::to_string(i) + "/norm");
  }
  int64_t step = 0;
  std::vector<SeriesAppend> series(keys.size());
  for (auto _ : state) {
    const MetricPoint point{1700000000000 + step, step, 0.5};
    ++step;
    for (size_t i = 0; i < keys.size(); ++i) series[i] = {keys[i], {&point, 1}};
    if (!store->Append(kRun, series, {.durability = Durability::kProcess})
             .ok()) {
      std::abort();
    }
  }
  CountPoints(state, state.range(0));
}
BENCHMARK(BM_AppendManySeries)->Arg(10)->Arg(1000);

// Requests of `range(0)` points from several threads, each synced before the
// answer: real time waits for the disk, CPU is the figure to read.
void BM_AppendDurable(benchmark::State& state) {
  static Store* store = nullptr;
  if (state.thread_index() == 0) store = new Store;
  int64_t step = 1000000000 * static_cast<int64_t>(state.thread_index());
  const std::string key = "rank" + std::to_string(state.thread_index());
  for (auto _ : state) {
    const std::vector<MetricPoint> points = Curve(step, state.range(0));
    step += state.range(0);
    const SeriesAppend series{key, points};
    if (!(*store)->Append(kRun, {&series, 1}, {}).ok()) std::abort();
  }
  CountPoints(state, state.range(0));
  if (state.thread_index() == 0) delete store;
}
BENCHMARK(BM_AppendDurable)
    ->Arg(1)
    ->Arg(1000)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// A series of 1,000,000 points, logged `range(0)` at a time.
void FillMillion(Store& store, int64_t batch) {
  for (int64_t step = 0; step < 1000000; step += batch) {
    const std::vector<MetricPoint> points = Curve(step, batch);
    const SeriesAppend series{"loss", points};
    if (!store->Append(kRun, {&series, 1}, {.durability = Durability::kProcess})
             .ok()) {
      std::abort();
    }
  }
}

void BM_ReadHistory(benchmark::State& state) {
  Store store;
  FillMillion(store, state.range(0));
  const auto page_points = static_cast<size_t>(state.range(1));
  int64_t read = 0;
  MetricPoint after;
  bool begun = false;
  std::vector<MetricPoint> page;
  for (auto _ : state) {
    page.clear();
    if (!store->ReadHistory(kRun, "loss", begun ? &after : nullptr, page_points,
                            &page)
             .ok()) {
      std::abort();
    }
    begun = page.size() == page_points;
    if (begun) after = page.back();
    read += static_cast<int64_t>(page.size());
  }
  state.SetItemsProcessed(read);
}
BENCHMARK(BM_ReadHistory)
    ->Args({1, 25000})
    ->Args({10, 25000})
    ->Args({1000, 25000})
    ->Args({1000, 100});

void BM_Sample320(benchmark::State& state) {
  Store store;
  FillMillion(store, state.range(0));
  std::vector<MetricPoint> points;
  for (auto _ : state) {
    points.clear();
    if (!store->Sample(kRun, "loss", {}, 320, &points).ok()) std::abort();
  }
}
BENCHMARK(BM_Sample320)->Arg(1)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millstream::storage
