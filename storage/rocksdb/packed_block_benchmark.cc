// What the points of each kind of curve take, packed and loose, and what
// packing and reading them cost.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "storage/rocksdb/curves.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/packed_block.h"

namespace millstream::storage {
namespace {

std::vector<MetricPoint> Points(const Curve& curve, size_t count) {
  std::vector<MetricPoint> points;
  curve.make(20000, 20000 + static_cast<int64_t>(count), &points);
  return points;
}

using Encoder = void (*)(absl::Span<const MetricPoint>, std::string*);
using Decoder = absl::Status (*)(std::string_view, const MetricPoint&,
                                 std::vector<MetricPoint>*);

void Encode(benchmark::State& state, const Curve& curve, Encoder encode,
            size_t count) {
  const std::vector<MetricPoint> points = Points(curve, count);
  std::string block;
  for (auto _ : state) {
    block.clear();
    encode(points, &block);
    benchmark::DoNotOptimize(block.data());
  }
  state.SetItemsProcessed(state.iterations() * points.size());
  state.counters["bytes_per_point"] =
      static_cast<double>(block.size()) / static_cast<double>(points.size());
}

void Decode(benchmark::State& state, const Curve& curve, Encoder encode,
            Decoder decode, size_t count) {
  const std::vector<MetricPoint> points = Points(curve, count);
  std::string block;
  encode(points, &block);
  std::vector<MetricPoint> decoded;
  for (auto _ : state) {
    decoded.clear();
    if (!decode(block, points[0], &decoded).ok()) std::abort();
    benchmark::DoNotOptimize(decoded.data());
  }
  state.SetItemsProcessed(state.iterations() * points.size());
}

void RegisterAll() {
  for (const Curve& curve : RealisticCurves()) {
    const std::string name(curve.name);
    for (size_t count : {size_t{1024}, size_t{4096}}) {
      const std::string size = "/" + std::to_string(count);
      benchmark::RegisterBenchmark(("PackedEncode/" + name + size).c_str(),
                                   [=](benchmark::State& state) {
                                     Encode(state, curve, &EncodePackedBlock,
                                            count);
                                   });
      benchmark::RegisterBenchmark(
          ("PackedDecode/" + name + size).c_str(),
          [=](benchmark::State& state) {
            Decode(state, curve, &EncodePackedBlock, &DecodePackedBlock, count);
          });
    }
    benchmark::RegisterBenchmark(("LooseEncode/" + name).c_str(),
                                 [=](benchmark::State& state) {
                                   Encode(state, curve, &EncodeBlock, 1000);
                                 });
    benchmark::RegisterBenchmark(("LooseDecode/" + name).c_str(),
                                 [=](benchmark::State& state) {
                                   Decode(state, curve, &EncodeBlock,
                                          &DecodeBlock, 1000);
                                 });
  }
}

const bool kRegistered = (RegisterAll(), true);

}  // namespace
}  // namespace millstream::storage
