// Whatever is sent as filter or order: a refusal with a reason, or SQL that has
// a value for each placeholder and nothing of the caller's in its text. The
// first byte says which kind of entity, and whether it is a filter.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"

namespace {

using millstream::storage::search::SearchQuery;
using millstream::storage::search::SqlStatement;
using millstream::storage::search::SqlValue;

void Require(bool condition) {
  if (!condition) std::abort();
}

template <typename Request>
Request Make(std::string_view text, bool is_filter) {
  Request request;
  request.columns = {"name"};
  if (is_filter) {
    request.filter = text;
  } else {
    request.order_by = {text};
  }
  request.max_results = 10;
  return request;
}

absl::StatusOr<SearchQuery> Build(int kind, std::string_view text,
                                  bool is_filter, std::string_view token) {
  namespace s = millstream::storage::search;
  const s::SqlDialect& dialect = s::SqliteDialect();
  switch (kind) {
    case 0: {
      auto request = Make<s::RunSearch>(text, is_filter);
      request.experiment_ids = {"1", "2"};
      request.page_token = token;
      return s::BuildRunSearch(request, dialect);
    }
    case 1: {
      auto request = Make<s::ExperimentSearch>(text, is_filter);
      request.page_token = token;
      return s::BuildExperimentSearch(request, dialect);
    }
    case 2: {
      auto request = Make<s::RegisteredModelSearch>(text, is_filter);
      request.page_token = token;
      return s::BuildRegisteredModelSearch(request, dialect);
    }
    case 3: {
      auto request = Make<s::ModelVersionSearch>(text, is_filter);
      request.page_token = token;
      return s::BuildModelVersionSearch(request, dialect);
    }
    default: {
      s::LoggedModelSearch request;
      request.experiment_ids = {"1"};
      if (is_filter) {
        request.filter = text;
      } else {
        request.order_by = {{.field_name = text}};
      }
      request.datasets = {{.name = text, .digest = text}};
      request.page_token = token;
      return s::BuildLoggedModelSearch(request, dialect);
    }
  }
}

void CheckText(const SqlStatement& sql) {
  Require(std::count(sql.text.begin(), sql.text.end(), '?') ==
          static_cast<ptrdiff_t>(sql.bindings.size()));
  for (const char c : sql.text) Require(c >= ' ' && c <= '~');
  // Text that is written out is closed, and is none of the caller's.
  Require(std::count(sql.text.begin(), sql.text.end(), '\'') % 2 == 0);
  Require(sql.text.find("--") == std::string::npos);
}

void Check(const absl::StatusOr<SearchQuery>& query) {
  if (!query.ok()) {
    Require(millstream::GetErrorCode(query.status()) ==
            millstream::v1::INVALID_PARAMETER_VALUE);
    Require(!query.status().message().empty());
    return;
  }
  Require(!query->ways().empty());
  Require(query->ways().back().probe.text.empty());
  for (const auto& way : query->ways()) {
    CheckText(way.probe);
    for (const auto& part : way.parts) CheckText(part);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int kind = data[0] % 5;
  const bool is_filter = data[0] / 5 % 2 == 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  const auto query = Build(kind, text, is_filter, "");
  Check(query);
  Check(Build(kind, "", true, text));  // the same as a page token
  if (query.ok()) {
    // Values that may not fit the order: the next page is SQL or a refusal.
    const std::vector<SqlValue> cursor(query->cursor_columns(),
                                       SqlValue(std::string(text)));
    Check(Build(kind, text, is_filter, query->NextPageToken(cursor)));
    const std::vector<SqlValue> nulls(query->cursor_columns());
    Check(Build(kind, text, is_filter, query->NextPageToken(nulls)));
  }
  return 0;
}
