#include "aws/credentials.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "aws/credential_sources.h"
#include "aws/service.h"
#include "aws/testing/scripted_server.h"
#include "base/limits.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::aws {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kStsAnswer[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
    "<AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId>"
    "<SecretAccessKey>role-secret</SecretAccessKey>"
    "<SessionToken>role-token</SessionToken>"
    "<Expiration>2026-01-02T03:04:05Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>";
constexpr char kWebIdentityAnswer[] =
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
    "<Credentials><AccessKeyId>WEB</AccessKeyId>"
    "<SecretAccessKey>web-secret</SecretAccessKey>"
    "<SessionToken>web-token</SessionToken>"
    "<Expiration>2026-01-02T03:04:05.678Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
constexpr char kJsonAnswer[] =
    "{\"Code\":\"Success\",\"AccessKeyId\":\"JSON\",\"SecretAccessKey\":"
    "\"json-secret\",\"Token\":\"json-token\",\"Expiration\":"
    "\"2026-01-02T03:04:05Z\"}";
constexpr int64_t kExpiresMs = 1767323045000;

class CredentialSourcesTest : public ::testing::Test {
 protected:
  CredentialSourcesTest()
      : folder_(
            ::testing::TempDir() + "/aws-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    mkdir(folder_.c_str(), 0700);
    Set("HOME", folder_);
    Set("AWS_CONFIG_FILE", folder_ + "/config");
    Set("AWS_SHARED_CREDENTIALS_FILE", folder_ + "/credentials");
    Set("AWS_ENDPOINT_URL", server_.url());
    Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url() + "/");
  }

  void Set(const std::string& name, const std::string& value) {
    variables_[name] = value;
  }
  Environment Variables() {
    return [this](const char* name) { return variables_[name]; };
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  absl::StatusOr<Credentials> Fetch() {
    const Profiles profiles = Profiles::Load(Variables());
    Sts sts(Variables(), profiles, &http_, &clock_);
    return UsualCredentials(Variables(), &sts, &http_)->Fetch();
  }
  // The id of the keys found, or the error's kind.
  std::string FetchId() {
    const auto found = Fetch();
    return found.ok() ? found->access_key_id
                      : absl::StatusCodeToString(found.status().code());
  }

  testing::ScriptedServer server_;
  std::map<std::string, std::string> variables_;
  const std::string folder_;
  HttpClient http_{{}};
  TestClock clock_{1'000'000};
};

TEST_F(CredentialSourcesTest, EnvironmentComesFirst) {
  Write("credentials",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n");
  Set("AWS_ACCESS_KEY_ID", "ENV");
  EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
  Set("AWS_SECRET_ACCESS_KEY", "secret");
  Set("AWS_SESSION_TOKEN", "token");
  const auto found = Fetch();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->access_key_id, "ENV");
  EXPECT_EQ(found->session_token, "token");
}

TEST_F(CredentialSourcesTest, ReadsProfiles) {
  Write("config",
        "# comment\n[default]\nregion = eu-west-1\ns3 =\n  max = 1\n"
        "[profile work]\nregion=eu-central-1\n"
        "aws_access_key_id = CONFIG\naws_secret_access_key = c\n");
  Write("credentials",
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key=d\n"
        "[work]\naws_access_key_id = WORK\naws_secret_access_key = w=/+\n");
  EXPECT_EQ(FetchId(), "DEFAULT");
  EXPECT_EQ(RegionOrUsual(Variables(), Profiles::Load(Variables())),
            "eu-west-1");
  Set("AWS_PROFILE", "work");
  EXPECT_EQ(Fetch()->secret_access_key, "w=/+");
  EXPECT_EQ(RegionOrUsual(Variables(), Profiles::Load(Variables())),
            "eu-central-1");
  Set("AWS_DEFAULT_REGION", "us-west-2");
  EXPECT_EQ(RegionOrUsual(Variables(), Profiles::Load(Variables())),
            "us-west-2");
  Set("AWS_PROFILE", "missing");
  EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
}

