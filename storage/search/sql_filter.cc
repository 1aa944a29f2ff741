#include "storage/search/sql_filter.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"

namespace millstream::storage::search {
namespace {

// Prompts are registered models with this tag.
constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";

std::string_view SqlOperator(Op op) {
  switch (op) {
    case kNotEqual:
      return "<>";
    case kLess:
      return "<";
    case kLessOrEqual:
      return "<=";
    case kGreater:
      return ">";
    case kGreaterOrEqual:
      return ">=";
    default:
      return "=";
  }
}

// A condition on text. `column` is qualified.
void AppendTextCondition(std::string_view column, const BoundComparison& c,
                         const SqlDialect& dialect, SqlWriter* out) {
  const auto text = [&c]() -> const std::string& {
    return std::get<std::string>(c.values[0]);
  };
  switch (c.op) {
    case kNotEqual:
      out->Text(dialect.TextDiffers(column)).Bind(c.values[0]);
      return;
    case kLike:
      out->Text(dialect.Like(column)).BindText(dialect.LikePattern(text()));
      return;
    case kILike:
      out->Text(dialect.ILike(column)).BindText(dialect.ILikePattern(text()));
      return;
    case kIn:
    case kNotIn:
      if (c.values.empty()) {
        out->Text(c.op == kIn ? "1 = 0" : "1 = 1");
        return;
      }
      out->Text(dialect.ExactText(column),
                c.op == kIn ? " IN (" : " NOT IN (");
      out->List(c.values).Text(")");
      return;
    default:
      out->Text(dialect.TextEquals(column)).Bind(c.values[0]);
  }
}

void AppendNumberCondition(std::string_view column, const BoundComparison& c,
                           SqlWriter* out) {
  if (c.op == kIn || c.op == kNotIn) {
    out->Text(column, c.op == kIn ? " IN (" : " NOT IN (");
    out->List(c.values).Text(")");
    return;
  }
  out->Text(column, " ", SqlOperator(c.op), " ?").Bind(c.values[0]);
}

class FilterWriter {
 public:
  FilterWriter(const EntitySchema& schema,
               const std::vector<LoggedModelSearch::Dataset>& datasets,
               const SqlDialect& dialect, SqlWriter* out)
      : schema_(schema), datasets_(datasets), dialect_(dialect), out_(*out) {}

  void Comparison(const BoundComparison& comparison) {
    out_.Text(" AND ");
    if (comparison.attribute != nullptr) {
      Attribute(comparison);
    } else if (comparison.collection->field == Field::kDataset) {
      Dataset(comparison);
    } else {
      Collection(comparison);
    }
  }

  // Prompts share the registry's tables and are only shown to who asks for
  // them; else what the filter says about the tag is ignored, as in MLflow.
  // The tag stands in the text, not bound: a partial index on it is used then,
  // and asking for each of a model's versions does not read all their tags.
  void WithoutPrompts(std::string_view tag_table) {
    out_.Text(" AND NOT EXISTS (SELECT 1 FROM ", tag_table,
              " p WHERE p.workspace = e.workspace AND p.name = e.name "
              "AND p.\"key\" = '", kPromptTag, "' AND p.value = 'true')");
  }

 private:
  static std::string Quoted(std::string_view column) {
    return column == "key" ? "\"key\"" : std::string(column);
  }

  void TextCondition(std::string_view column, const BoundComparison& c) {
    AppendTextCondition(column, c, dialect_, &out_);
  }
  void NumberCondition(std::string_view column, const BoundComparison& c) {
    AppendNumberCondition(column, c, &out_);
  }

  void Attribute(const BoundComparison& c) {
    const AttributeSpec& attribute = *c.attribute;
    if (!attribute.tag.empty()) {
      // Our own schema has a copy in the run's row, cheaper to look at first.
      if (dialect_.FollowsPlans()) {
        TextCondition(StrCat("e.", attribute.column), c);
        out_.Text(" AND ");
      }
      OpenExists("tags", "\"key\"", attribute.tag);
      out_.Text(" AND ");
      TextCondition("c.value", c);
      out_.Text(")");
      return;
    }
    const std::string column = StrCat("e.", attribute.column);
    switch (attribute.type) {
      case ValueType::kText:
        return TextCondition(column, c);
      case ValueType::kIntegerAsText:
        return TextCondition(dialect_.IntegerAsText(column), c);
      default:
        return NumberCondition(column, c);
    }
  }

  // "EXISTS (SELECT ... this key", to be closed.
  void OpenExists(std::string_view table, std::string_view key_column,
                  std::string_view key) {
    out_.Text("EXISTS (SELECT 1 FROM ", table, " c WHERE ",
              OwnedByEntity("c", schema_), " AND ",
              KeyEquals(StrCat("c.", key_column)));
    out_.BindText(key);
  }

  void Collection(const BoundComparison& c) {
    const CollectionSpec& spec = *c.collection;
    if (c.op == kIsNull) out_.Text("NOT ");
    OpenExists(spec.table, Quoted(spec.key_column), c.key);
    if (c.op != kIsNull && c.op != kIsNotNull) {
      out_.Text(" AND ");
      Value(StrCat("c.", spec.value_column), c);
    }
    if (schema_.entity == Entity::kLoggedModel &&
        spec.field == Field::kMetric) {
      AppendDatasets(datasets_, "c", dialect_, &out_);
    }
    out_.Text(")");
  }

