#include "gateway/graphql/graphql.h"

#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/graphql/root_fields.h"
#include "gateway/graphql/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway::graphql {
namespace {

using server::CallContext;
using testing::HasSubstr;
using testing::StartsWith;

// The rpcs behind the root fields, with one run, one experiment and a version.
class Rpcs {
 public:
  absl::Status GetExperiment(CallContext&,
                             const v1::GetExperimentRequest& request,
                             v1::GetExperimentResponse* response) {
    ++experiments_asked;
    if (request.experiment_id() != "1") {
      return DoesNotExist("No Experiment with id=", request.experiment_id());
    }
    v1::Experiment* experiment = response->mutable_experiment();
    experiment->set_experiment_id("1");
    experiment->set_name("exp \"1\"\n");
    experiment->set_creation_time(int64_t{1} << 60);
    return absl::OkStatus();
  }

  absl::Status GetRun(CallContext&, const v1::GetRunRequest& request,
                      v1::GetRunResponse* response) {
    if (request.run_id() != "r0") {
      return DoesNotExist("Run with id=", request.run_id(), " not found");
    }
    AddRun("r0", response->mutable_run());
    return absl::OkStatus();
  }

  absl::Status SearchRuns(CallContext&, const v1::SearchRunsRequest& request,
                          v1::SearchRunsResponse* response) {
    search = request;
    for (int i = 0; i < 250; ++i) AddRun(StrCat("r", i), response->add_runs());
    return absl::OkStatus();
  }

  absl::Status SearchModelVersions(
      CallContext&, const v1::SearchModelVersionsRequest& request,
      v1::SearchModelVersionsResponse* response) {
    filters.push_back(request.filter());
    v1::ModelVersion* version = response->add_model_versions();
    version->set_name("m");
    version->set_version(request.page_token().empty() ? "1" : "2");
    version->set_run_id("r0");
    version->add_aliases("a");
    if (request.page_token().empty()) response->set_next_page_token("more");
    return absl::OkStatus();
  }

  absl::Status GetHistory(
      CallContext&, const v1::GetMetricHistoryBulkIntervalRequest& request,
      v1::GetMetricHistoryBulkIntervalResponse* response) {
    EXPECT_FALSE(request.has_max_results());
    v1::Metric* metric = response->add_metrics();
    metric->set_key(request.metric_key());
    metric->set_value(std::numeric_limits<double>::quiet_NaN());
    return absl::OkStatus();
  }

  absl::Status ListArtifacts(CallContext&, const v1::ListArtifactsRequest&,
                             v1::ListArtifactsResponse* response) {
    response->add_files()->set_is_dir(true);
    return absl::InternalError("a secret of the server");
  }

  absl::Status SearchDatasets(CallContext&,
                              const v1::SearchDatasetsRequest& request,
                              v1::SearchDatasetsResponse* response) {
    for (const std::string& id : request.experiment_ids()) {
      response->add_dataset_summaries()->set_experiment_id(id);
    }
    return absl::OkStatus();
  }

  int experiments_asked = 0;
  std::vector<std::string> filters;
  v1::SearchRunsRequest search;

 private:
  static void AddRun(const std::string& id, v1::Run* run) {
    run->mutable_info()->set_run_id(id);
    run->mutable_info()->set_experiment_id("1");
    run->mutable_info()->set_status(v1::FINISHED);
    v1::Metric* metric = run->mutable_data()->add_metrics();
    metric->set_key("nan");
    metric->set_value(std::numeric_limits<double>::quiet_NaN());
    metric->set_step(-3);
    metric = run->mutable_data()->add_metrics();
    metric->set_key("m");
    metric->set_value(1);
  }
};

class GraphqlTest : public testing::Test {
 protected:
  GraphqlTest() {
    methods_.Service(FindRpc("TrackingService.GetRun")->service());
    methods_.Unary("GetRun", &rpcs_, &Rpcs::GetRun);
    methods_.Unary("GetExperiment", &rpcs_, &Rpcs::GetExperiment);
    methods_.Unary("SearchRuns", &rpcs_, &Rpcs::SearchRuns);
    methods_.Unary("SearchDatasets", &rpcs_, &Rpcs::SearchDatasets);
    methods_.Unary("GetMetricHistoryBulkInterval", &rpcs_, &Rpcs::GetHistory);
    methods_.Service(FindRpc("ArtifactService.ListArtifacts")->service());
    methods_.Unary("ListArtifacts", &rpcs_, &Rpcs::ListArtifacts);
    methods_.Service(
        FindRpc("ModelRegistryService.SearchModelVersions")->service());
    methods_.Unary("SearchModelVersions", &rpcs_, &Rpcs::SearchModelVersions);
  }