TEST_F(CredentialSourcesTest, AssumesTheRoleOfAProfile) {
  Write("config",
        "[profile work]\nrole_arn = arn:aws:iam::1:role/r\n"
        "source_profile = base\nexternal_id = x y\n"
        "[profile circle]\nrole_arn = a\nsource_profile = other\n"
        "[profile other]\nrole_arn = a\nsource_profile = circle\n");
  Write("credentials",
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = b\n");
  Set("AWS_PROFILE", "work");
  server_.Answer(503, "");
  server_.Answer(200, kStsAnswer);
  const auto found = Fetch();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key_id, "ROLE");
  EXPECT_EQ(found->session_token, "role-token");
  EXPECT_EQ(found->expires_ms, kExpiresMs);
  const std::string request = server_.requests()[1];
  EXPECT_THAT(request, HasSubstr("Credential=BASE/"));
  EXPECT_THAT(request, HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"));
  EXPECT_THAT(request, HasSubstr("ExternalId=x%20y"));
  server_.Answer(403,
                 "<ErrorResponse><Error><Code>AccessDenied</Code>"
                 "</Error></ErrorResponse>");
  EXPECT_EQ(FetchId(), "PERMISSION_DENIED");
  Set("AWS_PROFILE", "circle");
  EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
}

TEST_F(CredentialSourcesTest, AsksAProcess) {
  Write("config",
        "[default]\ncredential_process = printf '{\"Version\":1,"
        "\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"p\"}'\n"
        "[profile bad]\ncredential_process = false\n");
  EXPECT_EQ(FetchId(), "PROC");
  Set("AWS_PROFILE", "bad");
  EXPECT_EQ(FetchId(), "UNAVAILABLE");
}

TEST_F(CredentialSourcesTest, CommentsMayFollowValues) {
  Write("config", "[profile work] # ours\nregion = eu-west-1 # Ireland\n"
                  "role_session_name = # none\n");
  Write("credentials",
        "[work]\naws_access_key_id = WORK # of the team\n"
        "aws_secret_access_key = w#x;y\t# keep\n");
  Set("AWS_PROFILE", "work");
  EXPECT_EQ(Fetch()->access_key_id, "WORK");
  EXPECT_EQ(Fetch()->secret_access_key, "w#x;y");
  const Profiles profiles = Profiles::Load(Variables());
  EXPECT_EQ(RegionOrUsual(Variables(), profiles), "eu-west-1");
  EXPECT_EQ(profiles.Setting("role_session_name"), "");
}

TEST_F(CredentialSourcesTest, SaysWhatToDoWhereAProfileSignsOnByBrowser) {
  Set("AWS_EC2_METADATA_DISABLED", "true");
  Write("config",
        "[default]\nsso_session = corp\n"
        "[profile old]\nsso_start_url = https://example.com\n"
        "[profile role]\nrole_arn = a\nsource_profile = old\n");
  const auto hint = [this] { return std::string(Fetch().status().message()); };
  // The machine might have had a role.
  EXPECT_EQ(FetchId(), "NOT_FOUND");
  EXPECT_THAT(hint(), HasSubstr("profile 'default' signs on by SSO"));
  for (const char* name : {"old", "role"}) {
    Set("AWS_PROFILE", name);
    EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
    EXPECT_THAT(hint(), HasSubstr("profile 'old' signs on by SSO"));
    EXPECT_THAT(hint(), HasSubstr("export-credentials --profile old"));
  }
}

TEST_F(CredentialSourcesTest, TradesAWebIdentity) {
  Set("AWS_ROLE_ARN", "arn:role");
  Set("AWS_WEB_IDENTITY_TOKEN_FILE", folder_ + "/token");
  EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
  Write("token", "web.identity\n");
  server_.Answer(200, kWebIdentityAnswer);
  const auto found = Fetch();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key_id, "WEB");
  EXPECT_EQ(found->expires_ms, kExpiresMs + 678);
  EXPECT_THAT(server_.requests()[0],
              HasSubstr("WebIdentityToken=web.identity&"));
  EXPECT_THAT(server_.requests()[0], Not(HasSubstr("Authorization")));
}

TEST_F(CredentialSourcesTest, AsksTheContainersHost) {
  Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.url() + "/v1/keys");
  Set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Write("token", "pod\n"));
  server_.Answer(200, kJsonAnswer);
  const auto found = Fetch();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->session_token, "json-token");
  EXPECT_THAT(server_.requests()[0], StartsWith("GET /v1/keys "));
  EXPECT_THAT(server_.requests()[0], HasSubstr("Authorization: pod\r\n"));
  Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/keys");
  EXPECT_EQ(FetchId(), "FAILED_PRECONDITION");
}

TEST_F(CredentialSourcesTest, AsksTheMachine) {
  server_.Answer(200, "session");
  server_.Answer(200, "the-role\n");
  server_.Answer(200, kJsonAnswer);
  const auto found = Fetch();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key_id, "JSON");
  EXPECT_EQ(found->expires_ms, kExpiresMs);
  const auto requests = server_.requests();
  EXPECT_THAT(requests[0], StartsWith("PUT /latest/api/token "));
  EXPECT_THAT(requests[2],
              StartsWith("GET /latest/meta-data/iam/security-credentials/"
                         "the-role "));
  EXPECT_THAT(requests[2], HasSubstr("X-aws-ec2-metadata-token: session\r\n"));
  // A machine without a role, or another service at that address.
  server_.Answer(200, "session");
  server_.Answer(404, "");
  EXPECT_EQ(FetchId(), "NOT_FOUND");
  server_.Answer(400, "");
  EXPECT_EQ(FetchId(), "NOT_FOUND");
  Set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_EQ(FetchId(), "NOT_FOUND");
}

