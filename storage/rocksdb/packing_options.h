// When packing does what, and what charts count on. The defaults are measured
// (packed_block_benchmark.cc, metric_store_benchmark.cc); tests set others, to
// have few points go the way of many.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_PACKING_OPTIONS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_PACKING_OPTIONS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "storage/metric_store.h"

namespace millstream::storage {

struct PackingOptions {
  // A series is packed when it has gathered so many loose points, or so many
  // loose records,
  size_t loose_points = 8192;
  size_t loose_records = 1024;
  // or when its run had no append for so long.
  absl::Duration quiet = absl::Seconds(10);

  // Points of a packed block at most.
  size_t block_points = 2048;
  // Packed blocks of fewer points are merged with what comes beside them, once
  // that is half as much at least.
  size_t small_block_points = 1024;
  // A packed block is rewritten for late points once they are this part of it.
  size_t late_points_part = 8;
  // Points that one step of packing takes up, and rewrites: bounds its memory.
  size_t batch_points = 65'536;
  size_t rewrite_points = 262'144;

  // A series has rollups from so many packed points on.
  size_t rollup_points = 65'536;
  // Points of a bucket of the finest level, at least, on average.
  size_t bucket_points = 128;
  // Buckets of the coarsest level at most.
  size_t top_buckets = 256;

  // A chart of so many points is of ranks (step_sampler.h), and one that has no
  // more for each point asked for.
  size_t exact_points = kChartPointsExact;
  size_t exact_points_each = kChartPointsExactEach;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_PACKING_OPTIONS_H_
