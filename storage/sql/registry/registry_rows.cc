#include "storage/sql/registry/registry_rows.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/in_list.h"

namespace millstream::storage::sql {
namespace {

// The columns, each of table "v".
std::string VersionColumns() {
  std::string columns;
  for (std::string_view column : kModelVersionColumns) {
    StrAppend(&columns, columns.empty() ? "v." : ", v.", column);
  }
  return columns;
}

absl::Status NoSuchModel(std::string_view name) {
  return DoesNotExist("Registered Model with name=", name, " not found");
}

absl::Status NoSuchVersion(std::string_view name, int64_t version) {
  return DoesNotExist("Model Version (name=", name, ", version=", version,
                      ") not found");
}

v1::ModelVersionStatus ParseStatus(std::string_view text) {
  v1::ModelVersionStatus status = v1::MODEL_VERSION_STATUS_UNSPECIFIED;
  v1::ModelVersionStatus_Parse(std::string(text), &status);
  return status;
}

int64_t VersionNumber(const v1::ModelVersion& version) {
  int64_t number = 0;
  return absl::SimpleAtoi(version.version(), &number) ? number : 0;
}

using ModelsByName =
    absl::flat_hash_map<std::string_view, v1::RegisteredModel*>;

absl::Status LoadModelTagsAndAliases(Connection& connection,
                                     const std::vector<std::string>& names,
                                     ModelsByName& by_name) {
  RETURN_IF_ERROR(ForEachRowIn(
      connection,
      "SELECT name, \"key\", value FROM registered_model_tags WHERE name",
      names, " AND workspace = ? ORDER BY name, \"key\"",
      [&](const Statement& row) {
        v1::RegisteredModel* const model = FindOrNull(by_name, row.Text(0));
        if (model == nullptr) return;
        v1::RegisteredModelTag* tag = model->add_tags();
        tag->set_key(std::string(row.Text(1)));
        tag->set_value(std::string(row.Text(2)));
      },
      kWorkspace));
  return ForEachRowIn(
      connection,
      "SELECT name, alias, version FROM registered_model_aliases WHERE name",
      names, " AND workspace = ? ORDER BY name, alias",
      [&](const Statement& row) {
        v1::RegisteredModel* const model = FindOrNull(by_name, row.Text(0));
        if (model == nullptr) return;
        v1::RegisteredModelAlias* alias = model->add_aliases();
        alias->set_alias(std::string(row.Text(1)));
        alias->set_version(StrCat(row.Int64(2)));
      },
      kWorkspace);
}

absl::Status LoadNewestVersions(Connection& connection,
                                const std::vector<std::string>& names,
                                StageOrder order, ModelsByName& by_name) {
  static const std::string before = StrCat(
      "SELECT ", VersionColumns(),
      " FROM (SELECT name, current_stage, MIN(version) AS first_version, "
      "MAX(version) AS version FROM model_versions WHERE name");
  static const std::string grouped = StrCat(
      " AND workspace = ? AND current_stage <> ? GROUP BY name, current_stage) "
      "AS newest CROSS JOIN model_versions AS v WHERE v.workspace = ? "
      "AND v.name = newest.name AND v.version = newest.version ");
  const std::string after =
      StrCat(grouped, order == StageOrder::kByFirstUse
                          ? "ORDER BY newest.name, newest.first_version"
                          : "ORDER BY newest.name, newest.current_stage");
  std::vector<v1::ModelVersion*> versions;
  RETURN_IF_ERROR(ForEachRowIn(
      connection, before, names, after,
      [&](const Statement& row) {
        v1::RegisteredModel* const model = FindOrNull(by_name, row.Text(0));
        if (model == nullptr) return;
        v1::ModelVersion* version = model->add_latest_versions();
        ReadModelVersion(row, version);
        versions.push_back(version);
      },
      kWorkspace, kStageDeletedInternal, kWorkspace));
  return LoadVersionTags(connection, versions);
}

// Reads tags of `count` versions, each two placeholders; the workspace is the
// last.
std::string VersionTagsSql(Dialect dialect, size_t count) {
  constexpr std::string_view kSelect =
      "SELECT t.name, t.version, t.\"key\", t.value FROM ";
  const bool is_mysql = dialect == Dialect::kMysql;
  // Of a list of rows that has a name, types come from the first row.
  const std::string_view row = dialect == Dialect::kPostgres
                                   ? "(CAST(? AS TEXT), CAST(? AS INTEGER))"
                                   : "(?, ?)";
  std::string rows;
  for (size_t i = 0; i < count; ++i) StrAppend(&rows, i == 0 ? "" : ", ", row);
  if (is_mysql) {
    // MySQL and MariaDB write such a list differently, and would compare it by
    // another collation.
    return StrCat(kSelect, "model_version_tags AS t WHERE (t.name, t.version) ",
                  "IN (", rows, ") AND t.workspace = ? ORDER BY t.\"key\"");
  }
  // The list leads, whatever the planner thinks.
  return StrCat("WITH page (name, version) AS (VALUES ", rows, ") ", kSelect,
                "page CROSS JOIN model_version_tags AS t WHERE t.workspace = ? "
                "AND t.name = page.name AND t.version = page.version "
                "ORDER BY t.\"key\"");
}

}  // namespace

void ReadRegisteredModel(const Statement& row, v1::RegisteredModel* model) {
  model->set_name(std::string(row.Text(0)));
  model->set_creation_timestamp(row.Int64(1));
  if (!row.IsNull(2)) model->set_last_updated_timestamp(row.Int64(2));
  // MLflow leaves an empty one out, for models alone.
  if (!row.Text(3).empty()) model->set_description(std::string(row.Text(3)));
}

void ReadModelVersion(const Statement& row, v1::ModelVersion* version) {
  version->set_name(std::string(row.Text(0)));
  version->set_version(StrCat(row.Int64(1)));
  version->set_creation_timestamp(row.Int64(2));
  if (!row.IsNull(3)) version->set_last_updated_timestamp(row.Int64(3));
  if (!row.IsNull(4)) version->set_description(std::string(row.Text(4)));
  if (!row.IsNull(5)) version->set_user_id(std::string(row.Text(5)));
  if (!row.IsNull(6)) version->set_current_stage(std::string(row.Text(6)));
  if (!row.IsNull(7)) version->set_source(std::string(row.Text(7)));
  if (!row.IsNull(8)) version->set_run_id(std::string(row.Text(8)));
  if (!row.IsNull(9)) version->set_run_link(std::string(row.Text(9)));
  if (!row.IsNull(10)) version->set_status(ParseStatus(row.Text(10)));
  if (!row.Text(11).empty()) {
    version->set_status_message(std::string(row.Text(11)));
  }
}

absl::Status LoadRegisteredModel(Connection& connection, std::string_view name,
                                 v1::RegisteredModel* model) {
  {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query("SELECT name, creation_time, last_updated_time, "
                         "description FROM registered_models "
                         "WHERE workspace = ? AND name = ?",
                         kWorkspace, name));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found) return NoSuchModel(name);
    ReadRegisteredModel(*row, model);
  }
  return LoadModelParts(connection, {model}, StageOrder::kByFirstUse);
}

