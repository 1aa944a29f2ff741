// The door over real sockets, in front of a real dispatcher and a few rpcs.
#include "gateway/rest_door.h"

#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/testing/door_fixture.h"
#include "millstream/v1/tracking.pb.h"
#include "monitoring/monitor.h"

namespace millstream::gateway {
namespace {

// Experiments in memory, and an rpc that waits until it is told to go on.
class Experiments {
 public:
  absl::Status Create(server::CallContext&,
                      const v1::CreateExperimentRequest& request,
                      v1::CreateExperimentResponse* response) {
    absl::MutexLock lock(&mutex_);
    names_.push_back(request.name());
    response->set_experiment_id(std::to_string(names_.size()));
    return absl::OkStatus();
  }
  absl::Status Get(server::CallContext& context,
                   const v1::GetExperimentRequest& request,
                   v1::GetExperimentResponse* response) {
    size_t id = 0;
    absl::MutexLock lock(&mutex_);
    deadline_ = context.deadline();
    if (!absl::SimpleAtoi(request.experiment_id(), &id) || id < 1 ||
        id > names_.size()) {
      return DoesNotExist("No experiment ", request.experiment_id());
    }
    response->mutable_experiment()->set_name(names_[id - 1]);
    response->mutable_experiment()->set_artifact_location(context.base_url());
    return absl::OkStatus();
  }
  absl::Status LogBatch(server::CallContext&, const v1::LogBatchRequest&,
                        v1::LogBatchResponse*) {
    return absl::OkStatus();
  }
  absl::Status GetModel(server::CallContext&,
                        const v1::GetLoggedModelRequest& request,
                        v1::GetLoggedModelResponse* response) {
    response->mutable_model()->mutable_info()->set_model_id(
        request.model_id());
    return absl::OkStatus();
  }
  // Or until its caller has gone.
  absl::Status Wait(server::CallContext& context, const v1::GetRunRequest&,
                    v1::GetRunResponse*) {
    {
      absl::MutexLock lock(&mutex_);
      ++waiting_;
    }
    while (!go_on_.WaitForNotificationWithTimeout(absl::Milliseconds(5))) {
      if (absl::Status alive = context.Alive(); !alive.ok()) {
        absl::MutexLock lock(&mutex_);
        ++abandoned_;
        return alive;
      }
    }
    return absl::OkStatus();
  }
  void WaitForWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return waiting_ >= count;
    };
    mutex_.Await(absl::Condition(&reached));
  }
  void WaitForAbandoned(int count) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return abandoned_ >= count;
    };
    mutex_.Await(absl::Condition(&reached));
  }
  void GoOn() { go_on_.Notify(); }
  // Of the last call of Get.
  absl::Time deadline() {
    absl::MutexLock lock(&mutex_);
    return deadline_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int abandoned_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Notification go_on_;
};

class RestDoorTest : public DoorFixture {
 protected:
  RestDoorTest() {
    options_.threads = 4;
    v1::GetExperimentRequest::descriptor();
    table_.Service(v1::Experiment::descriptor()
                       ->file()
                       ->pool()
                       ->FindServiceByName("millstream.v1.TrackingService"));
    table_.Unary("CreateExperiment", &experiments_, &Experiments::Create);
    table_.Unary("GetExperiment", &experiments_, &Experiments::Get);
    table_.Unary("LogBatch", &experiments_, &Experiments::LogBatch);
    table_.Unary("GetLoggedModel", &experiments_, &Experiments::GetModel);
    table_.Unary("GetRun", &experiments_, &Experiments::Wait);
  }

  Experiments experiments_;
};

constexpr char kCreate[] = "/api/2.0/mlflow/experiments/create";
constexpr char kGet[] = "/api/2.0/mlflow/experiments/get";
constexpr char kWaitingCall[] =
    "GET /api/2.0/mlflow/runs/get?run_id=r HTTP/1.1\r\n"
    "Host: localhost\r\n\r\n";

