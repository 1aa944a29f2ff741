#include "storage/search/semantics.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "storage/search/lexer.h"
#include "storage/search/parser.h"

namespace millstream::storage::search {
namespace {

struct OpName {
  std::string_view text;
  Op op;
};
constexpr OpName kOps[] = {
    {"=", kEqual},         {"!=", kNotEqual},
    {"<", kLess},          {"<=", kLessOrEqual},
    {">", kGreater},       {">=", kGreaterOrEqual},
    {"LIKE", kLike},       {"ILIKE", kILike},
    {"IN", kIn},           {"NOT IN", kNotIn},
    {"IS NULL", kIsNull},  {"IS NOT NULL", kIsNotNull},
};

std::string ListOps(uint16_t ops) {
  std::string out;
  for (const OpName& name : kOps) {
    if (ops & name.op) StrAppend(&out, out.empty() ? "" : ", ", name.text);
  }
  return out;
}

// Without the quotes around it, of either kind, and then the backticks.
std::string_view Unquote(std::string_view text) {
  for (const std::string_view quotes : {"'\"", "`"}) {
    if (text.size() >= 2 && text.front() == text.back() &&
        quotes.find(text.front()) != std::string_view::npos) {
      text = text.substr(1, text.size() - 2);
    }
  }
  return text;
}

std::string_view StripBackticks(std::string_view text) {
  while (!text.empty() && text.front() == '`') text.remove_prefix(1);
  while (!text.empty() && text.back() == '`') text.remove_suffix(1);
  return text;
}

bool IsLowerCaseWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 'a' && c <= 'z';
  });
}

// What a name stands for.
struct Target {
  const AttributeSpec* attribute = nullptr;
  const CollectionSpec* collection = nullptr;
  std::string key;

  uint16_t ops() const { return attribute ? attribute->ops : collection->ops; }
};

class Binder {
 public:
  Binder(std::string_view text, const EntitySchema& schema, bool in_order)
      : text_(text), schema_(schema), in_order_(in_order) {}

  absl::StatusOr<Target> BindName(const Name& name) const;
  absl::StatusOr<BoundComparison> BindComparison(
      const Comparison& comparison) const;

 private:
  template <typename... Args>
  absl::Status Error(size_t offset, const Args&... args) const {
    return InvalidParameter(StrCat(args...), " at column ",
                            ColumnOf(text_, offset), ".");
  }

  absl::StatusOr<Field> FindPrefix(const Name& name) const;
  absl::StatusOr<Target> FindAttribute(const Name& name,
                                       std::string_view key) const;
  absl::StatusOr<Op> BindOp(const Comparison& comparison,
                            const Target& target) const;
  absl::StatusOr<SqlValue> BindValue(const Literal& literal,
                                     const Target& target, bool in_list) const;
  absl::StatusOr<SqlValue> BindText(const Literal& literal,
                                    bool in_list) const;
  absl::StatusOr<SqlValue> BindInteger(std::string_view digits,
                                       size_t offset) const;
  absl::StatusOr<SqlValue> BindNumber(const Literal& literal,
                                      bool whole) const;

  const std::string_view text_;
  const EntitySchema& schema_;
  const bool in_order_;
};

absl::StatusOr<Field> Binder::FindPrefix(const Name& name) const {
  const std::string_view prefix = schema_.prefix_in_backticks
                                      ? StripBackticks(name.prefix)
                                      : name.prefix;
  const bool allowed = !in_order_ || schema_.prefix_in_order;
  for (const PrefixSpec& spec : schema_.prefixes) {
    if (allowed && spec.name == prefix) return spec.field;
  }
  std::string known;
  for (const PrefixSpec& spec : schema_.prefixes) {
    StrAppend(&known, known.empty() ? "" : ", ", spec.name);
  }
  if (!allowed) known = "none";
  return Error(name.offset, "Unknown prefix '", FirstCharacters(prefix, 80),
               "' (known for ", schema_.plural, ": ", known, ")");
}

absl::StatusOr<Target> Binder::FindAttribute(const Name& name,
                                             std::string_view key) const {
  const auto usable = [this](const AttributeSpec& spec) {
    return in_order_ ? spec.orderable : spec.ops != 0;
  };
  Target target;
  for (const AttributeSpec& spec : schema_.attributes) {
    if (spec.name != key || !usable(spec)) continue;
    target.attribute = &spec;
    return target;
  }
  std::string known;
  for (const AttributeSpec& spec : schema_.attributes) {
    if (!usable(spec)) continue;
    StrAppend(&known, known.empty() ? "" : ", ", spec.name);
  }
  return Error(name.offset, "Unknown attribute '", FirstCharacters(key, 80),
               "' (", schema_.plural,
               in_order_ ? " are ordered by: " : " have: ", known, ")");
}

