#include "gateway/json/json_writer.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "gateway/json/json_decoder.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

template <typename M>
std::string Json(const M& message) {
  std::string out;
  WriteJson(message, MessageTable::Of(M::descriptor()), &out);
  return out;
}

std::string Double(double value) {
  std::string out;
  WriteJsonDouble(value, &out);
  return out;
}

std::string Text(std::string_view text) {
  std::string out;
  WriteJsonString(text, &out);
  return out;
}

TEST(JsonWriter, WritesWhatIsPresent) {
  v1::GetRunResponse response;
  EXPECT_EQ(Json(response), "{}");
  v1::RunInfo* info = response.mutable_run()->mutable_info();
  info->set_run_id("r");
  info->set_user_id("");
  info->set_status(v1::FINISHED);
  info->set_start_time(1700000000000);
  response.mutable_run()->mutable_data();
  v1::RunTag* tag = response.mutable_run()->mutable_data()->add_tags();
  tag->set_key("k");
  tag->set_value("v");
  response.mutable_run()->mutable_inputs();
  EXPECT_EQ(Json(response),
            R"({"run":{"info":{"run_id":"r","user_id":"",)"
            R"("status":"FINISHED","start_time":1700000000000},)"
            R"("data":{"tags":[{"key":"k","value":"v"}]},"inputs":{}}})");
}

TEST(JsonWriter, WritesListsMapsBoolsAndBytes) {
  v1::CreatePresignedUploadUrlResponse url;
  (*url.mutable_headers())["a"] = "1";
  EXPECT_EQ(Json(url), R"({"headers":{"a":"1"}})");
  v1::FileInfo file;
  file.set_is_dir(false);
  file.set_file_size(0);
  EXPECT_EQ(Json(file), R"({"is_dir":false,"file_size":0})");
  v1::SearchRunsRequest search;
  search.add_experiment_ids("1");
  search.add_experiment_ids("2");
  search.set_max_results(5);
  EXPECT_EQ(Json(search), R"({"experiment_ids":["1","2"],"max_results":5})");
  v1::ArtifactChunk chunk;
  chunk.set_data(std::string("\0\xff", 2));
  EXPECT_EQ(Json(chunk), R"({"data":"AP8="})");
}

TEST(JsonWriter, ListsOfMetricsLookAsOtherMessages) {
  v1::RunData data;
  data.add_metrics();
  v1::Metric* all = data.add_metrics();
  const google::protobuf::Descriptor* type = all->GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type->field(i);
    const google::protobuf::Reflection* reflection = all->GetReflection();
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(all, field, field->name() + "\"");
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->SetDouble(all, field, 0.1);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(all, field, -field->number());
        break;
      default:
        FAIL() << "WriteMetric does not know " << field->name();
    }
  }
  EXPECT_EQ(Json(data), "{\"metrics\":[{}," + Json(*all) + "]}");
}

TEST(JsonWriter, SomeListsAreAlwaysShown) {
  EXPECT_EQ(Json(v1::GetMetricHistoryBulkResponse()), R"({"metrics":[]})");
  EXPECT_EQ(Json(v1::GetMetricHistoryResponse()), "{}");
}

TEST(JsonWriter, DoublesLookAsInPython) {
  EXPECT_EQ(Double(0), "0.0");
  EXPECT_EQ(Double(-0.0), "-0.0");
  EXPECT_EQ(Double(1), "1.0");
  EXPECT_EQ(Double(-2.25), "-2.25");
  EXPECT_EQ(Double(0.1), "0.1");
  EXPECT_EQ(Double(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(Double(1e-4), "0.0001");
  EXPECT_EQ(Double(1e-5), "1e-05");
  EXPECT_EQ(Double(1.5e-7), "1.5e-07");
  EXPECT_EQ(Double(123456789.125), "123456789.125");
  EXPECT_EQ(Double(1e15), "1000000000000000.0");
  EXPECT_EQ(Double(9007199254740993e0), "9007199254740992.0");
  EXPECT_EQ(Double(1e16), "1e+16");
  EXPECT_EQ(Double(1.25e22), "1.25e+22");
  EXPECT_EQ(Double(1e100), "1e+100");
  EXPECT_EQ(Double(std::numeric_limits<double>::max()),
            "1.7976931348623157e+308");
  EXPECT_EQ(Double(std::numeric_limits<double>::denorm_min()), "5e-324");
  EXPECT_EQ(Double(std::nan("")), R"("NaN")");
  EXPECT_EQ(Double(std::numeric_limits<double>::infinity()), R"("Infinity")");
  EXPECT_EQ(Double(-std::numeric_limits<double>::infinity()),
            R"("-Infinity")");
}

TEST(JsonWriter, DoublesReadBackTheSame) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t bits = random();
    double value;
    static_assert(sizeof(value) == sizeof(bits));
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(std::strtod(Double(value).c_str(), nullptr), value);
  }
}

TEST(JsonWriter, StringsAreEscaped) {
  EXPECT_EQ(Text("plain"), R"("plain")");
  EXPECT_EQ(Text("a\"b\\c\n\t\r\b\f"), R"("a\"b\\c\n\t\r\b\f")");
  EXPECT_EQ(Text(std::string_view("\0\x1f\x7f", 3)),
            "\"\\u0000\\u001f\\u007f\"");
  EXPECT_EQ(Text("\u00e9\U0001F600"), "\"\u00e9\U0001F600\"");
  // No UTF-8: alone, overlong, cut, a surrogate.
  EXPECT_EQ(Text("\xff"), "\"\uFFFD\"");
  EXPECT_EQ(Text("\xc0\xaf"), "\"\uFFFD\uFFFD\"");
  EXPECT_EQ(Text("\xe2\x82"), "\"\uFFFD\uFFFD\"");
  EXPECT_EQ(Text("\xed\xa0\x80x"), "\"\uFFFD\uFFFD\uFFFDx\"");
}

TEST(JsonWriter, WhatIsWrittenReadsBackTheSame) {
  v1::LogBatchRequest batch;
  batch.set_run_id("r\"\u00e9");
  for (double value : {0.1, -1e300, 5e-324}) {
    v1::Metric* metric = batch.add_metrics();
    metric->set_key("k");
    metric->set_value(value);
    metric->set_timestamp(std::numeric_limits<int64_t>::max());
    metric->set_step(std::numeric_limits<int64_t>::min());
  }
  std::string json = Json(batch);
  v1::LogBatchRequest again;
  ASSERT_TRUE(DecodeJson(&json, MessageTable::Of(again.descriptor()), &again)
                  .ok());
  EXPECT_EQ(again.SerializeAsString(), batch.SerializeAsString());
}

}  // namespace
}  // namespace millstream::gateway
