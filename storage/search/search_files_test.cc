// Plays testdata/*.search: blocks of "key: value" lines that say what to parse
// or to search for, each followed by what comes out. See testdata/README.md for
// the keys. With --print FILE, prints the file with what comes out now.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/str_cat.h"
#include "gtest/gtest.h"
#include "storage/search/parser.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {
namespace {

// One block: the values of each key, in order.
using Block = std::map<std::string, std::vector<std::string>>;

std::string First(const Block& block, const std::string& key) {
  const auto it = block.find(key);
  return it == block.end() ? "" : it->second[0];
}

std::vector<std::string_view> All(const Block& block, const std::string& key) {
  const auto it = block.find(key);
  if (it == block.end()) return {};
  return {it->second.begin(), it->second.end()};
}

std::vector<std::string> Words(const std::string& text) {
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

std::string Show(const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return absl::StrCat(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    const std::string text = absl::StrCat(*real);
    return text.find_first_of(".ein") == std::string::npos ? text + ".0" : text;
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return absl::StrCat("'", absl::CHexEscape(*text), "'");
  }
  return "NULL";
}

// The reverse, for "after".
SqlValue ReadValue(const std::string& text) {
  int64_t integer;
  double real;
  if (text == "NULL") return std::monostate();
  if (absl::SimpleAtoi(text, &integer)) return integer;
  if (absl::SimpleAtod(text, &real)) return real;
  return text.substr(1, text.size() - 2);
}

ViewType ReadView(const std::string& text) {
  if (text == "ALL") return ViewType::kAll;
  if (text == "DELETED_ONLY") return ViewType::kDeletedOnly;
  return ViewType::kActiveOnly;
}

int64_t MaxResults(const Block& block) {
  int64_t value;
  return absl::SimpleAtoi(First(block, "max"), &value) ? value : 10;
}

// Requests borrow from the block and from `ids`.
absl::StatusOr<SearchQuery> Build(const Block& block,
                                  std::string_view page_token) {
  const std::string kind = First(block, "search");
  const std::string filter = First(block, "filter");
  const std::vector<std::string_view> order = All(block, "order_by");
  const std::vector<std::string> ids = Words(First(block, "experiments"));
  const std::vector<std::string_view> id_views(ids.begin(), ids.end());
  const int64_t max = MaxResults(block);
  const SqlDialect& dialect = SqliteDialect();
  if (kind == "runs") {
    return BuildRunSearch({{"run_uuid"}, id_views, filter,
                           ReadView(First(block, "view")), order, max,
                           page_token},
                          dialect);
  }
  if (kind == "experiments") {
    return BuildExperimentSearch({{"experiment_id"}, filter,
                                  ReadView(First(block, "view")), order, max,
                                  page_token},
                                 dialect);
  }
  if (kind == "registered models") {
    return BuildRegisteredModelSearch(
        {{"name"}, "default", filter, order, max, page_token}, dialect);
  }
  if (kind == "model versions") {
    return BuildModelVersionSearch(
        {{"name", "version"}, "default", filter, order, max, page_token},
        dialect);
  }
  // "field asc|desc [dataset [digest]]" and "name [digest]"
  std::vector<std::vector<std::string>> words;
  for (const std::string_view term : order) {
    words.push_back(Words(std::string(term)));
  }
  LoggedModelSearch request;
  for (const std::vector<std::string>& term : words) {
    request.order_by.push_back({.field_name = term[0],
                                .ascending = term[1] == "asc",
                                .dataset_name = term.size() > 2 ? term[2] : "",
                                .dataset_digest =
                                    term.size() > 3 ? term[3] : ""});
  }
  std::vector<std::vector<std::string>> datasets;
  for (const std::string_view dataset : All(block, "dataset")) {
    datasets.push_back(absl::StrSplit(AbslView(dataset), ' '));
  }
  for (const std::vector<std::string>& dataset : datasets) {
    request.datasets.push_back(
        {dataset[0], dataset.size() > 1 ? dataset[1] : std::string_view()});
  }
  request.columns = {"model_id"};
  request.experiment_ids = id_views;
  request.filter = filter;
  request.max_results = max;
  request.page_token = page_token;
  return BuildLoggedModelSearch(request, dialect);
}

std::string Search(const Block& block) {
  absl::StatusOr<SearchQuery> query = Build(block, "");
  if (query.ok() && block.count("after")) {
    std::vector<SqlValue> cursor;
    for (const std::string& word : Words(First(block, "after"))) {
      cursor.push_back(ReadValue(word));
    }
    query = Build(block, query->NextPageToken(cursor));
  }
  if (!query.ok()) {
    return StrCat("error: ", StdView(query.status().message()), "\n");
  }
  std::string out;
  const auto show = [&out](std::string_view key, const SqlStatement& sql) {
    StrAppend(&out, key, ": ", sql.text, "\nbind:");
    for (const SqlValue& value : sql.bindings) {
      StrAppend(&out, " ", Show(value));
    }
    StrAppend(&out, "\n");
  };
  for (const SearchWay& way : query->ways()) {
    if (!way.probe.text.empty()) show("probe", way.probe);
    for (const SqlStatement& part : way.parts) show("sql", part);
  }
  return out;
}

template <typename Tree>
std::string ShowTree(const absl::StatusOr<Tree>& tree) {
  const std::string text = tree.ok()
                               ? "tree: " + tree->ToString()
                               : StrCat("error: ",
                                        StdView(tree.status().message()));
  return absl::StrReplaceAll(text, {{"\n", "\\n"}}) + "\n";
}

std::string Play(const Block& block) {
  if (block.count("search")) return Search(block);
  if (block.count("parse_order")) {
    return ShowTree(ParseOrderTerm(First(block, "parse_order")));
  }
  if (block.count("parse_escaped")) {
    std::string text;
    absl::CUnescape(First(block, "parse_escaped"), &text);
    return ShowTree(ParseFilter(text));
  }
  return ShowTree(ParseFilter(First(block, "parse")));
}

bool IsOutput(const std::string& key) {
  return key == "tree" || key == "error" || key == "sql" || key == "bind" ||
         key == "probe";
}

// `contents` with the output of each block as it is now.
std::string PlayAll(const std::string& contents) {
  std::string out;
  Block block;
  const auto finish = [&] {
    if (!block.empty()) out += Play(block);
    block.clear();
  };
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(contents, '\n'))) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    const std::string key(absl::StripSuffix(parts[0], ":"));
    if (line.empty() || line[0] == '#') {
      finish();
    } else if (IsOutput(key)) {
      continue;
    } else {
      block[key].push_back(parts.size() > 1 ? parts[1] : "");
    }
    out += line;
    out += '\n';
  }
  finish();
  if (!out.empty()) out.pop_back();  // StrSplit made an empty last line
  return out;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream contents;
  contents << in.rdbuf();
  return contents.str();
}

TEST(SearchFiles, GiveWhatTheySay) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("storage/search/testdata")) {
    if (entry.path().extension() != ".search") continue;
    ++files;
    SCOPED_TRACE(entry.path().filename().string());
    const std::string contents = ReadFile(entry.path().string());
    EXPECT_EQ(PlayAll(contents), contents);
  }
  EXPECT_GE(files, 5);
}

}  // namespace

std::string PrintFile(const std::string& path) {
  return PlayAll(ReadFile(path));
}

}  // namespace millstream::storage::search

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--print") {
    std::fputs(millstream::storage::search::PrintFile(argv[2]).c_str(), stdout);
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
