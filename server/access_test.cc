// What the .proto files demand of callers: that nothing which a request names
// is left out, and that each demand by itself keeps a stranger out.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/streams.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "millstream/v1/users.pb.h"
#include "server/authorizer.h"
#include "server/testing_users.h"
#include "storage/registry_store.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using v1::Access;
using v1::Demand;

std::vector<const MethodDescriptor*> Rpcs() {
  std::vector<const MethodDescriptor*> rpcs;
  for (const auto* file : {v1::GetRunRequest::descriptor()->file(),
                           v1::GetModelVersionRequest::descriptor()->file(),
                           v1::ListArtifactsRequest::descriptor()->file(),
                           v1::LogMetricsRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        rpcs.push_back(file->service(i)->method(j));
      }
    }
  }
  return rpcs;
}

const Access& AccessOf(const MethodDescriptor& rpc) {
  return rpc.options().GetExtension(v1::access);
}

// Whether a field of a request names something that permissions are about.
bool Names(const MethodDescriptor& rpc, std::string_view path) {
  const std::string rpc_and_path = absl::StrCat(
      std::string(rpc.name()), " ", std::string(path));
  static const std::set<std::string> kNothing = {
      // Passed over, as the reference does: the run is the request's.
      "LogBatch metrics.run_id",
      // Kept as the caller describes it.
      "LogInputs datasets.dataset.source"};
  static const std::set<std::string> kNaming = {
      "artifact_location", "artifact_path", "experiment_id", "experiment_ids",
      "experiment_name",   "model_id",      "run_id",        "run_ids",
      "run_uuid",          "source",        "source_run_id"};
  static const std::set<std::string> kAlso = {
      "ListProxiedArtifacts path", "GetModelVersionArtifact name"};
  if (kNothing.contains(rpc_and_path)) return false;
  if (kAlso.contains(rpc_and_path)) return true;
  if (path == "name" && rpc.service()->name() == "ModelRegistryService") {
    return true;
  }
  return kNaming.contains(std::string(path.substr(path.rfind('.') + 1)));
}

void ForEachString(const Descriptor& type, const std::string& prefix,
                   const std::function<void(const std::string&)>& body) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const std::string path = prefix + field->name();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) body(path);
    if (field->message_type() != nullptr && prefix.size() < 100) {
      ForEachString(*field->message_type(), path + ".", body);
    }
  }
}

TEST(AccessTest, WhateverARequestNamesIsDemanded) {
  for (const MethodDescriptor* rpc : Rpcs()) {
    const Access& access = AccessOf(*rpc);
    std::set<std::string> demanded = {access.rows().experiments()};
    for (const Demand& demand : access.demands()) {
      demanded.insert(demand.fields().begin(), demand.fields().end());
    }
    ForEachString(*rpc->input_type(), "", [&](const std::string& path) {
      if (Names(*rpc, path)) {
        EXPECT_TRUE(demanded.contains(path))
            << rpc->full_name() << ": " << path;
      }
    });
  }
}

// Sets one string at "a.b", in lists as their only element.
void SetAt(Message* message, std::string_view path, const std::string& value) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(path.data(), path.size()), '.');
  for (size_t i = 0; i < parts.size(); ++i) {
    const FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(parts[i]);
    const auto* reflection = message->GetReflection();
    const bool last = i + 1 == parts.size();
    if (field->is_repeated() && last) {
      reflection->ClearField(message, field);
      reflection->AddString(message, field, value);
    } else if (last) {
      reflection->SetString(message, field, value);
    } else if (!field->is_repeated()) {
      message = reflection->MutableMessage(message, field);
    } else if (reflection->FieldSize(*message, field) == 0) {
      message = reflection->AddMessage(message, field);
    } else {
      message = reflection->MutableRepeatedMessage(message, field, 0);
    }
  }
}

// An experiment and a registered model, with something in them.
struct Things {
  std::string experiment, name, run, logged_model;

  // What a demand of this kind is about.
  std::string Of(Demand::Subject subject) const {
    const std::string path =
        absl::StrCat(experiment, "/", run, "/artifacts/f");
    switch (subject) {
      case Demand::RUN:
        return run;
      case Demand::LOGGED_MODEL:
        return logged_model;
      case Demand::EXPERIMENT_NAME:
      case Demand::MODEL:
      case Demand::MODEL_WITH_VERSIONS:
      case Demand::MODEL_VERSION:
      case Demand::NEW_MODEL_VERSION:
      case Demand::NEW_MODEL:
        return name;
      case Demand::ARTIFACT:
        return path;
      case Demand::ARTIFACT_URI:
        return "mlflow-artifacts:/" + path;
      default:
        return experiment;
    }
  }
};