TEST_F(RestDoorTest, AnswersProbes) {
  Start();
  WireReply health = Ask("GET", "/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.headers["content-type"], "text/plain; charset=utf-8");
  EXPECT_EQ(health.body, "OK");
  WireReply version = Ask("GET", "/version");
  EXPECT_EQ(version.headers["content-type"], "text/html; charset=utf-8");
  EXPECT_EQ(version.body, "3.17.2");
  EXPECT_EQ(Ask("POST", "/health").status, 405);
  EXPECT_EQ(Ask("GET", "/health/").status, 404);
}

TEST_F(RestDoorTest, CallsRpcsOverOneConnection) {
  Start();
  WireClient client(door_->port());
  WireReply created = client.Ask("POST", kCreate, R"({"name": "a"})");
  EXPECT_EQ(created.status, 200);
  EXPECT_EQ(created.headers["content-type"], "application/json");
  EXPECT_EQ(created.body, R"({"experiment_id":"1"})");
  EXPECT_EQ(client.Ask("GET", StrCat(kGet, "?experiment_id=1")).body,
            R"({"experiment":{"name":"a",)"
            R"("artifact_location":"http://localhost"}})");
  EXPECT_EQ(
      client.Ask("POST", "/ajax-api/2.0/mlflow/experiments/create",
                 R"({"name": "b"})").body,
      R"({"experiment_id":"2"})");
}

TEST_F(RestDoorTest, CallsHaveADeadline) {
  Start();
  const absl::Duration longest = absl::Milliseconds(limits::kHttpCallMsMax);
  const absl::Time before = absl::Now();
  Ask("GET", StrCat(kGet, "?experiment_id=1"));
  EXPECT_GE(experiments_.deadline(), before + longest);
  EXPECT_LE(experiments_.deadline(), absl::Now() + longest);
}

TEST_F(RestDoorTest, GetTakesAJsonBodyIfThereIsNoQuery) {
  Start();
  ASSERT_EQ(Ask("POST", kCreate, R"({"name": "a"})").status, 200);
  EXPECT_EQ(Ask("GET", kGet, R"({"experiment_id": "1"})").status, 200);
  EXPECT_EQ(Ask("GET", StrCat(kGet, "?experiment_id=9"),
                R"({"experiment_id": "1"})").status,
            404);
}

TEST_F(RestDoorTest, ErrorsHaveCodeAndMessage) {
  Start();
  WireReply reply = Ask("GET", StrCat(kGet, "?experiment_id=7"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body,
            R"({"error_code":"RESOURCE_DOES_NOT_EXIST",)"
            R"("message":"No experiment 7","sqlstate":"KAM00",)"
            R"("error_class":"RESOURCE_NOT_FOUND"})");
  EXPECT_EQ(Ask("POST", kCreate, "{}").status, 400);
  EXPECT_EQ(Ask("POST", kCreate, "[]").status, 400);
}

TEST_F(RestDoorTest, PostWantsJsonAsContentType) {
  Start();
  for (const char* type : {"text/plain", "", "APPLICATION/JSON"}) {
    EXPECT_EQ(Ask("POST", kCreate, R"({"name": "a"})",
                  StrCat("Content-Type: ", type, "\r\n"))
                  .status,
              400)
        << type;
  }
  EXPECT_EQ(Ask("POST", kCreate, R"({"name": "a"})",
                "Content-Type: application/json; charset=utf-8\r\n")
                .status,
            200);
}

TEST_F(RestDoorTest, PathsAreExact) {
  Start();
  EXPECT_EQ(Ask("GET", "/nonsense").status, 404);
  EXPECT_EQ(Ask("GET", StrCat(kGet, "/")).status, 404);
  EXPECT_EQ(Ask("GET", "/API/2.0/mlflow/experiments/get").status, 404);
  WireReply moved =
      Ask("GET", "/api/2.0/mlflow//experiments/get?experiment_id=1");
  EXPECT_EQ(moved.status, 308);
  EXPECT_EQ(moved.headers["location"],
            "/api/2.0/mlflow/experiments/get?experiment_id=1");
  EXPECT_EQ(Ask("POST", "/api/2.0/mlflow//experiments/get").status, 405);
}

TEST_F(RestDoorTest, OtherMethodsAreTold) {
  Start();
  WireReply reply = Ask("GET", kCreate);
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers["allow"], "OPTIONS, POST");
  EXPECT_EQ(Ask("PUT", kGet).headers["allow"], "GET, HEAD, OPTIONS");
  EXPECT_EQ(Ask("OPTIONS", kGet).status, 204);
  EXPECT_EQ(Ask("OPTIONS", "/health").status, 200);
  WireReply head = Ask("HEAD", kGet);
  EXPECT_EQ(head.status, 400);
  EXPECT_EQ(head.headers["content-type"], "application/json");
  EXPECT_NE(head.headers["content-length"], "0");
}

TEST_F(RestDoorTest, PathVariablesAreBoundDecoded) {
  Start();
  EXPECT_EQ(Ask("GET", "/api/2.0/mlflow/logged-models/m%2D1%C3%A9").body,
            "{\"model\":{\"info\":{\"model_id\":\"m-1\u00e9\"}}}");
}

TEST_F(RestDoorTest, StaticPrefixMovesEverything) {
  options_.static_prefix = "/mlf";
  Start();
  EXPECT_EQ(Ask("GET", "/health").status, 404);
  EXPECT_EQ(Ask("GET", "/mlf/health").status, 200);
  EXPECT_EQ(Ask("GET", kGet).status, 404);
  EXPECT_EQ(Ask("GET", StrCat("/mlf", kGet)).status, 400);
  EXPECT_EQ(Ask("GET", "/").status, 404);
  EXPECT_EQ(Ask("GET", "/mlf").headers["location"], "/mlf/");
  EXPECT_EQ(Ask("GET", "/mlf/").status, 200);
}

TEST_F(RestDoorTest, BodiesAreLimited) {
  Start();
  const std::string large =
      StrCat(R"({"name": "n", "x": ")", std::string(20'000'000, 'x'), "\"}");
  EXPECT_EQ(Ask("POST", kCreate, large).status, 200);
  // Refused on its length alone.
  WireClient client(door_->port());
  client.Send(StrCat("POST ", kCreate,
                     " HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Type: application/json\r\nContent-Length: ",
                     limits::kHttpBodyBytesMax + 1, "\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 413);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(RestDoorTest, BodiesThatDoNotSayTheirLengthAreLimited) {
  Start();
  WireClient client(door_->port());
  client.Send(StrCat("POST ", kCreate,
                     " HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Type: application/json\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk =
      StrCat("f4240\r\n", std::string(1'000'000, ' '), "\r\n");
  for (size_t sent = 0; sent <= limits::kHttpBodyBytesMax; sent += 1'000'000) {
    client.Send(chunk);
  }
  client.Send("0\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 413);
}

TEST_F(RestDoorTest, EachAnswerNamesItsRequest) {
  Start();
  EXPECT_EQ(Ask("GET", "/nonsense", "", "X-Request-ID: mine-7\r\n")
                .headers["x-request-id"],
            "mine-7");
  EXPECT_EQ(Ask("GET", "/health").headers["x-request-id"].size(), 16u);
  WireClient client(door_->port());
  client.Send("nonsense\r\n\r\n");
  EXPECT_EQ(client.Receive().headers["x-request-id"].size(), 16u);
}

TEST_F(RestDoorTest, AnswersAreCountedForPrometheus) {
  EXPECT_EQ([&] { Start(); return Ask("GET", "/metrics").status; }(), 404);
  door_.reset();
  monitoring::Monitor monitor("");
  options_.monitor = &monitor;
  Start();
  EXPECT_EQ(Ask("GET", "/nonsense").status, 404);
  EXPECT_EQ(Ask("INVENTED", "/nonsense").status, 404);
  EXPECT_EQ(Ask("GET", "/health").status, 200);
  const WireReply reply = Ask("GET", "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("mlflow_http_request_total{method=\"GET\","
                            "status=\"404\"} 1\n"),
            std::string::npos)
      << reply.body;
  EXPECT_NE(reply.body.find("mlflow_http_request_duration_seconds_count{"
                            "method=\"other\",mlflow_version=\"3.17.2\","
                            "status=\"404\"} 1\n"),
            std::string::npos)
      << reply.body;
  EXPECT_EQ(reply.body.find("status=\"200\""), std::string::npos);
  door_.reset();
}

TEST_F(RestDoorTest, WorkspacesAreRefused) {
  Start();
  EXPECT_EQ(Ask("GET", kGet, "", "X-MLFLOW-WORKSPACE: default\r\n").status,
            500);
  EXPECT_EQ(Ask("GET", "/api/3.0/mlflow/workspaces/x").status, 503);
}

TEST_F(RestDoorTest, ForeignHostsAndOriginsAreRefused) {
  Start();
  EXPECT_EQ(Ask("GET", kGet, "", "Host: evil.example.com\r\n").status, 403);
  EXPECT_EQ(Ask("GET", "/health", "", "Host: evil.example.com\r\n").status,
            200);
  WireReply blocked = Ask("POST", kCreate, R"({"name": "a"})",
                          "Origin: http://evil.example.com\r\n");
  EXPECT_EQ(blocked.status, 403);
  EXPECT_EQ(blocked.headers["access-control-allow-credentials"], "true");
  EXPECT_EQ(blocked.headers.count("access-control-allow-origin"), 0u);
  WireReply local = Ask("POST", kCreate, R"({"name": "a"})",
                        "Origin: http://localhost:3000\r\n");
  EXPECT_EQ(local.status, 200);
  EXPECT_EQ(local.headers["access-control-allow-origin"],
            "http://localhost:3000");
  EXPECT_EQ(local.headers["vary"], "Origin");
  EXPECT_EQ(local.headers["x-content-type-options"], "nosniff");
  EXPECT_EQ(local.headers["x-frame-options"], "SAMEORIGIN");
}

TEST_F(RestDoorTest, HealthAnswersWhileAllHandlersAreBusy) {
  Start();
  std::vector<std::unique_ptr<WireClient>> busy;
  for (int i = 0; i < 20; ++i) {
    busy.push_back(std::make_unique<WireClient>(door_->port()));
    busy.back()->Send(kWaitingCall);
  }
  experiments_.WaitForWaiting(options_.threads - 1);
  EXPECT_EQ(Ask("GET", "/health").status, 200);
  experiments_.GoOn();
  for (auto& client : busy) EXPECT_EQ(client->Receive().status, 200);
}

// Who cuts a call makes its sender send it again, and that may double it.
TEST_F(RestDoorTest, CallsMayTakeLongerThanTheirHeads) {
  options_.threads = 2;  // One call at a time.
  options_.head_ms_max = 100;
  Start();
  WireClient busy(door_->port()), in_line(door_->port());
  busy.Send(kWaitingCall);
  experiments_.WaitForWaiting(1);
  in_line.Send(kWaitingCall);
  // Overdue later than both, and ended for it.
  WireClient half(door_->port());
  half.Send("GET /health HTTP/1.1\r\nHost:");
  EXPECT_TRUE(half.AtEnd());
  experiments_.GoOn();
  EXPECT_EQ(busy.Receive().status, 200);
  EXPECT_EQ(in_line.Receive().status, 200);
}

TEST_F(RestDoorTest, NobodyWorksForCallersThatHaveGone) {
  Start();
  std::optional<WireClient> closed(door_->port());
  closed->Send(kWaitingCall);
  WireClient half_closed(door_->port());
  half_closed.Send(kWaitingCall);
  experiments_.WaitForWaiting(2);
  closed.reset();
  experiments_.WaitForAbandoned(1);
  half_closed.FinishSending();
  experiments_.WaitForAbandoned(2);
}

TEST_F(RestDoorTest, LargeBodiesDoNotKeepOthersWaiting) {
  options_.threads = limits::kHttpLargeBodiesMax + 2;
  Start();
  const std::string large =
      StrCat(R"({"run_id": "r", "x": ")",
             std::string(limits::kHttpLargeBodyBytes, 'x'), "\"}");
  std::vector<std::unique_ptr<WireClient>> busy;
  for (int i = 0; i < limits::kHttpLargeBodiesMax + 3; ++i) {
    busy.push_back(std::make_unique<WireClient>(door_->port()));
    busy.back()->Send(StrCat(
        "GET /api/2.0/mlflow/runs/get HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: ", large.size(), "\r\n\r\n", large));
  }
  experiments_.WaitForWaiting(limits::kHttpLargeBodiesMax);
  EXPECT_EQ(Ask("POST", kCreate, R"({"name": "a"})").status, 200);
  experiments_.GoOn();
  for (auto& client : busy) EXPECT_EQ(client->Receive().status, 200);
}

TEST_F(RestDoorTest, BodiesAndAnswersShareMemory) {
  EXPECT_EQ(options_.held_bytes_max, limits::kHttpHeldBytesMax);
  options_.held_bytes_max = 10 * limits::kHttpSmallBytesMax;
  Start();
  const std::string name(2 * limits::kHttpSmallBytesMax, 'x');
  const std::string body = StrCat(R"({"name": ")", name, "\"}");
  const std::string larger(3 * limits::kHttpSmallBytesMax, 'x');
  WireClient client(door_->port());
  const std::string first = StrCat(R"({"name": ")", larger, "\"}");
  EXPECT_EQ(client.Ask("POST", kCreate, first).status, 200);
  const std::string get = StrCat(kGet, "?experiment_id=1");
  EXPECT_EQ(client.Ask("GET", get).status, 200);
  {
    // Bodies that do not end, until they leave no room for another. How much
    // each takes depends on the pieces that it comes in.
    std::vector<std::unique_ptr<WireClient>> holders;
    WireReply reply;
    do {
      holders.push_back(std::make_unique<WireClient>(door_->port()));
      holders.back()->Send(StrCat("POST ", kCreate,
                                  " HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Type: application/json\r\n"
                                  "Content-Length: 200000\r\n\r\n", name));
      reply = client.Ask("POST", kCreate, body);
    } while (reply.status == 200 && holders.size() < 100);
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(client.Ask("GET", get).status, 503);
    EXPECT_EQ(client.Ask("POST", kCreate, R"({"name": "a"})").status, 200);
  }
  WireReply reply;
  do {
    reply = client.Ask("POST", kCreate, body);
  } while (reply.status == 503);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(client.Ask("GET", get).status, 200);
}

TEST_F(RestDoorTest, ConnectionsThatAskNothingMakeRoom) {
  options_.connections_max = 2;
  Start();
  WireClient silent(door_->port()), half(door_->port());
  EXPECT_EQ(silent.Ask("GET", "/health").status, 200);
  half.Send("GET /health HTTP/1.1\r\nHost:");
  WireClient third(door_->port());
  EXPECT_EQ(third.Ask("GET", "/health").status, 200);
  // Which goes first depends on whether the half head has been read by then.
  WireClient fourth(door_->port());
  EXPECT_EQ(fourth.Ask("GET", "/health").status, 200);
  EXPECT_TRUE(half.AtEnd());
  EXPECT_TRUE(silent.AtEnd());
  EXPECT_EQ(third.Ask("GET", "/health").status, 200);
}

TEST_F(RestDoorTest, StopFinishesWhatWasTaken) {
  Start();
  WireClient idle(door_->port());
  EXPECT_EQ(idle.Ask("GET", "/health").status, 200);
  WireClient busy(door_->port());
  busy.Send(kWaitingCall);
  experiments_.WaitForWaiting(1);
  std::thread stopper([this] { door_->Stop(); });
  EXPECT_TRUE(idle.AtEnd());
  experiments_.GoOn();
  WireReply reply = busy.Receive();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers["connection"], "close");
  stopper.join();
  EXPECT_EQ(Ask("GET", "/health").status, 0);
}

TEST_F(RestDoorTest, AUsedPortIsReported) {
  Start();
  RestOptions options = options_;
  options.port = door_->port();
  EXPECT_EQ(RestDoor::Start(options, &dispatcher_).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(RestDoorTest, BadOptionsAreRefused) {
  const auto code = [this](RestOptions options) {
    return RestDoor::Start(options, &dispatcher_).status().code();
  };
  RestOptions options = options_;
  options.static_prefix = "mlf/";
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = options_;
  options.x_frame_options = "PERHAPS";
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = options_;
  options.host = "no such host.";
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = options_;
  options.threads = 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
}

TEST_F(RestDoorTest, ALongBodyOfARefusedRequestIsNotWaitedFor) {
  Start();
  const auto head = [](size_t length) {
    return StrCat("POST /nothing HTTP/1.1\r\nHost: localhost\r\n",
                  "Content-Length: ", length, "\r\n\r\n");
  };
  WireClient hurried(door_->port());
  hurried.Send(head(limits::kHttpDrainBytesMax + 1));
  WireReply reply = hurried.Receive();
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.headers["connection"], "close");
  // A shorter one is read, and the connection goes on.
  WireClient patient(door_->port());
  patient.Send(head(limits::kHttpDrainBytesMax));
  patient.Send(std::string(limits::kHttpDrainBytesMax, 'x'));
  EXPECT_EQ(patient.Receive().status, 404);
  EXPECT_EQ(patient.Ask("GET", "/health").status, 200);
}

// Clients of MLflow's wait as long as they are told, and send it again.
TEST_F(RestDoorTest, AnAnswerThatNeedsNoBodyDoesNotWaitForOne) {
  Start();
  WireClient client(door_->port());
  client.Send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\n"
              "Content-Length: 5\r\n\r\n12");
  EXPECT_EQ(client.Receive("POST").status, 404);
  // The connection goes on behind the body.
  client.Send("345");
  EXPECT_EQ(client.Ask("GET", "/health").status, 200);
}

TEST_F(RestDoorTest, WritesThatFindNoRoomAreToldWhenToComeBack) {
  table_.Ingests("LogBatch");
  Start();
  constexpr char kLogBatch[] = "/api/2.0/mlflow/runs/log-batch";
  constexpr char kBody[] = R"({"run_id": "r"})";
  budget_.Take(limits::kIngestBytesMax);
  WireReply reply = Ask("POST", kLogBatch, kBody);
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.headers["retry-after"], "1");
  EXPECT_NE(reply.body.find("\"error_code\":\"RESOURCE_EXHAUSTED\""),
            std::string::npos)
      << reply.body;
  EXPECT_EQ(Ask("POST", kCreate, R"({"name": "others go on"})").status, 200);
  budget_.Give(limits::kIngestBytesMax);
  EXPECT_EQ(Ask("POST", kLogBatch, kBody).status, 200);
  EXPECT_EQ(budget_.used(), 0u);
}

}  // namespace
}  // namespace millstream::gateway