absl::Status LoadModelVersion(Connection& connection, std::string_view name,
                              int64_t version, v1::ModelVersion* found) {
  static const std::string sql =
      StrCat("SELECT ", VersionColumns(),
             " FROM model_versions AS v WHERE v.workspace = ? AND v.name = ? "
             "AND v.version = ? AND v.current_stage <> ?");
  {
    ASSIGN_OR_RETURN(StatementPtr row,
                     connection.Query(sql, kWorkspace, name, version,
                                      kStageDeletedInternal));
    ASSIGN_OR_RETURN(const bool exists, row->Step());
    if (!exists) return NoSuchVersion(name, version);
    ReadModelVersion(*row, found);
  }
  RETURN_IF_ERROR(LoadVersionTags(connection, {found}));
  return LoadVersionAliases(connection, name, {found});
}

absl::Status CheckModelExists(Connection& connection, std::string_view name) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Query("SELECT 1 FROM registered_models "
                                    "WHERE workspace = ? AND name = ?",
                                    kWorkspace, name));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  return found ? absl::OkStatus() : NoSuchModel(name);
}

absl::Status CheckVersionExists(Connection& connection, std::string_view name,
                                int64_t version) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT 1 FROM model_versions WHERE workspace = ? "
                       "AND name = ? AND version = ? AND current_stage <> ?",
                       kWorkspace, name, version, kStageDeletedInternal));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  return found ? absl::OkStatus() : NoSuchVersion(name, version);
}

absl::Status LoadModelParts(Connection& connection,
                            absl::Span<v1::RegisteredModel* const> models,
                            StageOrder order) {
  std::vector<std::string> names;
  ModelsByName by_name;
  for (v1::RegisteredModel* model : models) {
    names.push_back(model->name());
    by_name[model->name()] = model;
  }
  RETURN_IF_ERROR(LoadModelTagsAndAliases(connection, names, by_name));
  return LoadNewestVersions(connection, names, order, by_name);
}

absl::Status LoadVersionTags(Connection& connection,
                             absl::Span<v1::ModelVersion* const> versions) {
  absl::flat_hash_map<std::pair<std::string_view, int64_t>, v1::ModelVersion*>
      by_key;
  for (v1::ModelVersion* version : versions) {
    by_key[{version->name(), VersionNumber(*version)}] = version;
  }
  for (size_t begin = 0; begin < versions.size(); begin += kInListMax) {
    const size_t count = std::min(versions.size() - begin, kInListMax);
    const size_t padded = PaddedInListSize(count);
    // The tags of each version are together.
    ASSIGN_OR_RETURN(StatementPtr row, connection.Prepare(VersionTagsSql(
                                           connection.dialect(), padded)));
    int index = 0;
    for (size_t i = 0; i < padded; ++i) {
      // Padding is a version that there is not.
      row->Bind(++index, i < count
                             ? std::string_view(versions[begin + i]->name())
                             : std::string_view());
      row->Bind(++index, i < count ? VersionNumber(*versions[begin + i]) : -1);
    }
    row->Bind(++index, kWorkspace);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row->Step());
      if (!more) break;
      v1::ModelVersion* const version =
          FindOrNull(by_key, {row->Text(0), row->Int64(1)});
      if (version == nullptr) continue;
      v1::ModelVersionTag* tag = version->add_tags();
      tag->set_key(std::string(row->Text(2)));
      tag->set_value(std::string(row->Text(3)));
    }
  }
  return absl::OkStatus();
}

absl::Status LoadVersionAliases(Connection& connection, std::string_view name,
                                absl::Span<v1::ModelVersion* const> versions) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT alias, version FROM registered_model_aliases "
                       "WHERE workspace = ? AND name = ? ORDER BY alias",
                       kWorkspace, name));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return absl::OkStatus();
    for (v1::ModelVersion* version : versions) {
      if (VersionNumber(*version) == row->Int64(1)) {
        version->add_aliases(std::string(row->Text(0)));
      }
    }
  }
}

}  // namespace millstream::storage::sql
