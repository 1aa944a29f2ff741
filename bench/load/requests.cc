#include "bench/load/requests.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace millstream::bench {

namespace {

constexpr size_t kValueChars = 18;
constexpr size_t kCurveValues = 1 << 16;
constexpr size_t kStepDigits = 8;
constexpr size_t kTimestampDigits = 13;

std::string MakeCurve() {
  std::mt19937 random(20261121);
  std::normal_distribution<double> noise(0, 0.01);
  std::string text;
  text.reserve(kCurveValues * kValueChars);
  for (size_t i = 0; i < kCurveValues; ++i) {
    double value = 0.1 + 0.7 * std::exp(-static_cast<double>(i) / 20000) +
                   noise(random);
    absl::StrAppendFormat(&text, "%.16f", static_cast<float>(value));
  }
  return text;
}

void PutDigits(char* out, size_t digits, int64_t number) {
  for (size_t i = digits; i-- > 0; number /= 10) {
    out[i] = static_cast<char>('0' + number % 10);
  }
}

std::string Head(const Address& address, absl::string_view method,
                 absl::string_view path) {
  return absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: ", address.host,
                      ":", address.port, "\r\nAccept: */*\r\n");
}

}  // namespace

std::string Get(const Address& address, absl::string_view path) {
  return absl::StrCat(Head(address, "GET", path), "\r\n");
}

std::string Post(const Address& address, absl::string_view path,
                 absl::string_view json) {
  return absl::StrCat(Head(address, "POST", path),
                      "Content-Type: application/json\r\nContent-Length: ",
                      json.size(), "\r\n\r\n", json);
}

std::string PutHead(const Address& address, absl::string_view path,
                    size_t bytes) {
  return absl::StrCat(
      Head(address, "PUT", path),
      "Content-Type: application/octet-stream\r\nContent-Length: ", bytes,
      "\r\n\r\n");
}

std::string CreateRunBody(absl::string_view experiment_id,
                          absl::string_view name, int64_t start_time_ms) {
  return absl::StrCat(
      R"({"experiment_id": ")", experiment_id, R"(", "user_id": "bench", )",
      R"("run_name": ")", name, R"(", "start_time": )",
      start_time_ms == 0 ? kFirstTimestampMs : start_time_ms,
      R"(, "tags": [{"key": "mlflow.user", "value": "bench"}, )",
      R"({"key": "mlflow.source.name", "value": "train.py"}, )",
      R"({"key": "mlflow.source.type", "value": "LOCAL"}]})");
}

std::string FinishRunBody(absl::string_view run_id, int64_t end_time_ms) {
  return absl::StrCat(R"({"run_id": ")", run_id, R"(", "run_uuid": ")", run_id,
                      R"(", "status": "FINISHED", "end_time": )", end_time_ms,
                      "}");
}

std::string SearchRunsBody(absl::string_view experiment_id,
                           absl::string_view filter, absl::string_view order_by,
                           size_t max_results, absl::string_view page_token) {
  std::string body = absl::StrCat(R"({"experiment_ids": [")", experiment_id,
                                  R"("], "filter": ")", filter,
                                  R"(", "run_view_type": "ACTIVE_ONLY", )",
                                  R"("max_results": )", max_results);
  if (!order_by.empty()) {
    absl::StrAppend(&body, R"(, "order_by": [")", order_by, R"("])");
  }
  if (!page_token.empty()) {
    absl::StrAppend(&body, R"(, "page_token": ")", page_token, "\"");
  }
  absl::StrAppend(&body, "}");
  return body;
}

std::string QueryEscape(absl::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.') {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string HistoryPath(absl::string_view run_id, absl::string_view key,
                        size_t max_results, absl::string_view page_token) {
  std::string path = absl::StrCat(
      "/api/2.0/mlflow/metrics/get-history?run_id=", run_id,
      "&metric_key=", QueryEscape(key), "&max_results=", max_results);
  if (!page_token.empty()) {
    absl::StrAppend(&path, "&page_token=", QueryEscape(page_token));
  }
  return path;
}

absl::string_view CurveValue(uint64_t index) {
  static const std::string* const curve = new std::string(MakeCurve());
  return absl::string_view(*curve).substr(index % kCurveValues * kValueChars,
                                         kValueChars);
}

void PointsRequest::AddPoint(std::string* body, absl::string_view prefix,
                             absl::string_view key, uint32_t step_offset) {
  Place place;
  place.step_offset = step_offset;
  absl::StrAppend(body, prefix, R"("key": ")", key, R"(", "value": )");
  place.value = body->size();
  absl::StrAppend(body, CurveValue(0), R"(, "timestamp": )");
  place.timestamp = body->size();
  absl::StrAppend(body, kFirstTimestampMs, R"(, "step": )");
  place.step = body->size();
  absl::StrAppend(body, kFirstStep, "}");
  places_.push_back(place);
}

void PointsRequest::Wrap(const Address& address, absl::string_view path,
                         absl::string_view body) {
  bytes_ = Post(address, path, body);
  size_t head = bytes_.size() - body.size();
  for (Place& place : places_) {
    place.value += head;
    place.timestamp += head;
    place.step += head;
  }
}

PointsRequest PointsRequest::Single(const Address& address,
                                    absl::string_view run_id,
                                    absl::string_view key) {
  PointsRequest request;
  std::string body;
  request.AddPoint(&body,
                   absl::StrCat(R"({"run_uuid": ")", run_id,
                                R"(", "run_id": ")", run_id, R"(", )"),
                   key, 0);
  request.Wrap(address, "/api/2.0/mlflow/runs/log-metric", body);
  return request;
}

PointsRequest PointsRequest::Batch(const Address& address,
                                   absl::string_view run_id,
                                   const std::vector<std::string>& keys,
                                   size_t steps) {
  PointsRequest request;
  std::string body =
      absl::StrCat(R"({"run_id": ")", run_id, R"(", "metrics": [)");
  for (size_t step = 0; step < steps; ++step) {
    for (const std::string& key : keys) {
      request.AddPoint(&body, request.places_.empty() ? "{" : ", {", key,
                       static_cast<uint32_t>(step));
    }
  }
  absl::StrAppend(&body, "]}");
  request.Wrap(address, "/api/2.0/mlflow/runs/log-batch", body);
  return request;
}

const std::string& PointsRequest::At(int64_t first_step) {
  char* bytes = bytes_.data();
  for (const Place& place : places_) {
    int64_t offset = first_step - kFirstStep + place.step_offset;
    std::memcpy(bytes + place.value, CurveValue(next_value_++).data(),
                kValueChars);
    PutDigits(bytes + place.timestamp, kTimestampDigits,
              kFirstTimestampMs + offset);
    PutDigits(bytes + place.step, kStepDigits, kFirstStep + offset);
  }
  return bytes_;
}

}  // namespace millstream::bench
