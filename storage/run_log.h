// What runs log: metrics, params and tags, written as one unit whichever stores
// keep them.
#ifndef MILLSTREAM_STORAGE_RUN_LOG_H_
#define MILLSTREAM_STORAGE_RUN_LOG_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/metric_store.h"

namespace millstream::storage {

// One unit; everything is borrowed. Values are valid (base/names.h), numbers
// as MLflow's database holds them: finite or NaN, no -0.0.
struct RunLogBatch {
  std::string_view run_id;
  // No key twice.
  absl::Span<const SeriesAppend> metrics = {};
  // Null: none. A param's key may repeat with one value; of a repeated tag the
  // last value stays.
  const google::protobuf::RepeatedPtrField<v1::Param>* params = nullptr;
  const google::protobuf::RepeatedPtrField<v1::RunTag>* tags = nullptr;
  // Those of the metrics that were measured on a logged model: with key, value,
  // timestamp, step, model_id, and maybe dataset_name and dataset_digest.
  absl::Span<const v1::Metric* const> model_metrics = {};
  // The frame that the batch is, or the last of several. REQUIRES: metrics
  // alone; a writer's batches come one after the other, their numbers
  // ascending.
  WriterFrame frame = {};
};

// Thread-safe. Outlives every call that uses it.
class RunLog {
 public:
  virtual ~RunLog() = default;

  // Keeps all of the batch. OK: it survives the crash that the log was opened
  // for (storage/durability.h), and every later read shows it, the latest
  // metrics too. What is there already changes nothing.
  //   RESOURCE_DOES_NOT_EXIST  the run
  //   INVALID_PARAMETER_VALUE  the run is deleted, or a param has another value
  //   BAD_REQUEST              there is no such logged model, or it has another
  //                            value of the metric at this time and step
  // After these nothing was changed. After another status, a fault of the
  // server's, all of it may be kept or nothing, but never a part.
  virtual absl::Status Log(const RunLogBatch& batch) = 0;

  // The number of the last frame of the writer that is kept, as durably as its
  // points are; 0: none.
  //   RESOURCE_DOES_NOT_EXIST  the run
  //   INVALID_PARAMETER_VALUE  the run is deleted
  virtual absl::StatusOr<uint64_t> LastFrame(std::string_view run_id,
                                             std::string_view writer_id) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_RUN_LOG_H_