  std::string Post(std::string_view body) {
    CallContext context(server::Door::kRest);
    absl::StatusOr<std::string> answer = Answer(body, context, &dispatcher_);
    if (answer.ok()) return *answer;
    return StrCat(GetErrorName(GetErrorCode(answer.status())), ": ",
                  GetPublicMessage(answer.status()));
  }

  // `query` with every " written as '.
  std::string Ask(std::string query, std::string_view variables = "{}") {
    std::string escaped;
    for (const char c : query) {
      if (c == '\'') {
        escaped += "\\\"";
      } else if (c == '\n') {
        escaped += "\\n";
      } else {
        escaped += c;
      }
    }
    return Post(
        StrCat("{\"query\":\"", escaped, "\",\"variables\":", variables, "}"));
  }

  static std::string Data(std::string_view data) {
    return StrCat("{\"data\":", data, ",\"errors\":null}");
  }

  Rpcs rpcs_;
  server::MethodTable methods_;
  server::Dispatcher dispatcher_{&methods_};
};

TEST_F(GraphqlTest, AnswersWhatIsSelected) {
  EXPECT_EQ(
      Ask("query Q($data: MlflowGetRunInput!) @component(name: 'c') {"
          " mlflowGetRun(input: $data) { apiError { code } run { __typename"
          " info { runId status endTime userId } data { metrics { key value "
          "step } tags { key } } inputs { datasetInputs { dataset { name } } }"
          " } } }",
          R"({"data":{"runId":"r0"}})"),
      Data(R"({"mlflowGetRun":{"apiError":null,"run":{)"
           R"("__typename":"MlflowRunExtension",)"
           R"("info":{"runId":"r0","status":"FINISHED","endTime":"0",)"
           R"("userId":""},"data":{"metrics":[)"
           R"({"key":"nan","value":null,"step":"-3"},)"
           R"({"key":"m","value":1.0,"step":"0"}],"tags":[]},)"
           R"("inputs":{"datasetInputs":[]}}}})"));
}

TEST_F(GraphqlTest, LongIntegersAndOddStringsArriveWhole) {
  EXPECT_EQ(Ask("{ mlflowGetExperiment(input: {experimentId: '1'}) {"
                " experiment { name creationTime lifecycleStage tags { key }"
                " } } }"),
            Data(R"({"mlflowGetExperiment":{"experiment":{)"
                 R"("name":"exp \"1\"\n","creationTime":"1152921504606846976",)"
                 R"("lifecycleStage":"","tags":[]}}})"));
}

TEST_F(GraphqlTest, ErrorsLeaveNullAndTheRest) {
  EXPECT_EQ(Ask("{ a: mlflowGetRun(input: {runId: 'x'}) { run { info { runId }"
                " } } b: test(inputString: 'still here') { output } }"),
            R"({"data":{"a":null,"b":{"output":"still here"}},)"
            R"("errors":["Run with id=x not found"]})");
}

TEST_F(GraphqlTest, InnerErrorsKeepTheirSecrets) {
  EXPECT_EQ(Ask("{ mlflowListArtifacts(input: {runId: 'x'}) { rootUri } }"),
            R"({"data":{"mlflowListArtifacts":null},"errors":)"
            R"(["The server met an internal error; its log says more."]})");
}

TEST_F(GraphqlTest, FragmentsAliasesAndRepeatedFieldsMerge) {
  EXPECT_EQ(Ask("query Q { ...f test(inputString: 'x') { out: output } }"
                " fragment f on Query { test(inputString: 'x') { ...g"
                " ... on Test { output } ... { __typename } } }"
                " fragment g on Test { output }"),
            Data(R"({"test":{"output":"x","__typename":"Test","out":"x"}})"));
}

