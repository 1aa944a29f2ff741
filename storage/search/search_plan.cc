#include "storage/search/search_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace millstream::storage::search {
namespace {

constexpr std::string_view kStartColumn = "start_time";

// The entry whose rows are those that the comparison allows, or more for what
// an index cannot tell; none if it allows runs that no index holds together.
std::optional<Entry> EntryOf(const BoundComparison& c) {
  if (c.attribute != nullptr) {
    // The other columns with an index are times: ranges, too wide as a rule.
    if (c.attribute->index.empty() || c.op != kEqual ||
        c.attribute->type != ValueType::kText) {
      return std::nullopt;
    }
    return Entry{.attribute = c.attribute};
  }
  if (c.collection->field == Field::kDataset || c.op == kNotEqual ||
      c.op == kIsNull) {
    return std::nullopt;
  }
  return Entry{.kind = Entry::Kind::kValues,
               .collection = c.collection,
               .key = c.key};
}

bool Same(const Entry& a, const Entry& b) {
  if (a.kind != b.kind || a.collection != b.collection || a.key != b.key) {
    return false;
  }
  return a.attribute == b.attribute ||
         (a.attribute != nullptr && b.attribute != nullptr &&
          a.attribute->index == b.attribute->index);
}

// Runs that are equal in something lie in the default order.
bool IsEquality(const Entry& entry, const BoundSearch& search) {
  return std::any_of(
      search.filter.begin(), search.filter.end(),
      [&](const BoundComparison& c) {
        if (c.op != kEqual) return false;
        const std::optional<Entry> other = EntryOf(c);
        return other.has_value() && Same(*other, entry);
      });
}

// How promising an equality is to begin with: names are nearly unique.
int RankOfEquality(const Entry& entry) {
  return entry.attribute != nullptr ? 0 : 1;
}

// Runs in the default order: the index that holds most of their columns.
Entry DefaultEntry(const BoundSearch& search) {
  for (const AttributeSpec& spec : search.schema->attributes) {
    if (spec.column == kStartColumn) return Entry{.attribute = &spec};
  }
  return Entry();
}

// Where to begin if the order is that of the start.
Entry BestEquality(const BoundSearch& search) {
  Entry best = DefaultEntry(search);
  int best_rank = 2;
  for (const BoundComparison& c : search.filter) {
    if (c.op != kEqual) continue;
    const std::optional<Entry> entry = EntryOf(c);
    if (!entry.has_value() || RankOfEquality(*entry) >= best_rank) continue;
    best_rank = RankOfEquality(*entry);
    best = *entry;
  }
  return best;
}

// All runs, by the key that the order begins with.
std::vector<Entry> WalkOfKey(const BoundSearch& search) {
  const BoundOrder& order = search.order[0];
  bool is_missing = false;   // no run with the key matches
  bool is_there = false;     // none without
  bool nans_match = order.collection->has_is_nan;
  for (const BoundComparison& c : search.filter) {
    if (c.collection != order.collection || c.key != order.key) continue;
    (c.op == kIsNull ? is_missing : is_there) = true;
    nans_match = nans_match && c.op == kNotEqual;
  }
  std::vector<Entry> entries;
  const auto add = [&](Entry::Kind kind) {
    entries.push_back(
        {.kind = kind, .collection = order.collection, .key = order.key});
  };
  if (!is_missing) add(Entry::Kind::kValues);
  if (nans_match) add(Entry::Kind::kNans);
  if (!is_there || is_missing) add(Entry::Kind::kMissing);
  return entries;
}

std::vector<Entry> WalkOfOrder(const BoundSearch& search) {
  const BoundOrder& order = search.order[0];
  if (order.collection != nullptr) return WalkOfKey(search);
  if (order.attribute->column == kStartColumn) return {BestEquality(search)};
  if (!order.attribute->index.empty()) {
    return {Entry{.attribute = order.attribute}};
  }
  return {DefaultEntry(search)};
}

}  // namespace

bool NamesRuns(const BoundSearch& search) {
  return std::any_of(search.filter.begin(), search.filter.end(),
                     [](const BoundComparison& c) {
                       return c.attribute != nullptr && c.attribute->unique &&
                              (c.op == kEqual || c.op == kIn);
                     });
}

bool IsInOrder(const Entry& entry, const BoundSearch& search) {
  const BoundOrder& order = search.order[0];
  if (order.collection != nullptr) {
    return entry.IsOf(order.collection, order.key);
  }
  if (!order.attribute->indexed) return false;
  if (entry.kind == Entry::Kind::kTable &&
      (entry.attribute == nullptr ||
       entry.attribute->column == order.attribute->column)) {
    return true;
  }
  return order.attribute->column == kStartColumn && IsEquality(entry, search);
}

std::vector<Way> PlanRuns(const BoundSearch& search) {
  if (NamesRuns(search)) return {Way{.entries = {Entry()}}};
  Way last{.entries = WalkOfOrder(search)};
  std::vector<Way> ways;
  const auto is_planned = [&](const Entry& entry) {
    return Same(entry, last.entries[0]) ||
           std::any_of(ways.begin(), ways.end(), [&](const Way& way) {
             return Same(entry, way.entries[0]);
           });
  };
  // What must be equal first: it costs least to count, and is rarest.
  for (const bool equal : {true, false}) {
    for (const BoundComparison& c : search.filter) {
      if (ways.size() == kProbesMax) break;
      if ((c.op == kEqual) != equal) continue;
      const std::optional<Entry> entry = EntryOf(c);
      if (!entry.has_value() || is_planned(*entry)) continue;
      ways.push_back({.is_probed = true, .entries = {*entry}});
    }
  }
  ways.push_back(std::move(last));
  return ways;
}

}  // namespace millstream::storage::search