class DemandsTest : public testing::Test {
 protected:
  DemandsTest() {
    users_.Give({"experiment", mine_.experiment, auth::Permission::kManage});
    users_.Give({"registered_model", mine_.name, auth::Permission::kManage});
  }

  Things Make(const std::string& name) {
    Things things;
    things.name = name;
    v1::Experiment experiment;
    experiment.set_name(name);
    things.experiment = *stores_.tracking()->CreateExperiment(experiment);
    v1::RunInfo info;
    things.run = std::string(32, name[0]);
    info.set_run_id(things.run);
    info.set_experiment_id(things.experiment);
    v1::Run run;
    info.set_run_name(name);
    info.set_user_id("someone");
    info.set_status(v1::RUNNING);
    info.set_start_time(1);
    info.set_artifact_uri("mlflow-artifacts:/" + things.run);
    info.set_lifecycle_stage("active");
    const absl::Status started = stores_.tracking()->CreateRun(info, {}, &run);
    EXPECT_TRUE(started.ok()) << started;
    v1::LoggedModel model, made;
    things.logged_model = "m-" + things.run;
    model.mutable_info()->set_model_id(things.logged_model);
    model.mutable_info()->set_experiment_id(things.experiment);
    model.mutable_info()->set_name(name);
    EXPECT_TRUE(stores_.tracking()->CreateLoggedModel(model, &made).ok());
    v1::RegisteredModel registered, kept;
    registered.set_name(name);
    EXPECT_TRUE(
        stores_.registry()->CreateRegisteredModel(registered, &kept).ok());
    return things;
  }

  static std::optional<std::string> OwnPath(std::string_view uri) {
    constexpr std::string_view kScheme = "mlflow-artifacts:/";
    if (!uri.starts_with(kScheme)) return std::nullopt;
    return std::string(uri.substr(kScheme.size()));
  }

  bool May(const Access& access, const Message& request) {
    return authorizer_.Check("alice", access, request).ok();
  }

  storage::testing::SqliteStores stores_;
  const Things mine_ = Make("a-mine");
  const Things theirs_ = Make("b-theirs");
  OneUser users_;
  Authorizer authorizer_{&users_, stores_.tracking(), stores_.registry(),
                         auth::Permission::kNone, &OwnPath};
};

// `access` without what it says of `field` in demand `index`.
Access Without(const Access& access, int index, std::string_view field) {
  Access mutated = access;
  auto* fields = mutated.mutable_demands(index)->mutable_fields();
  for (int i = fields->size() - 1; i >= 0; --i) {
    if (fields->Get(i) == field) fields->DeleteSubrange(i, 1);
  }
  return mutated;
}

TEST_F(DemandsTest, EachKeepsAStrangerOutByItself) {
  int checked = 0;
  for (const MethodDescriptor* rpc : Rpcs()) {
    const Access& access = AccessOf(*rpc);
    const Message* type =
        MessageFactory::generated_factory()->GetPrototype(rpc->input_type());
    const auto request = [&](int stranger, std::string_view stranger_field) {
      std::unique_ptr<Message> made(type->New());
      for (int i = 0; i < access.demands_size(); ++i) {
        for (const std::string& field : access.demands(i).fields()) {
          const bool strange = i == stranger && field == stranger_field;
          const Things& of = strange ? theirs_ : mine_;
          // One that demands the same field for something else is met by
          // another value too, or fails with it.
          if (stranger >= 0 && !strange && field == stranger_field) continue;
          SetAt(made.get(), field, of.Of(access.demands(i).of()));
        }
      }
      return made;
    };
    EXPECT_TRUE(access.demands().empty() || May(access, *request(-1, "")))
        << rpc->full_name();
    for (int i = 0; i < access.demands_size(); ++i) {
      const Demand& demand = access.demands(i);
      if (demand.right() == Demand::NO_RIGHT) continue;
      for (const std::string& field : demand.fields()) {
        const auto asked = request(i, field);
        EXPECT_FALSE(May(access, *asked)) << rpc->full_name() << " " << field;
        ++checked;
        int same_field = 0;
        for (const Demand& other : access.demands()) {
          for (const std::string& f : other.fields()) same_field += f == field;
        }
        // Of a proxy's root something is demanded whatever the request says.
        if (same_field > 1 || demand.of() == Demand::ARTIFACT) continue;
        EXPECT_TRUE(May(Without(access, i, field), *asked))
            << "the test does not show that the demand is needed: "
            << rpc->full_name() << " " << field;
      }
    }
  }
  EXPECT_GT(checked, 80);
}

