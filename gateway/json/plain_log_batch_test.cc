#include "gateway/json/plain_log_batch.h"

#include <bit>
#include <cstdint>
#include <string>

#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/json/json_decoder.h"
#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

// Reads `text` and returns whether it is plain. The test fails if the decoder
// for all messages reads it to another message.
bool Plain(std::string text, v1::LogBatchRequest* request) {
  const size_t size = text.size();
  text.append(kJsonPaddingBytes, '9');
  request->Clear();
  if (!ReadPlainLogBatch(std::string_view(text).substr(0, size), request)) {
    return false;
  }
  // A blank in front is not plain.
  std::string slow = " " + text.substr(0, size);
  v1::LogBatchRequest expected;
  EXPECT_TRUE(
      DecodeJson(&slow, MessageTable::Of(expected.GetDescriptor()), &expected)
          .ok())
      << text;
  EXPECT_EQ(request->SerializeAsString(), expected.SerializeAsString()) << text;
  return true;
}

bool Plain(const std::string& text) {
  v1::LogBatchRequest request;
  return Plain(text, &request);
}

std::string WithValue(std::string_view value) {
  return StrCat(R"({"metrics": [{"key": "a", "value": )", value,
                R"(, "timestamp": 1}]})");
}
std::string WithStep(std::string_view step) {
  return StrCat(R"({"metrics":[{"step":)", step, "}]}");
}

TEST(PlainLogBatch, ReadsWhatClientsSend) {
  v1::LogBatchRequest request;
  ASSERT_TRUE(Plain(
      R"({"run_id": "r1", "metrics": [)"
      R"({"key": "train/loss", "value": 0.25, "timestamp": 17, "step": -2}, )"
      R"({"step": 3, "timestamp": 1700000000000, "value": 1e-3, "key": "b"}], )"
      R"("params": [{"key": "lr", "value": "0.1"}], )"
      R"("tags": [{"value": "v w", "key": "t"}, {"key": "u", "value": ""}]})",
      &request));
  EXPECT_EQ(request.run_id(), "r1");
  ASSERT_EQ(request.metrics_size(), 2);
  EXPECT_EQ(request.metrics(0).key(), "train/loss");
  EXPECT_EQ(request.metrics(0).value(), 0.25);
  EXPECT_EQ(request.metrics(0).timestamp(), 17);
  EXPECT_EQ(request.metrics(0).step(), -2);
  EXPECT_EQ(request.metrics(1).timestamp(), 1700000000000);
  EXPECT_EQ(request.metrics(1).value(), 0.001);
  ASSERT_EQ(request.params_size(), 1);
  EXPECT_EQ(request.params(0).value(), "0.1");
  ASSERT_EQ(request.tags_size(), 2);
  EXPECT_EQ(request.tags(0).value(), "v w");
  EXPECT_TRUE(request.tags(1).has_value());
}

TEST(PlainLogBatch, ReadsTextWithoutBlanksAndEmptyLists) {
  EXPECT_TRUE(Plain(
      R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":2}]})"));
  EXPECT_TRUE(Plain(R"({"metrics": [], "params": [], "tags": []})"));
}

TEST(PlainLogBatch, ReadsNumbersAsTheDecoderForAllMessagesDoes) {
  for (const char* value :
       {"0", "-0", "-0.0", "0.0", "5", "-5", "0.1", "0.7912345528602600",
        "123456789.987654321", "9007199254740992", "9007199254740993",
        "9007199254740993.5", "0.30000000000000004", "179769313486231570e291",
        "1.7976931348623157e308", "5e-324", "2.2250738585072014E-308",
        "1234567890123456789", "12345678901234567890", "0.000000000000000001",
        "1000000000000000000000000000000000000000", "1E+2", "-1.5e-7",
        "0.1234567890123456789012345678901234567890", "8.5", "12345678.5",
        "87654321"}) {
    EXPECT_TRUE(Plain(WithValue(value))) << value;
  }
  for (const char* step : {"0", "-0", "7", "-7", "12345678", "123456789",
                           "1700000000000", "999999999999999999",
                           "-999999999999999999"}) {
    EXPECT_TRUE(Plain(WithStep(step))) << step;
  }
}