absl::StatusOr<Target> Binder::BindName(const Name& name) const {
  std::string_view key;
  Field field = Field::kAttribute;
  if (schema_.plain_text) {
    const bool prefixed =
        name.has_prefix && IsLowerCaseWord(name.prefix) && !name.key.empty();
    if (prefixed) {
      ASSIGN_OR_RETURN(field, FindPrefix(name));
      key = StripBackticks(name.key);
    } else {
      key = name.has_prefix ? text_.substr(name.offset, name.prefix.size() +
                                                            1 + name.key.size())
                            : StripBackticks(name.key);
    }
  } else {
    if (name.has_prefix) {
      ASSIGN_OR_RETURN(field, FindPrefix(name));
    }
    const bool raw = field == Field::kAttribute && !in_order_ &&
                     !schema_.quoted_attributes;
    key = raw ? name.key : Unquote(name.key);
  }
  if (field == Field::kAttribute) return FindAttribute(name, key);
  if (field == Field::kDataset && key != "name" && key != "digest" &&
      key != "context") {
    return Error(name.offset, "Unknown key '", FirstCharacters(key, 80),
                 "' of a dataset (known: name, digest, context)");
  }
  Target target;
  for (const CollectionSpec& spec : schema_.collections) {
    if (spec.field == field) target.collection = &spec;
  }
  if (in_order_ && !target.collection->orderable) {
    return Error(name.offset, "Cannot order ", schema_.plural, " by '",
                 FirstCharacters(name.prefix, 80), "'");
  }
  target.key = std::string(key);
  return target;
}

absl::StatusOr<Op> Binder::BindOp(const Comparison& comparison,
                                  const Target& target) const {
  for (const OpName& name : kOps) {
    if (name.text != comparison.op) continue;
    if (schema_.operators_in_capitals && !comparison.op_in_capitals) {
      return Error(comparison.op_offset, "Write ", comparison.op,
                   " in capitals");
    }
    if (target.ops() & name.op) return name.op;
  }
  return Error(comparison.op_offset, "Operator ",
               FirstCharacters(comparison.op, 20), " does not apply to ",
               FirstCharacters(comparison.name.ToString(), 80), " (it takes ",
               ListOps(target.ops()), ")");
}

absl::StatusOr<SqlValue> Binder::BindInteger(std::string_view digits,
                                             size_t offset) const {
  int64_t value;
  if (absl::SimpleAtoi(AbslView(digits), &value)) return SqlValue(value);
  return Error(offset, "Expected a whole number of at most 64 bits, found ",
               FirstCharacters(digits, 40));
}

absl::StatusOr<SqlValue> Binder::BindNumber(const Literal& literal,
                                            bool whole) const {
  if (literal.kind != LiteralKind::kNumber) {
    return Error(literal.offset, "Expected a number, found ",
                 FirstCharacters(literal.text, 40));
  }
  const bool integer =
      literal.text.find_first_of(".eE") == std::string_view::npos;
  if (whole || integer) {
    absl::StatusOr<SqlValue> value = BindInteger(literal.text, literal.offset);
    if (whole || value.ok() || !schema_.plain_text) return value;
  }
  double value;
  if (absl::SimpleAtod(AbslView(literal.text), &value)) return SqlValue(value);
  return Error(literal.offset, "Expected a number, found ",
               FirstCharacters(literal.text, 40));
}

// Lists are written as in Python, so a backslash means something in them.
std::string UnescapeListItem(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '\\' && (next == '\\' || next == '\'' || next == '"')) ++i;
    out += text[i];
  }
  return out;
}

absl::StatusOr<SqlValue> Binder::BindText(const Literal& literal,
                                          bool in_list) const {
  if (schema_.plain_text) {
    // Only single quotes are quotes here, except in lists.
    const bool strip = in_list || literal.kind == LiteralKind::kString;
    return SqlValue(
        std::string(strip ? literal.text_without_quotes() : literal.text));
  }
  if (!literal.quoted()) {
    return Error(literal.offset, "Expected text in quotes, found ",
                 FirstCharacters(literal.text, 40));
  }
  if (in_list) return SqlValue(UnescapeListItem(literal.text_without_quotes()));
  return SqlValue(std::string(literal.text_without_quotes()));
}