TEST_F(DemandsTest, WhereNothingMayBeDeniedADenialCounts) {
  for (const char* denied : {"experiment", "registered_model"}) {
    OneUser users;
    users.Give({denied, "*", auth::Permission::kDeny});
    Authorizer authorizer(&users, stores_.tracking(), stores_.registry(),
                          auth::Permission::kManage, &OwnPath);
    int refused = 0;
    for (const MethodDescriptor* rpc : Rpcs()) {
      const Access& access = AccessOf(*rpc);
      if (access.demands().empty() ||
          access.demands(0).right() != Demand::NO_RIGHT) {
        continue;
      }
      std::unique_ptr<Message> request(
          MessageFactory::generated_factory()
              ->GetPrototype(rpc->input_type())
              ->New());
      SetAt(request.get(), "name", "new");
      refused += !authorizer.Check("alice", access, *request).ok();
    }
    EXPECT_EQ(refused, 1) << denied;
  }
}

// A denial on runs, beside a right to read the experiment.
TEST_F(DemandsTest, FeedsOfAnExperimentAreOfItsRuns) {
  users_.Give({"run", "*", auth::Permission::kDeny});
  for (const char* rpc : {"TailMetrics", "WatchRuns"}) {
    const MethodDescriptor* found = v1::LogMetricsRequest::descriptor()
                                        ->file()
                                        ->service(0)
                                        ->FindMethodByName(rpc);
    std::unique_ptr<Message> request(
        MessageFactory::generated_factory()
            ->GetPrototype(found->input_type())
            ->New());
    SetAt(request.get(), "experiment_id", mine_.experiment);
    EXPECT_FALSE(May(AccessOf(*found), *request)) << rpc;
  }
}

// Rights on runs, logged models and versions are those on what they are in,
// but for denials: these are the rpcs that each is about.
TEST_F(DemandsTest, ADenialOnPartsReachesWhateverIsAboutThem) {
  const std::map<std::string_view, std::string_view> kAbout = {
      {auth::kRunType,
       "GetRun UpdateRun DeleteRun RestoreRun LogMetric LogParam LogBatch "
       "SetTag DeleteTag LogModel LogInputs LogOutputs GetMetricHistory "
       "GetMetricHistoryBulk GetMetricHistoryBulkInterval CreateRun "
       "CreateLoggedModel CreateModelVersion ListArtifacts GetRunArtifact "
       "UploadRunArtifact CreatePresignedUploadUrl CreatePresignedDownloadUrl "
       "DownloadArtifact UploadArtifact ListProxiedArtifacts DeleteArtifact "
       "CreateMultipartUpload UploadArtifactPart CompleteMultipartUpload "
       "AbortMultipartUpload GetPresignedDownloadUrl LogMetrics TailMetrics "
       "WatchRuns SearchDatasets DeleteExperiment RestoreExperiment "
       "CreateExperiment"},
      {auth::kLoggedModelType,
       "FinalizeLoggedModel GetLoggedModel DeleteLoggedModel "
       "SetLoggedModelTags DeleteLoggedModelTag LogLoggedModelParams "
       "CreateLoggedModel LogMetric LogBatch LogInputs LogOutputs "
       "ListLoggedModelArtifacts GetLoggedModelArtifact "
       "CreatePresignedUploadUrl CreateModelVersion DeleteExperiment "
       "RestoreExperiment"},
      {auth::kModelVersionType,
       "GetLatestVersions CreateModelVersion UpdateModelVersion "
       "TransitionModelVersionStage DeleteModelVersion GetModelVersion "
       "GetModelVersionDownloadUri SetModelVersionTag DeleteModelVersionTag "
       "SetRegisteredModelAlias DeleteRegisteredModelAlias "
       "GetModelVersionByAlias GetModelVersionArtifact "
       "DeleteRegisteredModel"}};
  for (const auto& [part, rpcs] : kAbout) {
    OneUser users;
    users.Give({std::string(part), "*", auth::Permission::kDeny});
    Authorizer authorizer(&users, stores_.tracking(), stores_.registry(),
                          auth::Permission::kManage, &OwnPath);
    std::set<std::string> denied;
    for (const MethodDescriptor* rpc : Rpcs()) {
      const Access& access = AccessOf(*rpc);
      std::unique_ptr<Message> request(
          MessageFactory::generated_factory()
              ->GetPrototype(rpc->input_type())
              ->New());
      for (const Demand& demand : access.demands()) {
        for (const std::string& field : demand.fields()) {
          SetAt(request.get(), field, mine_.Of(demand.of()));
        }
      }
      if (!authorizer.Check("alice", access, *request).ok()) {
        denied.insert(rpc->name());
      }
    }
    const std::set<std::string> expected = absl::StrSplit(
        absl::string_view(rpcs.data(), rpcs.size()), ' ');
    EXPECT_EQ(denied, expected) << part;
  }
}