TEST(PlainLogBatch, ReadsManyNumbersRight) {
  uint64_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const int digits = 1 + static_cast<int>(state >> 60);
    std::string value = std::to_string(state >> 11).substr(0, digits);
    if (value.size() > 1 && value[0] == '0') value[0] = '1';
    if ((state & 1) != 0) StrAppend(&value, ".", state >> 7 & 0xFFFFFFFF);
    EXPECT_TRUE(Plain(WithValue(value))) << value;
  }
}

TEST(PlainLogBatch, LeavesTheRestToTheDecoderForAllMessages) {
  for (const char* value :
       {"", "\"NaN\"", "NaN", "true", "null", "01", "00", "-", ".5", "5.", "1e",
        "1e+", "0x1", "1 ", "1e999", "1e-999", "+1", "--1", "1.5.5", "\"1\""}) {
    EXPECT_FALSE(Plain(WithValue(value))) << value;
  }
  for (const char* step : {"1.0", "1e3", "01", "9223372036854775807",
                           "12345678901234567890123", "-", "\"1\"", "null"}) {
    EXPECT_FALSE(Plain(WithStep(step))) << step;
  }
  for (const char* text :
       {"", "{", "}", "{}", "[]", "null", "5", R"({"run_id"})",
        R"({"run_id": "r"} )", R"({ "run_id": "r"})", R"({"run_id" : "r"})",
        R"({"run_id": "r" })", R"({"run_id": "r"}})", R"({"run_id": "r",})",
        R"({"run_id": "r\n"})", "{\"run_id\": \"r\n\"}",
        "{\"run_id\": \"\u00e9\"}", R"({"runId": "r"})", R"({"run_id": 5})",
        R"({"run_id": "r", "run_id": "s"})", R"({"run_id": "r}")",
        R"({"metrics": {}})", R"({"metrics": [{}]})", R"({"metrics": [1]})",
        R"({"metrics": [{"key": "a"},]})", R"({"metrics": [{"key": "a"})",
        R"({"metrics": [{"key": "a", "key": "b"}]})",
        R"({"metrics": [{"step": 1, "step": 2}]})",
        R"({"metrics": [{"key": "a", "model_id": "m"}]})",
        R"({"metrics": [{"key": "a"}], "metrics": [{"key": "b"}]})",
        R"({"params": [{"key": "a", "value": 5}]})",
        R"({"params": [{"key": "a", "value": "b", "value": "c"}]})",
        R"({"other": 1})", R"({"tags": null})"}) {
    EXPECT_FALSE(Plain(text)) << text;
  }
}

TEST(PlainLogBatch, HasNoMoreItemsThanAnyRequest) {
  std::string items;
  for (int i = 0; i < limits::kRequestItemsMax; ++i) {
    StrAppend(&items, i > 0 ? "," : "", R"({"step":1})");
  }
  EXPECT_TRUE(Plain(StrCat("{\"metrics\":[", items, "]}")));
  EXPECT_FALSE(
      Plain(StrCat("{\"metrics\":[", items, "],\"tags\":[{\"key\":\"a\"}]}")));
}

// No character of a request may be missing, whatever lies behind it.
TEST(PlainLogBatch, TextCutShortIsNotPlain) {
  const std::string text =
      R"({"run_id": "r", "metrics": [{"key": "a", "value": 12345678.5, )"
      R"("timestamp": 12345678, "step": 1}], "tags": [{"key": "k"}]})";
  ASSERT_TRUE(Plain(text));
  v1::LogBatchRequest request;
  for (size_t size = 0; size < text.size(); ++size) {
    std::string cut = text;
    EXPECT_FALSE(ReadPlainLogBatch(
        std::string_view(cut.append(kJsonPaddingBytes, '9')).substr(0, size),
        &request))
        << size;
  }
}

}  // namespace
}  // namespace millstream::gateway