absl::StatusOr<SqlValue> Binder::BindValue(const Literal& literal,
                                           const Target& target,
                                           bool in_list) const {
  if (target.collection != nullptr) {
    if (target.collection->field != Field::kMetric) {
      return BindText(literal, in_list);
    }
    ASSIGN_OR_RETURN(SqlValue value, [&]() -> absl::StatusOr<SqlValue> {
      double number;
      if (literal.kind == LiteralKind::kNumber &&
          absl::SimpleAtod(AbslView(literal.text), &number)) {
        return SqlValue(number);
      }
      return Error(literal.offset, "Expected a number, found ",
                   FirstCharacters(literal.text, 40));
    }());
    return value;
  }
  switch (target.attribute->type) {
    case ValueType::kText:
    case ValueType::kIntegerAsText:
      return BindText(literal, in_list);
    case ValueType::kNumber:
      return BindNumber(literal, /*whole=*/false);
    case ValueType::kWholeNumber:
      return BindNumber(literal, /*whole=*/true);
    case ValueType::kQuotedInteger:
      if (!literal.quoted()) break;
      return BindInteger(literal.text_without_quotes(), literal.offset);
    case ValueType::kAnyInteger:
      if (!literal.quoted() && literal.kind != LiteralKind::kNumber) break;
      return BindInteger(literal.text_without_quotes(), literal.offset);
  }
  return Error(literal.offset, "Expected a number",
               target.attribute->type == ValueType::kQuotedInteger
                   ? " in quotes"
                   : "",
               ", found ", FirstCharacters(literal.text, 40));
}

absl::StatusOr<BoundComparison> Binder::BindComparison(
    const Comparison& comparison) const {
  ASSIGN_OR_RETURN(Target target, BindName(comparison.name));
  BoundComparison bound;
  ASSIGN_OR_RETURN(bound.op, BindOp(comparison, target));
  if (comparison.is_list && comparison.values.empty() && !schema_.plain_text) {
    return Error(comparison.op_offset, "Give at least one value to ",
                 comparison.op);
  }
  bound.values.reserve(comparison.values.size());
  for (const Literal& literal : comparison.values) {
    ASSIGN_OR_RETURN(SqlValue value,
                     BindValue(literal, target, comparison.is_list));
    if ((bound.op & (kLike | kILike)) &&
        literal.text.size() > limits::kSearchPatternBytesMax) {
      return Error(literal.offset, "The pattern is longer than ",
                   limits::kSearchPatternBytesMax, " bytes");
    }
    bound.values.push_back(std::move(value));
  }
  bound.attribute = target.attribute;
  bound.collection = target.collection;
  bound.key = std::move(target.key);
  return bound;
}

// Attributes that share a column are the same.
bool SameKey(const BoundOrder& a, const BoundOrder& b) {
  if (a.attribute != nullptr && b.attribute != nullptr) {
    return a.attribute->column == b.attribute->column;
  }
  return a.attribute == b.attribute && a.collection == b.collection &&
         a.key == b.key && a.dataset_name == b.dataset_name &&
         a.dataset_digest == b.dataset_digest;
}

bool Contains(const std::vector<BoundOrder>& order, const BoundOrder& term) {
  return std::any_of(
      order.begin(), order.end(),
      [&](const BoundOrder& other) { return SameKey(other, term); });
}

void AppendSpecs(absl::Span<const OrderSpec> specs, const EntitySchema& schema,
                 std::vector<BoundOrder>* order) {
  for (const OrderSpec& spec : specs) {
    BoundOrder term;
    for (const AttributeSpec& attribute : schema.attributes) {
      if (attribute.name == spec.attribute) term.attribute = &attribute;
    }
    term.ascending = spec.ascending;
    if (!Contains(*order, term)) order->push_back(std::move(term));
  }
}

// Nothing is left to decide behind a unique column.
void CutBehindUnique(std::vector<BoundOrder>* order) {
  for (size_t i = 0; i < order->size(); ++i) {
    const AttributeSpec* attribute = (*order)[i].attribute;
    if (attribute != nullptr && attribute->unique) {
      order->resize(i + 1);
      return;
    }
  }
}

absl::Status CheckCount(size_t terms) {
  if (terms <= limits::kSearchOrderByMax) return absl::OkStatus();
  return InvalidParameter("order_by has at most ", limits::kSearchOrderByMax,
                          " terms.");
}

