// What can be searched, and how its filters are written: one table for each
// kind of entity. Another kind is another table here and its scope in
// sql_generator.cc; lexer, parser and semantics stay as they are.
#ifndef MILLSTREAM_STORAGE_SEARCH_ENTITY_SCHEMA_H_
#define MILLSTREAM_STORAGE_SEARCH_ENTITY_SCHEMA_H_

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"

namespace millstream::storage::search {

enum class Entity : uint8_t {  // numbers are part of page tokens' fingerprints
  kRun = 1,
  kExperiment = 2,
  kRegisteredModel = 3,
  kModelVersion = 4,
  kLoggedModel = 5,
};

// Where a key is looked for.
enum class Field : uint8_t { kAttribute, kMetric, kParam, kTag, kDataset };

// Bits of a set of operators.
enum Op : uint16_t {
  kEqual = 1,
  kNotEqual = 2,
  kLess = 4,
  kLessOrEqual = 8,
  kGreater = 16,
  kGreaterOrEqual = 32,
  kLike = 64,
  kILike = 128,
  kIn = 256,
  kNotIn = 512,
  kIsNull = 1024,
  kIsNotNull = 2048,
};
inline constexpr uint16_t kEquality = kEqual | kNotEqual;
inline constexpr uint16_t kOrderingOps =
    kEquality | kLess | kLessOrEqual | kGreater | kGreaterOrEqual;
inline constexpr uint16_t kTextOps = kEquality | kLike | kILike;
inline constexpr uint16_t kListOps = kIn | kNotIn;
inline constexpr uint16_t kNullOps = kIsNull | kIsNotNull;

// What a filter compares a value of this column with.
enum class ValueType : uint8_t {
  kText,           // quoted text
  kNumber,         // a number
  kWholeNumber,    // a number without fraction
  kQuotedInteger,  // quoted digits, for an integer column
  kAnyInteger,     // a number without fraction, quoted or not
  kIntegerAsText,  // text, for an integer column: compared by its digits
};

struct AttributeSpec {
  std::string_view name;    // as callers write it; aliases have their own row
  std::string_view column;  // of the entity's table
  ValueType type = ValueType::kText;
  uint16_t ops = 0;  // in filters; 0: cannot be filtered
  bool orderable = true;
  bool nullable = true;
  // No two rows of a search have the same value.
  bool unique = false;
  // An index of the entity's table is in this order, after its scope.
  bool indexed = false;
  // Of a run: the name of that index in our own schema.
  std::string_view index = {};
  // Filters ask this tag, of which the column is a copy that may lack.
  std::string_view tag = {};
};

// Keys with values in a table of their own, such as params.
struct CollectionSpec {
  Field field = Field::kTag;
  std::string_view table;
  std::string_view key_column = "key";
  std::string_view value_column = "value";
  uint16_t ops = 0;
  bool orderable = false;
  // Metrics that keep NaN as 0 with a mark in column is_nan.
  bool has_is_nan = false;
};

struct PrefixSpec {
  std::string_view name;  // "metrics"
  Field field = Field::kAttribute;
};

struct OrderSpec {
  std::string_view attribute;
  bool ascending = true;
};

struct EntitySchema {
  Entity entity = Entity::kRun;
  std::string_view plural;  // for messages
  std::string_view table;
  // Columns that identify a row; the collections have them under these names.
  absl::Span<const std::string_view> owner_columns;
  absl::Span<const PrefixSpec> prefixes;
  absl::Span<const AttributeSpec> attributes;
  absl::Span<const CollectionSpec> collections;
  // Used if the caller gives no order.
  absl::Span<const OrderSpec> default_order;
  // Appended to every order unless their column is there already; with them
  // the order is total.
  absl::Span<const OrderSpec> tie_breakers;

  // --- Differences in how the kinds are written, as in MLflow.

  // `metrics`.acc: a prefix may stand in backticks.
  bool prefix_in_backticks = false;
  // `name` and "name" are attributes in filters as well.
  bool quoted_attributes = true;
  // A term of order_by may have a prefix.
  bool prefix_in_order = true;
  // "like" and "in" are refused, LIKE and IN are not.
  bool operators_in_capitals = false;
  // Text may stand without quotes; double quotes are part of text and keys;
  // names may be loose (lexer.h).
  bool plain_text = false;
  // The same key twice in order_by is an error.
  bool refuse_order_twice = false;
};

const EntitySchema& GetEntitySchema(Entity entity);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_ENTITY_SCHEMA_H_
