// What a point costs: encoding, appending, reading.
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "benchmark/benchmark.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/utilities/options_util.h"
#include "storage/rocksdb/curves.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/rocksdb_metric_store.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

std::vector<MetricPoint> NoisyCurve(int64_t first_step, int64_t count) {
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
  explicit Store(bool pack_in_background = true) {
    static int count = 0;
    folder_ = std::filesystem::temp_directory_path() /
              ("millstream_benchmark_" + std::to_string(getpid()) + "_" +
               std::to_string(++count));
    std::filesystem::remove_all(folder_);
    options_.pack_in_background = pack_in_background;
    store_ = *OpenRocksDbMetricStore(folder_, options_);
  }
  ~Store() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  RocksDbMetricStore* operator->() { return store_.get(); }

  // Closes the store, and compacts it.
  uint64_t CompactedBytes() {
    store_.reset();
    // With the store's own options, as RocksDB kept them.
    rocksdb::DBOptions options;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    if (!rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), folder_, &options,
                                    &families)
             .ok()) {
      std::abort();
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    families[0].options.memtable_insert_with_hint_prefix_extractor = nullptr;
    if (!rocksdb::DB::Open(options, folder_, families, &handles, &db).ok()) {
      std::abort();
    }
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction =
        rocksdb::BottommostLevelCompaction::kForce;
    if (!db->CompactRange(all, handles[0], nullptr, nullptr).ok()) {
      std::abort();
    }
    uint64_t bytes = 0;
    db->GetIntProperty("rocksdb.live-sst-files-size", &bytes);
    db->DestroyColumnFamilyHandle(handles[0]);
    delete db;
    return bytes;
  }

 private:
  std::string folder_;
  RocksDbOptions options_;
  std::unique_ptr<RocksDbMetricStore> store_;
};

void CountPoints(benchmark::State& state, int64_t points) {
  state.SetItemsProcessed(state.iterations() * points);
}