  void Value(std::string_view column, const BoundComparison& c) {
    if (c.collection->field != Field::kMetric) return TextCondition(column, c);
    if (!c.collection->has_is_nan) return NumberCondition(column, c);
    // NaN differs from every number and compares with none; the 0 that stands
    // for it must not.
    const bool differs = c.op == kNotEqual;
    if (differs) out_.Text("(");
    NumberCondition(column, c);
    out_.Text(differs ? " OR " : " AND ", "c.is_nan = ",
              dialect_.BooleanLiteral(differs), differs ? ")" : "");
  }

  // Runs by what they have logged as input.
  void Dataset(const BoundComparison& c) {
    const bool context = c.key == "context";
    out_.Text("EXISTS (SELECT 1 FROM inputs c JOIN ",
              context ? "input_tags d ON d.input_uuid = c.input_uuid"
                      : "datasets d ON d.dataset_uuid = c.source_id",
              " WHERE c.destination_type = 'RUN'"
              " AND c.destination_id = e.run_uuid"
              " AND c.source_type = 'DATASET'",
              context ? " AND d.name = 'mlflow.data.context' AND " : " AND ");
    TextCondition(context ? "d.value" : StrCat("d.", c.key), c);
    out_.Text(")");
  }

  const EntitySchema& schema_;
  const std::vector<LoggedModelSearch::Dataset>& datasets_;
  const SqlDialect& dialect_;
  SqlWriter& out_;
};

bool IsPromptTag(const BoundComparison& c) {
  return c.collection != nullptr && c.collection->field == Field::kTag &&
         c.key == kPromptTag;
}

// Whether the filter asks for prompts; the first word about them counts.
bool AsksForPrompts(const std::vector<BoundComparison>& filter) {
  for (const BoundComparison& c : filter) {
    if (!IsPromptTag(c)) continue;
    const std::string value =
        absl::AsciiStrToLower(std::get<std::string>(c.values[0]));
    return (c.op == kEqual && value == "true") ||
           (c.op == kNotEqual && value == "false");
  }
  return false;
}

// The place of a condition among those of one filter, which are asked in turn
// until one fails: first what the entity's own row tells, then text that must
// be equal, which few entities have, then what needs a look-up and may well
// hold for most, such as metrics above a bound.
constexpr int kRankMax = 2;
int Rank(const BoundComparison& comparison) {
  if (comparison.attribute != nullptr && comparison.attribute->tag.empty()) {
    return 0;
  }
  const bool metric = comparison.collection != nullptr &&
                      comparison.collection->field == Field::kMetric;
  return comparison.op == kEqual && !metric ? 1 : 2;
}

}  // namespace

SqlWriter& SqlWriter::Bind(SqlValue value) {
  statement_.bindings.push_back(std::move(value));
  return *this;
}

std::string OwnedByEntity(std::string_view alias, const EntitySchema& schema) {
  std::string out;
  for (const std::string_view column : schema.owner_columns) {
    StrAppend(&out, out.empty() ? "" : " AND ", alias, ".", column, " = e.",
              column);
  }
  return out;
}

void AppendDatasets(const std::vector<LoggedModelSearch::Dataset>& datasets,
                    std::string_view alias, const SqlDialect& dialect,
                    SqlWriter* out) {
  if (datasets.empty()) return;
  std::string_view separator = " AND (";
  for (const LoggedModelSearch::Dataset& dataset : datasets) {
    out->Text(separator, "(",
              KeyEquals(StrCat(alias, ".dataset_name")), " AND ");
    out->BindText(dataset.name);
    if (dataset.digest.empty()) {
      out->Text(alias, ".dataset_digest IS NULL)");
    } else {
      out->Text(KeyEquals(StrCat(alias, ".dataset_digest")), ")");
      out->BindText(dataset.digest);
    }
    separator = " OR ";
  }
  out->Text(")");
}

void AppendValue(const BoundComparison& comparison, std::string_view alias,
                 const SqlDialect& dialect, SqlWriter* out) {
  if (comparison.op == kIsNotNull) return;  // There is the row.
  const std::string column = StrCat(alias, ".value");
  out->Text(" AND ");
  if (comparison.collection->has_is_nan) {
    AppendNumberCondition(column, comparison, out);
  } else {
    AppendTextCondition(column, comparison, dialect, out);
  }
}

void AppendFilter(const std::vector<BoundComparison>& filter,
                  absl::FunctionRef<bool(const BoundComparison&)> done,
                  const EntitySchema& schema,
                  const std::vector<LoggedModelSearch::Dataset>& datasets,
                  const SqlDialect& dialect, SqlWriter* out) {
  FilterWriter writer(schema, datasets, dialect, out);
  const bool in_registry = schema.entity == Entity::kRegisteredModel ||
                           schema.entity == Entity::kModelVersion;
  const bool hide_prompts = in_registry && !AsksForPrompts(filter);
  if (hide_prompts) writer.WithoutPrompts(schema.collections[0].table);
  for (int rank = 0; rank <= kRankMax; ++rank) {
    for (const BoundComparison& comparison : filter) {
      if (Rank(comparison) != rank) continue;
      if (hide_prompts && IsPromptTag(comparison)) continue;
      if (done(comparison)) continue;
      writer.Comparison(comparison);
    }
  }
}

}  // namespace millstream::storage::search