// A term's errors name the term, as columns are counted in each.
absl::Status InTerm(std::string_view term, const absl::Status& status) {
  return InvalidParameter("order_by '", FirstCharacters(term, 80), "': ",
                          StdView(status.message()));
}

absl::StatusOr<BoundOrder> BindTerm(std::string_view text,
                                    const EntitySchema& schema) {
  if (!text.empty() && StripSpace(text) != text) {
    return InvalidParameter("Take away the blanks around it.");
  }
  ASSIGN_OR_RETURN(OrderTerm term, ParseOrderTerm(text));
  ASSIGN_OR_RETURN(
      Target target,
      Binder(text, schema, /*in_order=*/true).BindName(term.name));
  BoundOrder bound;
  bound.attribute = target.attribute;
  bound.collection = target.collection;
  bound.key = std::move(target.key);
  bound.ascending = term.ascending;
  return bound;
}

absl::StatusOr<BoundOrder> BindLoggedModelTerm(
    const LoggedModelSearch::OrderBy& term, const EntitySchema& schema) {
  BoundOrder bound;
  bound.ascending = term.ascending;
  const std::string_view field = term.field_name;
  if (field.size() > limits::kSearchKeyBytesMax) {
    return InvalidParameter("A field_name has at most ",
                            limits::kSearchKeyBytesMax, " bytes.");
  }
  const size_t dot = field.find('.');
  if (dot == std::string_view::npos) {
    for (const AttributeSpec& attribute : schema.attributes) {
      if (attribute.name == field) bound.attribute = &attribute;
    }
    if (bound.attribute != nullptr) return bound;
    return WithAttributeNotFound(
        InvalidParameter("Logged models cannot be ordered by field_name '",
                         FirstCharacters(field, 80),
                         "': use an attribute such as creation_timestamp, "
                         "or metrics.<name>."));
  }
  if (field.substr(0, dot) != "metrics") {
    return InvalidParameter("Logged models cannot be ordered by field_name '",
                            FirstCharacters(field, 80),
                            "': only metrics.<name> has a dot.");
  }
  for (const CollectionSpec& spec : schema.collections) {
    if (spec.field == Field::kMetric) bound.collection = &spec;
  }
  bound.key = std::string(field.substr(dot + 1));
  bound.dataset_name = std::string(term.dataset_name);
  bound.dataset_digest = std::string(term.dataset_digest);
  return bound;
}

}  // namespace

absl::StatusOr<std::vector<BoundComparison>> BindFilter(
    std::string_view text, const EntitySchema& schema) {
  ASSIGN_OR_RETURN(Filter filter, ParseFilter(text, schema.plain_text));
  const Binder binder(text, schema, /*in_order=*/false);
  std::vector<BoundComparison> bound;
  bound.reserve(filter.comparisons.size());
  for (const Comparison& comparison : filter.comparisons) {
    ASSIGN_OR_RETURN(BoundComparison one, binder.BindComparison(comparison));
    bound.push_back(std::move(one));
  }
  return bound;
}

absl::StatusOr<std::vector<BoundOrder>> BindOrder(
    absl::Span<const std::string_view> terms, const EntitySchema& schema) {
  RETURN_IF_ERROR(CheckCount(terms.size()));
  std::vector<BoundOrder> order;
  for (const std::string_view text : terms) {
    absl::StatusOr<BoundOrder> term = BindTerm(text, schema);
    if (!term.ok()) return InTerm(text, term.status());
    if (!Contains(order, *term)) {
      order.push_back(*std::move(term));
    } else if (schema.refuse_order_twice) {
      return InTerm(text, InvalidParameter("This key is there twice."));
    }
  }
  if (terms.empty()) AppendSpecs(schema.default_order, schema, &order);
  AppendSpecs(schema.tie_breakers, schema, &order);
  CutBehindUnique(&order);
  return order;
}

absl::StatusOr<std::vector<BoundOrder>> BindLoggedModelOrder(
    absl::Span<const LoggedModelSearch::OrderBy> terms) {
  const EntitySchema& schema = GetEntitySchema(Entity::kLoggedModel);
  RETURN_IF_ERROR(CheckCount(terms.size()));
  std::vector<BoundOrder> order;
  for (const LoggedModelSearch::OrderBy& term : terms) {
    ASSIGN_OR_RETURN(BoundOrder bound, BindLoggedModelTerm(term, schema));
    if (!Contains(order, bound)) order.push_back(std::move(bound));
  }
  AppendSpecs(schema.tie_breakers, schema, &order);
  CutBehindUnique(&order);
  return order;
}

}  // namespace millstream::storage::search