TEST_F(GraphqlTest, RunsOfASearchShareTheirLookups) {
  const std::string answer =
      Ask("{ mlflowSearchRuns(input: {experimentIds: '1', orderBy: ['a', 'b'],"
          " maxResults: 7}) { runs { experiment { experimentId }"
          " modelVersions { version aliases } } nextPageToken } }");
  EXPECT_THAT(answer, HasSubstr(R"("modelVersions":[{"version":"1",)"));
  EXPECT_THAT(answer, HasSubstr(R"({"version":"2","aliases":["a"]}]})"));
  EXPECT_EQ(rpcs_.experiments_asked, 1);
  // 250 runs by 100, two pages each.
  EXPECT_EQ(rpcs_.filters.size(), 6u);
  EXPECT_THAT(rpcs_.filters[0], StartsWith("run_id IN ('r0','r1',"));
  EXPECT_EQ(rpcs_.search.experiment_ids(0), "1");
  EXPECT_EQ(rpcs_.search.order_by_size(), 2);
  EXPECT_EQ(rpcs_.search.max_results(), 7);
}

TEST_F(GraphqlTest, WhatTheReferenceRefusesOrIgnoresIsRefusedOrIgnored) {
  EXPECT_THAT(Ask("{ mlflowSearchRuns(input: {runViewType: ALL}) {"
                  " nextPageToken } }"),
              HasSubstr("'runViewType' is not supported"));
  EXPECT_EQ(Ask("{ mlflowGetMetricHistoryBulkInterval(input: {runIds: [],"
                " metricKey: 'm'}) { metrics { key } } }"),
            Data(R"({"mlflowGetMetricHistoryBulkInterval":{"metrics":[]}})"));
  EXPECT_THAT(Ask("{ mlflowGetMetricHistoryBulkInterval(input: {runIds: 'r',"
                  " metricKey: 'm', maxResults: 3}) { metrics { value } } }"),
              StartsWith(R"({"data":{"mlflowGetMetricHistoryBulkInterval":)"
                         R"({"metrics":[{"value":null}]}},"errors":["Float)"));
  EXPECT_THAT(Ask("{ test(inputString: 'x') { output @skip(if: true) } }"),
              HasSubstr("Unknown directive '@skip'"));
}

TEST_F(GraphqlTest, Mutations) {
  EXPECT_EQ(Ask("mutation { mlflowSearchDatasets(input: {experimentIds: ['1',"
                " '2']}) { datasetSummaries { experimentId context } }"
                " testMutation(inputString: 'x') { output } }"),
            Data(R"({"mlflowSearchDatasets":{"datasetSummaries":[)"
                 R"({"experimentId":"1","context":""},)"
                 R"({"experimentId":"2","context":""}]},)"
                 R"("testMutation":null})"));
  EXPECT_THAT(Ask("subscription { test { output } }"),
              StartsWith(R"({"data":null,"errors":["Subscriptions)"));
}

TEST_F(GraphqlTest, VariablesAreChecked) {
  const auto ask = [&](std::string_view type, std::string_view value) {
    return Ask(StrCat("query Q($v: ", type,
                      ") { test(inputString: $v) {"
                      " output } }"),
               StrCat("{\"v\":", value, ",\"other\":[1.5,true]}"));
  };
  EXPECT_EQ(ask("String", "\"x\""), Data(R"({"test":{"output":"x"}})"));
  EXPECT_EQ(ask("String = 'd'", "null"), Data(R"({"test":{"output":null}})"));
  EXPECT_EQ(Ask("query Q($v: String = 'd') { test(inputString: $v) { output "
                "} }"),
            Data(R"({"test":{"output":"d"}})"));
  EXPECT_THAT(Ask("query Q($v: String) { test(inputString: $v) { output } }"),
              StartsWith(R"({"data":{"test":null},"errors":[)"));
  for (const char* value : {"5", "true", "[\"x\"]", "{}"}) {
    EXPECT_THAT(ask("String", value),
                StartsWith(R"({"data":null,"errors":["Variable '$v' got)"));
  }
  EXPECT_THAT(ask("String!", "null"), HasSubstr("must not be null"));
  EXPECT_THAT(ask("Int", "5"), HasSubstr("used where 'String' is expected"));
}

TEST_F(GraphqlTest, OperationsAreChosenByName) {
  const char* kTwo =
      R"("query":"query A { a: __typename } query B { b: __typename }")";
  EXPECT_EQ(Post(StrCat("{\"operationName\":\"B\",", kTwo, "}")),
            Data(R"({"b":"Query"})"));
  EXPECT_THAT(Post(StrCat("{\"operationName\":\"C\",", kTwo, "}")),
              HasSubstr("Unknown operation named 'C'."));
  EXPECT_THAT(Post(StrCat("{", kTwo, "}")), HasSubstr("operation name"));
}

TEST_F(GraphqlTest, TheSchemaTellsAboutItself) {
  EXPECT_EQ(
      Ask("{ __schema { queryType { name } mutationType { fields { name"
          " } } subscriptionType { name } directives { name locations"
          " args { name type { kind ofType { name } } } } } }"),
      Data(R"({"__schema":{"queryType":{"name":"Query"},)"
           R"("mutationType":{"fields":[{"name":"mlflowSearchDatasets"},)"
           R"({"name":"mlflowSearchRuns"},{"name":"testMutation"}]},)"
           R"("subscriptionType":null,"directives":[{"name":"component",)"
           R"("locations":["QUERY","MUTATION"],"args":[{"name":"name",)"
           R"("type":{"kind":"NON_NULL","ofType":{"name":"String"}}}]}]}})"));
  EXPECT_EQ(Ask("{ __type(name: 'MlflowSearchRunsInput') { kind inputFields {"
                " name defaultValue type { name kind ofType { name } } } } }")
                .substr(0, 150),
            StrCat(R"({"data":{"__type":{"kind":"INPUT_OBJECT","inputFields":)"
                   R"([{"name":"experimentIds","defaultValue":null,"type":)"
                   R"({"name":null,"kind":"LIST","ofType":{"name")")
                .substr(0, 150));
  EXPECT_EQ(Ask("{ __type(name: 'Nothing') { name } }"),
            Data(R"({"__type":null})"));
}

TEST_F(GraphqlTest, BodiesThatAreNoQueriesAreRefused) {
  for (const char* body :
       {"", "[]", "null", "{}", "nonsense", R"({"query":null})",
        R"({"query":5})", R"({"query":"{"})", R"({"query":""})",
        R"({"query":"{ a }","variables":[]})",
        R"({"query":"{ a }","operationName":5})"}) {
    EXPECT_THAT(Post(body), StartsWith("INVALID_PARAMETER_VALUE")) << body;
  }
}

TEST_F(GraphqlTest, BoundsOfBodies) {
  EXPECT_THAT(Post(std::string(limits::kGraphqlBodyBytesMax + 1, ' ')),
              StartsWith("INVALID_PARAMETER_VALUE: A GraphQL request"));
  std::string nested = "{\"query\":\"{ a }\",\"variables\":{\"v\":";
  nested.append(limits::kGraphqlNestingMax + 1, '[');
  nested.append(limits::kGraphqlNestingMax + 1, ']');
  nested += "}}";
  EXPECT_THAT(Post(nested), StartsWith("INVALID_PARAMETER_VALUE"));
}

TEST_F(GraphqlTest, EveryRootFieldHasItsRpcAndItsMessages) {
  for (const RootField& field : RootFields()) {
    ASSERT_NE(field.rpc(), nullptr) << field.method;
    const Type* root = Schema::Get().FindType(field.type);
    ASSERT_NE(root, nullptr);
    const Field* found = root->FindField(field.name);
    ASSERT_NE(found, nullptr) << field.name;
    EXPECT_EQ(found->base->message, field.rpc()->output_type());
    // Every field that can be asked with has its place in the request.
    for (const Input& input : found->arguments[0].base->inputs) {
      EXPECT_NE(
          field.rpc()->input_type()->FindFieldByName(SnakeCase(input.name)),
          nullptr)
          << field.name << " " << input.name;
    }
  }
}

TEST_F(GraphqlTest, FieldsWithoutASourceAreKnown) {
  std::vector<std::string> without;
  for (const auto& type : Schema::Get().types()) {
    for (const Field& field : type->fields) {
      if (type->message != nullptr && field.source == nullptr &&
          field.name != "apiError") {
        without.push_back(StrCat(type->name, ".", field.name));
      }
    }
  }
  EXPECT_THAT(without, testing::UnorderedElementsAre(
                           "MlflowExperiment.effectiveTraceArchivalRetention",
                           "MlflowModelVersion.deploymentJobState",
                           "MlflowRunExtension.experiment",
                           "MlflowRunExtension.modelVersions"));
}

}  // namespace
}  // namespace millstream::gateway::graphql
