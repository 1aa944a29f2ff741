#include "storage/search/sql_dialect.h"

#include <string>
#include <string_view>

#include "base/str_cat.h"

namespace millstream::storage::search {
namespace {

class Sqlite final : public SqlDialect {
 public:
  explicit Sqlite(bool follows_plans) : follows_plans_(follows_plans) {}

  std::string_view BooleanLiteral(bool value) const override {
    return value ? "1" : "0";
  }

  // SQLite compares bytes unless a collation is asked for.
  std::string TextEquals(std::string_view column) const override {
    return StrCat(column, " = ?");
  }
  std::string TextDiffers(std::string_view column) const override {
    return StrCat(column, " <> ?");
  }
  std::string ExactText(std::string_view column) const override {
    return std::string(column);
  }

  // SQLite's LIKE folds the case of ASCII, so it is ILIKE. GLOB does not, and
  // unlike PRAGMA case_sensitive_like it asks nothing of the connection.
  std::string Like(std::string_view column) const override {
    return StrCat(column, " GLOB ?");
  }
  std::string LikePattern(std::string_view pattern) const override {
    std::string glob;
    glob.reserve(pattern.size() + 8);
    for (const char c : pattern) {
      switch (c) {
        case '%':
          glob += '*';
          break;
        case '_':
          glob += '?';
          break;
        case '*':
        case '?':
        case '[':
          glob += '[';
          glob += c;
          glob += ']';
          break;
        default:
          glob += c;
      }
    }
    return glob;
  }
  std::string ILike(std::string_view column) const override {
    return StrCat(column, " LIKE ?");
  }
  std::string ILikePattern(std::string_view pattern) const override {
    return std::string(pattern);
  }

  std::string IntegerAsText(std::string_view column) const override {
    return StrCat("CAST(", column, " AS TEXT)");
  }

  std::string OrderNullsLast(std::string_view column,
                             bool ascending) const override {
    // NULL is the smallest value, so it is last in a descending order anyway.
    return ascending ? StrCat(column, " ASC NULLS LAST")
                     : StrCat(column, " DESC");
  }

  bool FollowsPlans() const override { return follows_plans_; }

 private:
  const bool follows_plans_;
};

class Postgres final : public SqlDialect {
 public:
  std::string_view BooleanLiteral(bool value) const override {
    return value ? "TRUE" : "FALSE";
  }

  std::string TextEquals(std::string_view column) const override {
    return StrCat(column, " = ?");
  }
  std::string TextDiffers(std::string_view column) const override {
    return StrCat(column, " <> ?");
  }
  std::string ExactText(std::string_view column) const override {
    return std::string(column);
  }

  // A backslash takes the next character as it is, as for MLflow here.
  std::string Like(std::string_view column) const override {
    return StrCat(column, " LIKE ?");
  }
  std::string LikePattern(std::string_view pattern) const override {
    return std::string(pattern);
  }
  std::string ILike(std::string_view column) const override {
    return StrCat(column, " ILIKE ?");
  }
  std::string ILikePattern(std::string_view pattern) const override {
    return std::string(pattern);
  }

  std::string IntegerAsText(std::string_view column) const override {
    return StrCat("CAST(", column, " AS TEXT)");
  }

  // Said in both directions: what is not said differs between engines.
  std::string OrderNullsLast(std::string_view column,
                             bool ascending) const override {
    return StrCat(column, ascending ? " ASC NULLS LAST" : " DESC NULLS LAST");
  }

  bool FollowsPlans() const override { return false; }
};

class Mysql final : public SqlDialect {
 public:
  std::string_view BooleanLiteral(bool value) const override {
    return value ? "TRUE" : "FALSE";
  }

  std::string TextEquals(std::string_view column) const override {
    return StrCat("BINARY ", column, " = ?");
  }
  std::string TextDiffers(std::string_view column) const override {
    return StrCat("BINARY ", column, " <> ?");
  }
  std::string ExactText(std::string_view column) const override {
    return StrCat("BINARY ", column);
  }

  // A backslash takes the next character as it is, as for MLflow here.
  std::string Like(std::string_view column) const override {
    return StrCat(column, " LIKE ? COLLATE utf8mb4_bin");
  }
  std::string LikePattern(std::string_view pattern) const override {
    return std::string(pattern);
  }
  std::string ILike(std::string_view column) const override {
    return StrCat("LOWER(", column, ") LIKE LOWER(?)");
  }
  std::string ILikePattern(std::string_view pattern) const override {
    return std::string(pattern);
  }

  std::string IntegerAsText(std::string_view column) const override {
    return StrCat("CAST(", column, " AS CHAR)");
  }

  std::string OrderNullsLast(std::string_view column,
                             bool ascending) const override {
    // NULL is the smallest value, so it is last in a descending order anyway.
    return ascending ? StrCat(column, " IS NULL, ", column, " ASC")
                     : StrCat(column, " DESC");
  }

  bool FollowsPlans() const override { return false; }
};

}  // namespace

const SqlDialect& MysqlDialect() {
  static const Mysql* const kDialect = new Mysql;
  return *kDialect;
}

const SqlDialect& PostgresDialect() {
  static const Postgres* const kDialect = new Postgres;
  return *kDialect;
}

const SqlDialect& SqliteDialect() {
  static const Sqlite* const kDialect = new Sqlite(/*follows_plans=*/true);
  return *kDialect;
}

const SqlDialect& SqliteMlflowDialect() {
  static const Sqlite* const kDialect = new Sqlite(/*follows_plans=*/false);
  return *kDialect;
}

}  // namespace millstream::storage::search
