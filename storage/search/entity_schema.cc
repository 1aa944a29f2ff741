#include "storage/search/entity_schema.h"

#include <string_view>

namespace millstream::storage::search {
namespace {

constexpr uint16_t kTextOrListOps = kTextOps | kListOps;
constexpr uint16_t kTextOrNullOps = kTextOps | kNullOps;

// --- Runs

constexpr std::string_view kRunOwner[] = {"run_uuid"};
constexpr PrefixSpec kRunPrefixes[] = {
    {"attribute", Field::kAttribute}, {"attributes", Field::kAttribute},
    {"attr", Field::kAttribute},      {"run", Field::kAttribute},
    {"metric", Field::kMetric},       {"metrics", Field::kMetric},
    {"parameter", Field::kParam},     {"parameters", Field::kParam},
    {"param", Field::kParam},         {"params", Field::kParam},
    {"tag", Field::kTag},             {"tags", Field::kTag},
    {"dataset", Field::kDataset},     {"datasets", Field::kDataset},
};
// Runs of old clients have their name in the tag alone, so filters ask the tag.
constexpr std::string_view kRunNameTag = "mlflow.runName";
constexpr AttributeSpec RunName(std::string_view name, bool orderable) {
  return {.name = name,
          .column = "name",
          .ops = kTextOps,
          .orderable = orderable,
          .indexed = true,
          .index = "index_runs_experiment_id_name",
          .tag = kRunNameTag};
}
constexpr AttributeSpec kRunAttributes[] = {
    {.name = "run_id",
     .column = "run_uuid",
     .ops = kTextOrListOps,
     .nullable = false,
     .unique = true},
    RunName("run_name", /*orderable=*/true),
    RunName("run name", /*orderable=*/false),
    RunName("Run name", /*orderable=*/false),
    RunName("Run Name", /*orderable=*/false),
    {.name = "user_id", .column = "user_id", .ops = kTextOps},
    {.name = "status",
     .column = "status",
     .ops = kTextOps,
     .nullable = false},
    {.name = "artifact_uri", .column = "artifact_uri", .ops = kTextOps},
    {.name = "start_time",
     .column = "start_time",
     .type = ValueType::kNumber,
     .ops = kOrderingOps,
     .indexed = true,
     .index = "index_runs_experiment_id_start_time"},
    {.name = "created",
     .column = "start_time",
     .type = ValueType::kNumber,
     .ops = kOrderingOps,
     .indexed = true,
     .index = "index_runs_experiment_id_start_time"},
    {.name = "Created",
     .column = "start_time",
     .type = ValueType::kNumber,
     .ops = kOrderingOps,
     .indexed = true,
     .index = "index_runs_experiment_id_start_time"},
    {.name = "end_time",
     .column = "end_time",
     .type = ValueType::kNumber,
     .ops = kOrderingOps},
};
constexpr CollectionSpec kRunCollections[] = {
    {.field = Field::kMetric,
     .table = "latest_metrics",
     .ops = kOrderingOps,
     .orderable = true,
     .has_is_nan = true},
    {.field = Field::kParam,
     .table = "params",
     .ops = kTextOrNullOps,
     .orderable = true},
    {.field = Field::kTag,
     .table = "tags",
     .ops = kTextOrNullOps,
     .orderable = true},
    // Keys name, digest and context; in tables of their own.
    {.field = Field::kDataset, .table = "datasets", .ops = kTextOrListOps},
};
constexpr OrderSpec kRunTieBreakers[] = {{"start_time", false},
                                         {"run_id", true}};
const EntitySchema kRuns = {
    .entity = Entity::kRun,
    .plural = "runs",
    .table = "runs",
    .owner_columns = kRunOwner,
    .prefixes = kRunPrefixes,
    .attributes = kRunAttributes,
    .collections = kRunCollections,
    .default_order = {},
    .tie_breakers = kRunTieBreakers,
    .prefix_in_backticks = true,
    .refuse_order_twice = true,
};

// --- Experiments. Their prefixes serve the registry as well.

constexpr std::string_view kExperimentOwner[] = {"experiment_id"};
constexpr PrefixSpec kAttributeAndTag[] = {{"attribute", Field::kAttribute},
                                           {"tag", Field::kTag},
                                           {"tags", Field::kTag}};
constexpr AttributeSpec kExperimentAttributes[] = {
    {.name = "name", .column = "name", .ops = kTextOps, .nullable = false},
    {.name = "experiment_id",
     .column = "experiment_id",
     .type = ValueType::kQuotedInteger,
     .ops = kEquality | kListOps,
     .nullable = false,
     .unique = true},
    {.name = "creation_time",
     .column = "creation_time",
     .type = ValueType::kWholeNumber,
     .ops = kOrderingOps},
    {.name = "last_update_time",
     .column = "last_update_time",
     .type = ValueType::kWholeNumber,
     .ops = kOrderingOps},
};
constexpr CollectionSpec kExperimentCollections[] = {
    {.field = Field::kTag, .table = "experiment_tags", .ops = kTextOrNullOps},
};
constexpr OrderSpec kExperimentDefault[] = {{"creation_time", false},
                                            {"experiment_id", true}};
constexpr OrderSpec kExperimentTieBreakers[] = {{"experiment_id", false}};
const EntitySchema kExperiments = {
    .entity = Entity::kExperiment,
    .plural = "experiments",
    .table = "experiments",
    .owner_columns = kExperimentOwner,
    .prefixes = kAttributeAndTag,
    .attributes = kExperimentAttributes,
    .collections = kExperimentCollections,
    .default_order = kExperimentDefault,
    .tie_breakers = kExperimentTieBreakers,
    .operators_in_capitals = true,
};

// --- Registered models

constexpr std::string_view kRegisteredModelOwner[] = {"workspace", "name"};
constexpr AttributeSpec kRegisteredModelAttributes[] = {
    {.name = "name",
     .column = "name",
     .ops = kTextOrListOps,
     .nullable = false,
     .unique = true,
     .indexed = true},
    {.name = "timestamp",
     .column = "last_updated_time",
     .type = ValueType::kWholeNumber},
    {.name = "last_updated_timestamp",
     .column = "last_updated_time",
     .type = ValueType::kWholeNumber},
};
constexpr CollectionSpec kRegisteredModelCollections[] = {
    {.field = Field::kTag, .table = "registered_model_tags", .ops = kTextOps},
};
constexpr OrderSpec kRegisteredModelTieBreakers[] = {{"name", true}};
const EntitySchema kRegisteredModels = {
    .entity = Entity::kRegisteredModel,
    .plural = "registered models",
    .table = "registered_models",
    .owner_columns = kRegisteredModelOwner,
    .prefixes = kAttributeAndTag,
    .attributes = kRegisteredModelAttributes,
    .collections = kRegisteredModelCollections,
    .default_order = {},
    .tie_breakers = kRegisteredModelTieBreakers,
    .quoted_attributes = false,
    .prefix_in_order = false,
    .refuse_order_twice = true,
};

// --- Model versions

constexpr std::string_view kModelVersionOwner[] = {"workspace", "name",
                                                   "version"};
constexpr AttributeSpec kModelVersionAttributes[] = {
    {.name = "name",
     .column = "name",
     .ops = kTextOrListOps,
     .nullable = false},
    {.name = "version_number",
     .column = "version",
     .type = ValueType::kAnyInteger,
     .ops = kOrderingOps,
     .nullable = false},
    {.name = "run_id",
     .column = "run_id",
     .ops = kTextOrListOps,
     .orderable = false},
    {.name = "source_path",
     .column = "source",
     .ops = kTextOps,
     .orderable = false},
    {.name = "creation_timestamp",
     .column = "creation_time",
     .type = ValueType::kWholeNumber},
    {.name = "last_updated_timestamp",
     .column = "last_updated_time",
     .type = ValueType::kWholeNumber},
};
constexpr CollectionSpec kModelVersionCollections[] = {
    {.field = Field::kTag, .table = "model_version_tags", .ops = kTextOps},
};
constexpr OrderSpec kModelVersionDefault[] = {
    {"last_updated_timestamp", false}};
constexpr OrderSpec kModelVersionTieBreakers[] = {{"name", true},
                                                  {"version_number", false}};
const EntitySchema kModelVersions = {
    .entity = Entity::kModelVersion,
    .plural = "model versions",
    .table = "model_versions",
    .owner_columns = kModelVersionOwner,
    .prefixes = kAttributeAndTag,
    .attributes = kModelVersionAttributes,
    .collections = kModelVersionCollections,
    .default_order = kModelVersionDefault,
    .tie_breakers = kModelVersionTieBreakers,
    .quoted_attributes = false,
    .refuse_order_twice = true,
};

// --- Logged models

constexpr std::string_view kLoggedModelOwner[] = {"model_id"};
constexpr PrefixSpec kLoggedModelPrefixes[] = {
    {"attributes", Field::kAttribute},
    {"metrics", Field::kMetric},
    {"params", Field::kParam},
    {"tags", Field::kTag}};
constexpr AttributeSpec LoggedModelTime(std::string_view name,
                                        std::string_view column) {
  return {.name = name,
          .column = column,
          .type = ValueType::kNumber,
          .ops = kOrderingOps,
          .nullable = false,
          .indexed = column == "creation_timestamp_ms"};
}
constexpr AttributeSpec kLoggedModelAttributes[] = {
    {.name = "model_id",
     .column = "model_id",
     .ops = kTextOrListOps,
     .nullable = false,
     .unique = true},
    {.name = "name",
     .column = "name",
     .ops = kTextOrListOps,
     .nullable = false},
    {.name = "model_type", .column = "model_type", .ops = kTextOrListOps},
    {.name = "source_run_id", .column = "source_run_id", .ops = kTextOrListOps},
    {.name = "status",
     .column = "status",
     .type = ValueType::kIntegerAsText,
     .ops = kTextOrListOps,
     .nullable = false},
    {.name = "status_message",
     .column = "status_message",
     .ops = kTextOrListOps},
    {.name = "experiment_id",
     .column = "experiment_id",
     .type = ValueType::kIntegerAsText,
     .ops = kTextOrListOps,
     .nullable = false},
    {.name = "artifact_location",
     .column = "artifact_location",
     .ops = kTextOrListOps,
     .nullable = false},
    {.name = "lifecycle_stage",
     .column = "lifecycle_stage",
     .ops = kTextOrListOps},
    LoggedModelTime("creation_timestamp_ms", "creation_timestamp_ms"),
    LoggedModelTime("creation_timestamp", "creation_timestamp_ms"),
    LoggedModelTime("creation_time", "creation_timestamp_ms"),
    LoggedModelTime("last_updated_timestamp_ms", "last_updated_timestamp_ms"),
    LoggedModelTime("last_updated_timestamp", "last_updated_timestamp_ms"),
};
constexpr CollectionSpec kLoggedModelCollections[] = {
    {.field = Field::kMetric,
     .table = "logged_model_metrics",
     .key_column = "metric_name",
     .value_column = "metric_value",
     .ops = kOrderingOps,
     .orderable = true},
    {.field = Field::kParam,
     .table = "logged_model_params",
     .key_column = "param_key",
     .value_column = "param_value",
     .ops = kTextOrListOps},
    {.field = Field::kTag,
     .table = "logged_model_tags",
     .key_column = "tag_key",
     .value_column = "tag_value",
     .ops = kTextOrListOps},
};
constexpr OrderSpec kLoggedModelTieBreakers[] = {{"creation_timestamp", false},
                                                 {"model_id", true}};
const EntitySchema kLoggedModels = {
    .entity = Entity::kLoggedModel,
    .plural = "logged models",
    .table = "logged_models",
    .owner_columns = kLoggedModelOwner,
    .prefixes = kLoggedModelPrefixes,
    .attributes = kLoggedModelAttributes,
    .collections = kLoggedModelCollections,
    .default_order = {},
    .tie_breakers = kLoggedModelTieBreakers,
    .plain_text = true,
};

}  // namespace

const EntitySchema& GetEntitySchema(Entity entity) {
  switch (entity) {
    case Entity::kRun:
      return kRuns;
    case Entity::kExperiment:
      return kExperiments;
    case Entity::kRegisteredModel:
      return kRegisteredModels;
    case Entity::kModelVersion:
      return kModelVersions;
    case Entity::kLoggedModel:
      return kLoggedModels;
  }
  return kRuns;
}

}  // namespace millstream::storage::search
