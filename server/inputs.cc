// TrackingService: datasets and models that go into runs and come out of them.
#include <string_view>

#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "server/run_feed.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

absl::Status CheckDatasetInput(const v1::DatasetInput& input) {
  const v1::Dataset& dataset = input.dataset();
  RETURN_IF_ERROR(
      CheckLength("name", limits::kDatasetNameLengthMax, dataset.name()));
  RETURN_IF_ERROR(
      CheckLength("digest", limits::kDatasetDigestLengthMax, dataset.digest()));
  RETURN_IF_ERROR(CheckLength("source_type",
                              limits::kDatasetSourceTypeLengthMax,
                              dataset.source_type()));
  RETURN_IF_ERROR(
      CheckLength("source", limits::kDatasetSourceLengthMax, dataset.source()));
  RETURN_IF_ERROR(
      CheckLength("schema", limits::kDatasetSchemaLengthMax, dataset.schema()));
  RETURN_IF_ERROR(CheckLength("profile", limits::kDatasetProfileLengthMax,
                              dataset.profile()));
  for (const v1::InputTag& tag : input.tags()) {
    RETURN_IF_ERROR(
        CheckLength("key", limits::kInputTagKeyLengthMax, tag.key()));
    RETURN_IF_ERROR(
        CheckLength("value", limits::kInputTagValueLengthMax, tag.value()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::LogInputs(CallContext&,
                                        const v1::LogInputsRequest& request,
                                        v1::LogInputsResponse*) {
  RETURN_IF_ERROR(CheckRunId(request.run_id()));
  for (const v1::DatasetInput& input : request.datasets()) {
    RETURN_IF_ERROR(CheckDatasetInput(input));
  }
  return RunChanged(store_->LogInputs(request.run_id(), request.datasets(),
                                      request.models()),
                    request.run_id(), kRunInputs);
}

absl::Status TrackingService::LogOutputs(CallContext&,
                                         const v1::LogOutputsRequest& request,
                                         v1::LogOutputsResponse*) {
  return RunChanged(store_->LogOutputs(request.run_id(), request.models()),
                    request.run_id(), kRunInputs);
}

}  // namespace millstream::server