TEST_F(CredentialSourcesTest, AsksTheMachineWithoutATokenWhereItGivesNone) {
  for (int status : {403, 404, 405}) {
    server_.Answer(status, "");
    server_.Answer(200, "the-role");
    server_.Answer(200, kJsonAnswer);
    EXPECT_EQ(FetchId(), "JSON") << status;
  }
  for (const std::string& request : server_.requests()) {
    EXPECT_THAT(request, Not(HasSubstr("X-aws-ec2-metadata-token:")));
  }
}

// On its way to a container.
TEST_F(CredentialSourcesTest, AsksTheMachineWithoutATokenThatIsLost) {
  server_.Answer("");
  server_.Answer(200, "the-role");
  server_.Answer(200, kJsonAnswer);
  EXPECT_EQ(FetchId(), "JSON");
}

TEST_F(CredentialSourcesTest, SaysWhatKeepsAContainerFromTheMachine) {
  server_.Answer("");
  server_.Answer(401, "");
  const auto found = Fetch();
  EXPECT_TRUE(absl::IsUnavailable(found.status()));
  EXPECT_THAT(std::string(found.status().message()),
              HasSubstr("raise the hop limit to 2"));
}

TEST(ParseCredentialsJsonTest, TakesNothingElse) {
  for (const char* bad : {"", "[]", "{", "{}", "{\"AccessKeyId\":1}",
                          "{\"AccessKeyId\":\"a\"}"}) {
    EXPECT_FALSE(ParseCredentialsJson(bad).ok()) << bad;
  }
}

TEST(ReadSettingsFileTest, FilesAreLimited) {
  const std::string path = ::testing::TempDir() + "/large";
  std::ofstream(path) << std::string(limits::kSettingsFileBytesMax, 'x');
  EXPECT_TRUE(ReadSettingsFile(path).ok());
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_TRUE(absl::IsResourceExhausted(ReadSettingsFile(path).status()));
}

// Hands out keys that live for an hour, or the error it was told.
class CountingSource final : public CredentialSource {
 public:
  CountingSource(const Clock* clock, int* count, absl::Status* error)
      : clock_(clock), count_(count), error_(error) {}

  absl::StatusOr<Credentials> Fetch() override {
    if (!error_->ok()) return *error_;
    ++*count_;
    return Credentials{.access_key_id = std::to_string(*count_),
                       .secret_access_key = "s",
                       .session_token = "",
                       .expires_ms = clock_->NowMs() + 3'600'000};
  }

 private:
  const Clock* const clock_;
  int* const count_;
  absl::Status* const error_;
};

TEST(CredentialKeeperTest, RenewsBeforeTheyExpire) {
  TestClock clock(0);
  int count = 0;
  absl::Status error;
  CredentialKeeper keeper(
      std::make_unique<CountingSource>(&clock, &count, &error), &clock);
  EXPECT_EQ(keeper.Get()->access_key_id, "1");
  clock.now_ms = 49 * 60'000;
  EXPECT_EQ(keeper.Get()->access_key_id, "1");
  clock.now_ms = 51 * 60'000;
  EXPECT_EQ(keeper.Get()->access_key_id, "2");
  // While the source fails the old ones are used as long as they are good.
  error = absl::UnavailableError("gone");
  clock.now_ms = (51 + 55) * 60'000;
  EXPECT_EQ(keeper.Get()->access_key_id, "2");
  clock.now_ms = (51 + 61) * 60'000;
  EXPECT_TRUE(absl::IsUnavailable(keeper.Get().status()));
  error = absl::OkStatus();
  clock.now_ms = (51 + 62) * 60'000;
  EXPECT_EQ(keeper.Get()->access_key_id, "3");
  keeper.Drop(*keeper.Get());
  EXPECT_EQ(keeper.Get()->access_key_id, "4");
}

// Gives keys once it is let.
class SlowSource final : public CredentialSource {
 public:
  SlowSource(absl::Notification* asked, absl::Notification* let)
      : asked_(asked), let_(let) {}
  absl::StatusOr<Credentials> Fetch() override {
    asked_->Notify();
    let_->WaitForNotification();
    return Credentials{.access_key_id = "late", .secret_access_key = "s"};
  }

 private:
  absl::Notification* const asked_;
  absl::Notification* const let_;
};

TEST(CredentialKeeperTest, NobodyWaitsForLongForWhoAsks) {
  TestClock clock(0);
  absl::Notification asked, let;
  CredentialKeeper keeper(std::make_unique<SlowSource>(&asked, &let), &clock,
                          absl::Milliseconds(1));
  std::thread first(
      [&] { EXPECT_EQ(keeper.Get()->access_key_id, "late"); });
  asked.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(keeper.Get().status()));
  let.Notify();
  first.join();
  EXPECT_EQ(keeper.Get()->access_key_id, "late");
}

}  // namespace
}  // namespace millstream::aws