// Who may manage all runs, say, may not touch one of an experiment that he may
// not read.
TEST_F(DemandsTest, RightsOnPartsNeedOneToReadWhatTheyAreIn) {
  struct Part {
    Demand::Subject subject;
    std::string_view type, whole_type, whole;
  };
  const Part kPartsOf[] = {
      {Demand::RUN, auth::kRunType, auth::kExperimentType, theirs_.experiment},
      {Demand::LOGGED_MODEL, auth::kLoggedModelType, auth::kExperimentType,
       theirs_.experiment},
      {Demand::MODEL_VERSION, auth::kModelVersionType, auth::kModelType,
       theirs_.name}};
  for (const Part& part : kPartsOf) {
    OneUser users;
    users.Give({std::string(part.type), "*", auth::Permission::kManage});
    Authorizer authorizer(&users, stores_.tracking(), stores_.registry(),
                          auth::Permission::kNone, &OwnPath);
    std::vector<std::function<bool()>> calls;
    for (const MethodDescriptor* rpc : Rpcs()) {
      const Access& access = AccessOf(*rpc);
      // What no other demand refuses.
      if (access.demands_size() != 1 ||
          access.demands(0).of() != part.subject) {
        continue;
      }
      std::shared_ptr<Message> request(
          MessageFactory::generated_factory()
              ->GetPrototype(rpc->input_type())
              ->New());
      for (const std::string& field : access.demands(0).fields()) {
        SetAt(request.get(), field, theirs_.Of(part.subject));
      }
      calls.push_back([&authorizer, &access, request] {
        return authorizer.Check("alice", access, *request).ok();
      });
      EXPECT_FALSE(calls.back()()) << rpc->full_name();
    }
    EXPECT_GT(calls.size(), 3u) << part.type;
    users.Give({std::string(part.whole_type), std::string(part.whole),
                auth::Permission::kRead});
    for (const auto& call : calls) EXPECT_TRUE(call()) << part.type;
  }
}

TEST_F(DemandsTest, SourcesAreWhatTheyName) {
  const Access& access =
      AccessOf(*v1::CreateModelVersionRequest::descriptor()
                    ->file()
                    ->FindServiceByName("ModelRegistryService")
                    ->FindMethodByName("CreateModelVersion"));
  const auto may = [&](const std::string& source) {
    v1::CreateModelVersionRequest request;
    request.set_name(mine_.name);
    request.set_source(source);
    return May(access, request);
  };
  // A model whose name begins as that of one who has more.
  users_.Give({"registered_model", "b-the", auth::Permission::kManage});
  v1::RegisteredModel model, kept;
  model.set_name("b-the@irs");
  ASSERT_TRUE(stores_.registry()->CreateRegisteredModel(model, &kept).ok());
  for (const Things* of : {&mine_, &theirs_}) {
    const bool allowed = of == &mine_;
    EXPECT_EQ(may("runs:/" + of->run + "/model"), allowed);
    EXPECT_EQ(may("RUNS:/" + of->run + "/model"), allowed);
    EXPECT_EQ(may("models:/" + of->logged_model), allowed);
    EXPECT_EQ(may("models:/" + of->name + "/1"), allowed);
    EXPECT_EQ(may("models:/" + of->name + "/Production"), allowed);
    EXPECT_EQ(may("models:/" + of->name + "@best"), allowed);
    EXPECT_EQ(may("mlflow-artifacts:/" + of->experiment + "/x"), allowed);
  }
  EXPECT_FALSE(may("models:/b-the@irs/1"));
  EXPECT_TRUE(may("s3://elsewhere/x"));
}

}  // namespace
}  // namespace millstream::server