void BM_EncodeBlock(benchmark::State& state) {
  const std::vector<MetricPoint> points = NoisyCurve(0, state.range(0));
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
  const std::vector<MetricPoint> points = NoisyCurve(0, state.range(0));
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
    const std::vector<MetricPoint> points = NoisyCurve(step, state.range(0));
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
    const std::vector<MetricPoint> points = NoisyCurve(step, state.range(0));
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

// Points of a noisy curve that cost next to nothing to make.
class CheapCurve {
 public:
  CheapCurve() { RealisticCurves()[0].make(0, kPeriod, &points_); }
  void Frame(int64_t begin, int64_t count, std::vector<MetricPoint>* out) {
    out->clear();
    for (int64_t i = begin; i < begin + count; ++i) {
      MetricPoint point = points_[i % kPeriod];
      const int64_t shift = i / kPeriod * kPeriod;
      point.timestamp_ms += 310 * shift;
      point.step += shift;
      out->push_back(point);
    }
  }

 private:
  static constexpr int64_t kPeriod = 1 << 16;
  std::vector<MetricPoint> points_;
};

// Frames of `range(1)` points for each of `range(0)` series, 2,000,000 points
// in all, handed to the system and packed: CPU of all threads.
void BM_Ingest(benchmark::State& state) {
  constexpr int64_t kPoints = 2'000'000;
  const int64_t keys = state.range(0);
  const int64_t each = state.range(1);
  std::vector<std::string> names;
  for (int64_t i = 0; i < keys; ++i) {
    names.push_back("layer" + std::to_string(i) + "/norm");
  }
  CheapCurve curve;
  std::vector<MetricPoint> points;
  for (auto _ : state) {
    Store store;
    for (int64_t begin = 0; begin < kPoints / keys; begin += each) {
      curve.Frame(begin, each, &points);
      std::vector<SeriesAppend> frame;
      for (const std::string& name : names) frame.push_back({name, points});
      if (!store->Append(kRun, frame, {.durability = Durability::kProcess})
               .ok()) {
        std::abort();
      }
    }
    if (state.range(2) != 0 && !store->PackAll().ok()) std::abort();
  }
  CountPoints(state, kPoints);
}
BENCHMARK(BM_Ingest)
    ->ArgNames({"keys", "points", "pack"})
    ->Args({20, 50, 0})
    ->Args({20, 50, 1})
    ->Args({1, 1000, 0})
    ->Args({1, 1000, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// A series of `count` points, logged `batch` at a time, packed or loose.
void Fill(Store& store, int64_t count, int64_t batch, bool pack) {
  CheapCurve curve;
  std::vector<MetricPoint> points;
  for (int64_t step = 0; step < count; step += batch) {
    curve.Frame(step, batch, &points);
    const SeriesAppend series{"loss", points};
    if (!store->Append(kRun, {&series, 1}, {.durability = Durability::kProcess})
             .ok()) {
      std::abort();
    }
  }
  if (pack && !store->PackAll().ok()) std::abort();
}

void BM_ReadHistory(benchmark::State& state) {
  Store store(/*pack_in_background=*/state.range(2) != 0);
  Fill(store, 1'000'000, state.range(0), state.range(2) != 0);
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
    ->ArgNames({"batch", "page", "packed"})
    ->Args({1, 25000, 0})
    ->Args({1000, 25000, 0})
    ->Args({1000, 25000, 1})
    ->Args({1000, 100, 0})
    ->Args({1000, 100, 1});

// Charts of 320 points of a packed series of `range(0)` points: of all, and of
// a tenth in its midst; all steps the same (2).
void BM_Sample320(benchmark::State& state) {
  static std::unique_ptr<Store> store;
  static int64_t filled = 0;
  if (filled != state.range(0)) {
    filled = state.range(0);
    store = std::make_unique<Store>();
    Fill(*store, filled, 1000, /*pack=*/true);
    // The background thread finds nothing to do, and has deleted records
    // dropped; RocksDB does that in a while.
    absl::SleepFor(absl::Seconds(5));
  }
  StepRange range;
  if (state.range(1) == 1) range = {filled / 2 + 7, filled / 2 + filled / 10};
  std::vector<MetricPoint> points;
  for (auto _ : state) {
    points.clear();
    if (!(*store)->Sample(kRun, "loss", range, 320, &points).ok()) std::abort();
  }
  state.counters["points"] = static_cast<double>(points.size());
}
BENCHMARK(BM_Sample320)
    ->ArgNames({"points", "part"})
    ->Args({10'000, 0})
    ->Args({65'000, 0})
    ->Args({1'000'000, 0})
    ->Args({1'000'000, 1})
    ->Args({10'000'000, 0})
    ->Args({10'000'000, 1})
    ->Unit(benchmark::kMicrosecond);

// Every step the same: groups by rank.
void BM_Sample320OfOneStep(benchmark::State& state) {
  Store store;
  CheapCurve curve;
  std::vector<MetricPoint> points;
  for (int64_t i = 0; i < state.range(0); i += 1000) {
    curve.Frame(i, 1000, &points);
    for (MetricPoint& point : points) point.step = 0;
    const SeriesAppend series{"loss", points};
    if (!store->Append(kRun, {&series, 1}, {.durability = Durability::kProcess})
             .ok()) {
      std::abort();
    }
  }
  if (!store->PackAll().ok()) std::abort();
  for (auto _ : state) {
    points.clear();
    if (!store->Sample(kRun, "loss", {}, 320, &points).ok()) std::abort();
  }
}
BENCHMARK(BM_Sample320OfOneStep)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Unit(benchmark::kMicrosecond);

// What 1,000,000 points of a kind of curve take on the disk, all in, once they
// are packed and compacted.
void BM_BytesOnDisk(benchmark::State& state) {
  const Curve& curve = RealisticCurves()[state.range(0)];
  constexpr int64_t kPoints = 1'000'000;
  double bytes = 0;
  for (auto _ : state) {
    Store store(/*pack_in_background=*/false);
    std::vector<MetricPoint> points;
    for (int64_t i = 0; i < kPoints; i += 1000) {
      points.clear();
      curve.make(i, i + 1000, &points);
      const SeriesAppend series{"loss", points};
      const AppendOptions options{.durability = Durability::kProcess};
      if (!store->Append(kRun, {&series, 1}, options).ok()) {
        std::abort();
      }
    }
    if (!store->PackAll().ok()) std::abort();
    bytes = static_cast<double>(store.CompactedBytes());
  }
  state.SetLabel(std::string(curve.name));
  state.counters["bytes_per_point"] = bytes / kPoints;
}
BENCHMARK(BM_BytesOnDisk)
    ->DenseRange(0, static_cast<int64_t>(RealisticCurves().size()) - 1)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millstream::storage
