#include "gateway/graphql/limits_check.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::gateway::graphql {
namespace {

using Selections = std::vector<Selection>;

// A selection set with what fragments add to it, not yet looked at.
struct Level {
  std::vector<const Selection*> fields;
  int aliases = 0;
};

class Scanner {
 public:
  explicit Scanner(const Document& document) {
    for (const Fragment& fragment : document.fragments) {
      fragments_[fragment.name] = &fragment;
    }
  }

  std::string Scan(const Operation& operation) {
    struct Pending {
      const Selections* selections;
      int depth;
    };
    std::vector<Pending> pending = {{&operation.selections, 1}};
    while (!pending.empty()) {
      const Pending next = pending.back();
      pending.pop_back();
      if (next.depth > limits::kGraphqlDepthMax) {
        return StrCat("Query exceeds maximum depth of ",
                      limits::kGraphqlDepthMax);
      }
      const Level level = Flatten(*next.selections);
      if (selections_ > limits::kGraphqlSelectionsMax) {
        return StrCat("Query exceeds maximum total selections of ",
                      limits::kGraphqlSelectionsMax);
      }
      if (next.depth == 1) root_fields_ += level.fields.size();
      aliases_ = std::max(aliases_, level.aliases);
      for (const Selection* field : level.fields) {
        if (!field->selections.empty()) {
          pending.push_back({&field->selections, next.depth + 1});
        }
      }
    }
    return "";
  }

  std::string Verdict() const {
    if (root_fields_ > limits::kGraphqlRootFieldsMax) {
      return StrCat("GraphQL queries should have at most ",
                    limits::kGraphqlRootFieldsMax, " root fields, got ",
                    root_fields_, " root fields. Send several queries.");
    }
    if (aliases_ > limits::kGraphqlAliasesMax) {
      return StrCat("GraphQL queries should have at most ",
                    limits::kGraphqlAliasesMax, " aliases, got ", aliases_,
                    " aliases. Send several queries.");
    }
    return "";
  }

 private:
  // The fields of one level, those of fragments among them. Counts each.
  Level Flatten(const Selections& selections) {
    Level level;
    absl::flat_hash_set<std::string_view> spread;
    std::vector<const Selections*> pending = {&selections};
    while (!pending.empty() && selections_ <= limits::kGraphqlSelectionsMax) {
      const Selections& next = *pending.back();
      pending.pop_back();
      for (const Selection& selection : next) {
        if (selection.kind == Selection::Kind::kField) {
          level.fields.push_back(&selection);
          if (!selection.alias.empty()) ++level.aliases;
          ++selections_;
        } else if (selection.kind == Selection::Kind::kInline) {
          pending.push_back(&selection.selections);
        } else if (spread.insert(selection.name).second) {
          const auto it = fragments_.find(selection.name);
          if (it != fragments_.end()) {
            pending.push_back(&it->second->selections);
          }
        }
      }
    }
    return level;
  }

  absl::flat_hash_map<std::string_view, const Fragment*> fragments_;
  size_t root_fields_ = 0;
  int aliases_ = 0;
  int selections_ = 0;
};

}  // namespace

std::string CheckLimits(const Document& document) {
  Scanner scanner(document);
  for (const Operation& operation : document.operations) {
    if (std::string problem = scanner.Scan(operation); !problem.empty()) {
      return problem;
    }
  }
  return scanner.Verdict();
}

}  // namespace millstream::gateway::graphql
