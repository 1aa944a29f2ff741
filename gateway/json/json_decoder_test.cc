#include "gateway/json/json_decoder.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

template <typename M>
absl::Status Decode(std::string body, M* message) {
  return DecodeJson(&body, MessageTable::Of(M::descriptor()), message);
}

// The message that `body` gives; fails the test if it is refused.
template <typename M>
M Decoded(std::string body) {
  M message;
  absl::Status status = Decode(body, &message);
  EXPECT_TRUE(status.ok()) << status << " for " << body;
  return message;
}

// The message shown for `body`; fails the test if it is taken.
template <typename M>
std::string Refused(std::string body) {
  M message;
  absl::Status status = Decode(body, &message);
  EXPECT_FALSE(status.ok()) << "taken: " << body;
  if (status.ok()) return "";
  EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE) << body;
  return std::string(GetPublicMessage(status));
}

TEST(JsonDecoder, ReadsABatch) {
  const auto batch = Decoded<v1::LogBatchRequest>(R"( {
      "run_id": "r1",
      "metrics": [{"key": "a", "value": 0.5, "timestamp": 17, "step": -2},
                  {"step": 1, "key": "b", "value": 3, "timestamp": 18}],
      "params": [{"key": "p", "value": "v\n\u00e9\ud83d\ude00"}],
      "tags": []} )");
  EXPECT_EQ(batch.run_id(), "r1");
  ASSERT_EQ(batch.metrics_size(), 2);
  EXPECT_EQ(batch.metrics(0).key(), "a");
  EXPECT_EQ(batch.metrics(0).value(), 0.5);
  EXPECT_EQ(batch.metrics(0).timestamp(), 17);
  EXPECT_EQ(batch.metrics(0).step(), -2);
  EXPECT_EQ(batch.metrics(1).value(), 3.0);
  EXPECT_EQ(batch.params(0).value(), "v\n\u00e9\U0001F600");
  EXPECT_EQ(batch.tags_size(), 0);
}

TEST(JsonDecoder, ReadsNumbersOfManyDigits) {
  const std::pair<std::string, double> numbers[] = {
      {"0.30000000000000004441", 0.30000000000000004},
      {"-0.12345678901234567890123", -0.12345678901234568},
      {"0.1234567890123456789012345678901234567890", 0.12345678901234568},
      {"12345678901234567890.5", 12345678901234567000.0},
      {"1.00000000000000000000000000000000000000001e2", 100.0},
      {"0." + std::string(400, '0') + "1", 0.0},
  };
  for (const auto& [text, number] : numbers) {
    const auto request = Decoded<v1::LogMetricRequest>(
        StrCat(R"({"key": "a", "value": )", text, " , \"timestamp\": 1}"));
    EXPECT_EQ(request.value(), number) << text;
  }
}

TEST(JsonDecoder, TextThatIsNoJsonIsAnEmptyObject) {
  for (const char* body :
       {"", " \n", "{", "null", " null ", "{'a': 1}", R"({"name": "x",})",
        R"({"name": })", R"({"name": "x"} x)", R"({"name": "x"}})",
        R"({"name": "x"}{})", "\xff\xfe", R"({"name": nope})",
        R"({"name": "x", "other": nope})", R"({"name": "x", "other": 01})",
        R"({"name": "x", "other": "\q"})", R"({"name": "x", "other": [1,]})",
        R"({"name": "x" "other": 1})", R"({"name": "\q"})",
        "{\"name\": \"a\nb\"}",
        "{\"name\": \"\xff\"}", "xyz", "-", "truely", R"({"step": 0x10})",
        R"({"a\q": 1, "name": "x"})"}) {
    EXPECT_FALSE(Decoded<v1::CreateExperimentRequest>(body).has_name())
        << body;
  }
}

TEST(JsonDecoder, BlanksAndAByteOrderMarkMayPrecede) {
  for (const char* body :
       {"  {\"name\": \"x\"}  ", "\n{\n\"name\"\t:\r\n\"x\"}\n",
        "\xEF\xBB\xBF{\"name\": \"x\"}"}) {
    EXPECT_EQ(Decoded<v1::CreateExperimentRequest>(body).name(), "x") << body;
  }
}

