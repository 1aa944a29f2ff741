#include "bench/load/answers.h"

#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace millstream::bench {

namespace {

using simdjson::dom::element;

// One parser a thread keeps its buffers from answer to answer.
simdjson::dom::parser& Parser() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

absl::Status Malformed(absl::string_view body) {
  return absl::InvalidArgumentError(
      absl::StrCat("unexpected answer: ", body.substr(0, 300)));
}

absl::StatusOr<element> Parse(absl::string_view body) {
  element root;
  if (Parser().parse(body.data(), body.size()).get(root)) {
    return Malformed(body);
  }
  return root;
}

std::string StringAt(element parent, const char* key) {
  std::string_view text;
  if (parent[key].get(text)) return {};
  return std::string(text);
}

int64_t IntAt(element parent, const char* key) {
  int64_t number = 0;
  if (parent[key].get(number)) return 0;
  return number;
}

// Calls fn for each element of an array that may be missing.
template <typename Fn>
void ForEach(element parent, const char* key, Fn fn) {
  simdjson::dom::array array;
  if (parent[key].get(array)) return;
  for (element item : array) fn(item);
}

bool ReadRunElement(element run, RunSummary* out) {
  element info;
  if (run["info"].get(info)) return false;
  out->run_id = StringAt(info, "run_id");
  out->status = StringAt(info, "status");
  element data;
  if (run["data"].get(data)) return true;
  ForEach(data, "metrics", [&](element item) {
    MetricPoint& point = out->metrics[StringAt(item, "key")];
    point.step = IntAt(item, "step");
    double value;
    if (!item["value"].get(value)) point.value = value;
  });
  ForEach(data, "params", [&](element item) {
    out->params[StringAt(item, "key")] = StringAt(item, "value");
  });
  ForEach(data, "tags", [&](element item) {
    out->tags[StringAt(item, "key")] = StringAt(item, "value");
  });
  return !out->run_id.empty();
}

}  // namespace

void HistorySummary::Append(const HistorySummary& page) {
  next_page_token = page.next_page_token;
  if (page.points == 0) return;
  ascending = ascending && page.ascending &&
              (points == 0 || page.first_step >= last_step);
  if (points == 0) first_step = page.first_step;
  last_step = page.last_step;
  points += page.points;
}

absl::StatusOr<std::string> ReadString(absl::string_view body,
                                       const char* key) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  std::string text = StringAt(*root, key);
  if (text.empty()) return Malformed(body);
  return text;
}

absl::StatusOr<std::string> ReadExperimentId(absl::string_view body) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  element experiment;
  if ((*root)["experiment"].get(experiment)) return Malformed(body);
  return StringAt(experiment, "experiment_id");
}

absl::StatusOr<std::string> ReadCreatedRunId(absl::string_view body) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  std::string_view run_id;
  if ((*root).at_pointer("/run/info/run_id").get(run_id)) {
    return Malformed(body);
  }
  return std::string(run_id);
}

absl::StatusOr<RunSummary> ReadRun(absl::string_view body) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  element run;
  RunSummary summary;
  if ((*root)["run"].get(run) || !ReadRunElement(run, &summary)) {
    return Malformed(body);
  }
  return summary;
}

absl::StatusOr<RunPage> ReadRunPage(absl::string_view body) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  RunPage page;
  bool good = true;
  ForEach(*root, "runs", [&](element run) {
    page.runs.emplace_back();
    good = ReadRunElement(run, &page.runs.back()) && good;
  });
  if (!good) return Malformed(body);
  page.next_page_token = StringAt(*root, "next_page_token");
  return page;
}

absl::StatusOr<HistorySummary> ReadHistoryPage(absl::string_view body) {
  absl::StatusOr<element> root = Parse(body);
  if (!root.ok()) return root.status();
  HistorySummary page;
  ForEach(*root, "metrics", [&](element item) {
    int64_t step = IntAt(item, "step");
    if (page.points++ == 0) {
      page.first_step = step;
    } else if (step < page.last_step) {
      page.ascending = false;
    }
    page.last_step = step;
  });
  page.next_page_token = StringAt(*root, "next_page_token");
  return page;
}

}  // namespace millstream::bench