TEST(JsonDecoder, JsonThatIsNoObjectIsRefused) {
  for (const char* body :
       {"[]", "[1]", "5", "-1.5", "true", "false", "NaN", R"("text")",
        R"("{")", R"("[]")", R"("null")"}) {
    EXPECT_NE(Refused<v1::CreateExperimentRequest>(body).find("JSON object"),
              std::string::npos)
        << body;
  }
}

TEST(JsonDecoder, ReadsWhatWasEncodedTwice) {
  EXPECT_EQ(Decoded<v1::CreateExperimentRequest>(
                R"("{\"name\": \"x \\u00e9\"}")")
                .name(),
            "x \u00e9");
  EXPECT_FALSE(Decoded<v1::CreateExperimentRequest>(
                   R"("{\"name\": \"x\"}" 5)")
                   .has_name());
}

TEST(JsonDecoder, IgnoresUnknownMembers) {
  const auto request = Decoded<v1::CreateExperimentRequest>(
      R"({"x": {"a": [1, {"b": null}], "c": "\ud83d", "d": 1e999}, )"
      R"("y": 123456789012345678901234567890, "z": NaN, "name": "n",)"
      R"("w": []})");
  EXPECT_EQ(request.name(), "n");
}

TEST(JsonDecoder, TakesEitherSpellingButNotBoth) {
  EXPECT_EQ(Decoded<v1::CreateRunRequest>(R"({"experimentId": "7"})")
                .experiment_id(),
            "7");
  EXPECT_EQ(Decoded<v1::CreateRunRequest>(R"({"experiment\u005fid": "7"})")
                .experiment_id(),
            "7");
  EXPECT_NE(Refused<v1::CreateRunRequest>(
                R"({"experiment_id": "7", "experimentId": null})")
                .find("'experiment_id' and 'experimentId'"),
            std::string::npos);
}

TEST(JsonDecoder, RequiredFieldsHaveOneSpelling) {
  EXPECT_FALSE(Decoded<v1::GetExperimentRequest>(R"({"experimentId": "7"})")
                   .has_experiment_id());
}

TEST(JsonDecoder, SomeMembersMustBeInTheBody) {
  for (const char* body :
       {"", "no JSON", "{}", R"({"status": "LOGGED_MODEL_READY"})",
        R"({"model_id": "", "status": "LOGGED_MODEL_READY"})",
        R"({"model_id": null, "status": "LOGGED_MODEL_READY"})",
        R"({"model_id": "m-1", "status": null})"}) {
    EXPECT_NE(Refused<v1::FinalizeLoggedModelRequest>(body).find(
                  "Missing value"),
              std::string::npos)
        << body;
  }
  EXPECT_FALSE(Decoded<v1::FinalizeLoggedModelRequest>(
                   R"({"model_id": "m-1", "status": "NONSENSE"})")
                   .has_status());
  EXPECT_EQ(Decoded<v1::SearchLoggedModelsRequest>(R"({"experiment_ids": []})")
                .experiment_ids_size(),
            0);
}

TEST(JsonDecoder, ItemsOfAllListsAreCounted) {
  const auto list = [](int count, std::string_view item) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) StrAppend(&text, i > 0 ? "," : "", item);
    return text + "]";
  };
  const std::string most = list(limits::kRequestItemsMax, "{}");
  const std::string more = list(limits::kRequestItemsMax + 1, "{}");
  EXPECT_EQ(Decoded<v1::LogBatchRequest>(StrCat("{\"metrics\": ", most, "}"))
                .metrics_size(),
            limits::kRequestItemsMax);
  for (const std::string& body :
       {StrCat("{\"metrics\": ", more, "}"),
        StrCat("{\"metrics\": ", most, ", \"params\": [{}]}"),
        // What came before counts too, though it is of no effect.
        StrCat("{\"metrics\": ", most, ", \"metrics\": [{}]}")}) {
    EXPECT_NE(Refused<v1::LogBatchRequest>(body).find("100000 items"),
              std::string::npos);
  }
  EXPECT_NE(Refused<v1::LogInputsRequest>(
                StrCat("{\"datasets\": ",
                       list(1000, StrCat("{\"tags\": ", list(100, "{}"), "}")),
                       "}"))
                .find("100000 items"),
            std::string::npos);
}

TEST(JsonDecoder, NullIsAbsent) {
  const auto request = Decoded<v1::CreateRunRequest>(
      R"({"run_name": null, "start_time": null, "tags": null})");
  EXPECT_FALSE(request.has_run_name());
  EXPECT_FALSE(request.has_start_time());
}

TEST(JsonDecoder, OfMembersThatComeTwiceTheLastCounts) {
  const auto request = Decoded<v1::CreateExperimentRequest>(
      R"({"name": "a", "name": "b", "artifact_location": "x",)"
      R"("artifact_location": null,)"
      R"("tags": [{"key": "1"}, {"key": "2"}], "tags": [{"key": "3"}]})");
  EXPECT_EQ(request.name(), "b");
  EXPECT_FALSE(request.has_artifact_location());
  ASSERT_EQ(request.tags_size(), 1);
  EXPECT_EQ(request.tags(0).key(), "3");
}

TEST(JsonDecoder, WholeNumbers) {
  const auto step = [](const std::string& text) {
    return Decoded<v1::LogMetricRequest>(StrCat("{\"step\": ", text, "}"))
        .step();
  };
  EXPECT_EQ(step("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(step("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(step("1e3"), 1000);
  EXPECT_EQ(step("1.0"), 1);
  EXPECT_EQ(step("-0"), 0);
  EXPECT_EQ(step("\"5\""), 5);
  EXPECT_EQ(step("\"-5\""), -5);
  EXPECT_EQ(step("\"5.0\""), 5);
  EXPECT_EQ(step("\"9007199254740993\""), 9007199254740993);
  for (const char* text :
       {"9223372036854775808", "-9223372036854775809", "1.5", "1e30", "1e999",
        "99999999999999999999", "true", "\" 5\"", "\"5 \"", "\"\"", "\"x\"",
        "\"0x10\"", "\"1_0\"", "\"NaN\"", "[1]", "{}", "NaN", "\"+-5\""}) {
    EXPECT_NE(Refused<v1::LogMetricRequest>(StrCat("{\"step\": ", text, "}"))
                  .find("'step'"),
              std::string::npos)
        << text;
  }
  Refused<v1::SearchRunsRequest>(R"({"max_results": 2147483648})");
}

TEST(JsonDecoder, OddParametersOfSearchesCountAsAbsent) {
  for (const char* text : {"1.5", "true", "false"}) {
    EXPECT_FALSE(Decoded<v1::SearchRunsRequest>(
                     StrCat("{\"max_results\": ", text, "}"))
                     .has_max_results())
        << text;
  }
  for (const char* text : {"\"x\"", "\"1.5\"", "[]", "{}", "1e30", "null"}) {
    EXPECT_NE(Refused<v1::SearchRunsRequest>(
                  StrCat("{\"max_results\": ", text, "}"))
                  .find("'max_results'"),
              std::string::npos)
        << text;
  }
  const auto runs = Decoded<v1::SearchRunsRequest>(
      R"({"experiment_ids": ["1", null, 5, ["x"], "2"], "page_token": {},)"
      R"( "run_view_type": [7], "filter": "f"})");
  ASSERT_EQ(runs.experiment_ids_size(), 2);
  EXPECT_EQ(runs.experiment_ids(1), "2");
  EXPECT_FALSE(runs.has_page_token());
  EXPECT_FALSE(runs.has_run_view_type());
  EXPECT_EQ(runs.filter(), "f");
  for (const char* text : {"7", "1.5", "\"7\"", "false", "\"nonsense\""}) {
    EXPECT_FALSE(Decoded<v1::SearchExperimentsRequest>(
                     StrCat("{\"view_type\": ", text, "}"))
                     .has_view_type())
        << text;
  }
  Refused<v1::SearchExperimentsRequest>(R"({"view_type": []})");
  const auto models = Decoded<v1::SearchLoggedModelsRequest>(
      R"({"experiment_ids": ["1"], "order_by": ["name", )"
      R"({"field_name": "name", "ascending": "no"}]})");
  ASSERT_EQ(models.order_by_size(), 2);
  EXPECT_FALSE(models.order_by(0).has_field_name());
  EXPECT_EQ(models.order_by(1).field_name(), "name");
  EXPECT_FALSE(models.order_by(1).has_ascending());
}

TEST(JsonDecoder, OddValuesAreIgnoredOnlyInJson) {
  // What is no JSON counts as an empty body, whatever was ignored before.
  EXPECT_FALSE(Decoded<v1::SearchRunsRequest>(
                   R"({"filter": "f", "page_token": [1, }])")
                   .has_filter());
}

TEST(JsonDecoder, Doubles) {
  const auto value = [](const std::string& text) {
    return Decoded<v1::LogMetricRequest>(StrCat("{\"value\": ", text, "}"))
        .value();
  };
  EXPECT_EQ(value("1"), 1.0);
  EXPECT_EQ(value("-2.5e-3"), -0.0025);
  EXPECT_EQ(value("\"0.5\""), 0.5);
  EXPECT_EQ(value("123456789012345678901234567890"), 1.2345678901234568e29);
  EXPECT_TRUE(std::isnan(value("\"NaN\"")));
  EXPECT_EQ(value("\"Infinity\""), std::numeric_limits<double>::infinity());
  EXPECT_EQ(value("\"-Infinity\""), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(value("1e-400"), 0.0);
  EXPECT_EQ(value("true"), 1.0);
  EXPECT_EQ(value("false"), 0.0);
  for (const char* text : {"NaN", "Infinity", "-Infinity", "1e400", "\"x\"",
                           "\"\"", "[1]", "{\"a\": 1}", "\"1e400\""}) {
    EXPECT_NE(Refused<v1::LogMetricRequest>(StrCat("{\"value\": ", text, "}"))
                  .find("'value'"),
              std::string::npos)
        << text;
  }
}

TEST(JsonDecoder, Enums) {
  const auto status = [](const std::string& text) {
    return Decoded<v1::UpdateRunRequest>(StrCat("{\"status\": ", text, "}"));
  };
  EXPECT_EQ(status("\"FINISHED\"").status(), v1::FINISHED);
  EXPECT_EQ(status("4").status(), v1::FAILED);
  EXPECT_EQ(status("\"2\"").status(), v1::SCHEDULED);
  EXPECT_EQ(status("true").status(), v1::RUNNING);
  EXPECT_FALSE(status("\"finished\"").has_status());
  EXPECT_FALSE(status("\"99\"").has_status());
  EXPECT_FALSE(status("\"1.5\"").has_status());
  for (const char* text : {"0", "99", "false", "[]", "1.5"}) {
    Refused<v1::UpdateRunRequest>(StrCat("{\"status\": ", text, "}"));
  }
}

TEST(JsonDecoder, NullIsRefusedWhereMarked) {
  for (const char* name : {"metrics", "params", "tags"}) {
    Refused<v1::LogBatchRequest>(StrCat("{\"", name, "\": null}"));
  }
}

TEST(JsonDecoder, SomeNamesHaveNoCamelCase) {
  EXPECT_FALSE(
      Decoded<v1::GetRunRequest>(R"({"runId": "r"})").has_run_id());
  EXPECT_FALSE(
      Decoded<v1::DeleteRunRequest>(R"({"runUuid": "r"})").has_run_uuid());
}

TEST(JsonDecoder, BoolsAreNotQuoted) {
  EXPECT_TRUE(Decoded<v1::TransitionModelVersionStageRequest>(
                  R"({"archive_existing_versions": true})")
                  .archive_existing_versions());
  for (const char* text : {"\"true\"", "1", "[]"}) {
    Refused<v1::TransitionModelVersionStageRequest>(
        StrCat("{\"archive_existing_versions\": ", text, "}"));
  }
}

TEST(JsonDecoder, RefusalsNameTheParameter) {
  EXPECT_EQ(Refused<v1::CreateRunRequest>(R"({"experiment_id": true})"),
            "Invalid value true for parameter 'experiment_id' supplied: it "
            "must be a string.");
  EXPECT_NE(Refused<v1::LogBatchRequest>(
                R"({"metrics": [{"key": "a"}, {"value": "x"}]})")
                .find("'metrics[1].value'"),
            std::string::npos);
  EXPECT_NE(Refused<v1::LogBatchRequest>(R"({"tags": ["a"]})")
                .find("'tags[0]'"),
            std::string::npos);
  Refused<v1::LogBatchRequest>(R"({"tags": {"key": "a"}})");
  Refused<v1::SearchRunsRequest>(R"({"order_by": [null]})");
  Refused<v1::SearchRunsRequest>(R"({"experiment_ids": "1"})");
  Refused<v1::LogInputsRequest>(R"({"datasets": [{"dataset": []}]})");
  const std::string shown = Refused<v1::LogMetricRequest>(
      StrCat("{\"value\": \"", std::string(5000, 'x'), "\"}"));
  EXPECT_LT(shown.size(), 300u);
}

TEST(JsonDecoder, ValuesThatAreNoJsonAreNotShownAsWrong) {
  EXPECT_FALSE(Decoded<v1::CreateExperimentRequest>(
                   R"({"artifact_location": "x", "name": [1,]})")
                   .has_artifact_location());
}

TEST(JsonDecoder, StringsHoldAnyText) {
  EXPECT_EQ(Decoded<v1::CreateExperimentRequest>(R"({"name": "a\u0000b"})")
                .name(),
            std::string("a\0b", 3));
  EXPECT_NE(Refused<v1::CreateExperimentRequest>(R"({"name": "a\ud83d"})")
                .find("surrogate"),
            std::string::npos);
}

TEST(JsonDecoder, BytesAreBase64) {
  EXPECT_EQ(Decoded<v1::ArtifactChunk>(R"({"data": "AP8="})").data(),
            std::string("\0\xff", 2));
  EXPECT_EQ(Decoded<v1::ArtifactChunk>(R"({"data": "AP8"})").data(),
            std::string("\0\xff", 2));
  Refused<v1::ArtifactChunk>(R"({"data": "?"})");
}

TEST(JsonDecoder, Maps) {
  const auto response = Decoded<v1::CreatePresignedUploadUrlResponse>(
      R"({"headers": {"a": "1", "b": "2", "a": "3"}})");
  EXPECT_EQ(response.headers().at("a"), "3");
  EXPECT_EQ(response.headers().at("b"), "2");
  Refused<v1::CreatePresignedUploadUrlResponse>(R"({"headers": {"a": 1}})");
  Refused<v1::CreatePresignedUploadUrlResponse>(R"({"headers": {"a": null}})");
  Refused<v1::CreatePresignedUploadUrlResponse>(R"({"headers": ["a"]})");
}

TEST(JsonDecoder, NestingIsLimited) {
  const auto nested = [](int depth) {
    return StrCat(R"({"name": "n", "x": )", std::string(depth, '['),
                  std::string(depth, ']'), "}");
  };
  EXPECT_EQ(Decoded<v1::CreateExperimentRequest>(
                nested(limits::kJsonDepthMax - 1))
                .name(),
            "n");
  EXPECT_NE(Refused<v1::CreateExperimentRequest>(
                nested(limits::kJsonDepthMax + 1))
                .find("nested deeper"),
            std::string::npos);
  Refused<v1::CreateExperimentRequest>(nested(1'000'000));
}

// Of what is read, too: of a type that holds others of its own.
TEST(JsonDecoder, NestingOfMessagesIsLimited) {
  using google::protobuf::DescriptorProto;
  // Each a list and an object in it.
  const auto nested = [](int messages) {
    std::string text = "{}";
    for (int i = 0; i < messages; ++i) {
      text = StrCat("{\"nested_type\": [", text, "]}");
    }
    return text;
  };
  EXPECT_EQ(Decoded<DescriptorProto>(nested(limits::kJsonDepthMax / 2 - 1))
                .nested_type_size(),
            1);
  EXPECT_NE(Refused<DescriptorProto>(nested(limits::kJsonDepthMax / 2))
                .find("nested deeper"),
            std::string::npos);
}

TEST(JsonDecoder, LargeTextsAreRead) {
  const auto request = Decoded<v1::CreateExperimentRequest>(
      StrCat(R"({"x": ")", std::string(5'000'000, 'x'), R"(", "name": "n"})"));
  EXPECT_EQ(request.name(), "n");
}

}  // namespace
}  // namespace millstream::gateway
