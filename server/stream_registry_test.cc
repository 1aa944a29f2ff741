#include "server/stream_registry.h"

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/call_context.h"

namespace millstream::server {
namespace {

struct FakeStream {
  void Stop() { stopped = true; }
  void CheckPatience(absl::Time) {}
  bool stopped = false;
};

class StreamRegistryTest : public testing::Test {
 protected:
  using Registry = StreamRegistry<FakeStream>;

  static std::shared_ptr<FakeStream> New() {
    return std::make_shared<FakeStream>();
  }
  static bool IsRefused(const absl::Status& status) {
    return GetErrorCode(status) == v1::RESOURCE_EXHAUSTED;
  }
  static absl::Status Stopped() {
    return MakeError(v1::TEMPORARILY_UNAVAILABLE, "stopped");
  }
};

TEST_F(StreamRegistryTest, CountsOfKindsHaveNames) {
  const StreamCounts counts;
  EXPECT_EQ(counts.unopened, limits::kStreamsUnopenedMax);
  EXPECT_EQ(counts.unopened_each, limits::kStreamsUnopenedEachMax);
}

// Who says nothing takes no place of those who do.
TEST_F(StreamRegistryTest, AStreamIsOpenOnceItHasSpoken) {
  Registry registry({.open = 2, .open_each = 2, .unopened = 3,
                     .unopened_each = 3}, "things", Stopped());
  const auto a = New(), b = New(), c = New(), d = New(), e = New();
  for (const auto& each : {a, b, c}) {
    EXPECT_TRUE(registry.Add(each, "one").ok());
  }
  EXPECT_TRUE(IsRefused(registry.Add(d, "two")));
  EXPECT_TRUE(registry.Opened(a.get()).ok());
  EXPECT_TRUE(registry.Opened(a.get()).ok()) << "it is already";
  EXPECT_TRUE(registry.Add(d, "two").ok());
  EXPECT_TRUE(registry.Opened(b.get()).ok());
  EXPECT_TRUE(IsRefused(registry.Opened(c.get())));
  EXPECT_TRUE(IsRefused(registry.Add(e, "two"))) << "all are open";
  registry.Remove(a.get());
  EXPECT_TRUE(registry.Opened(c.get()).ok());
  registry.Remove(b.get());
  EXPECT_TRUE(registry.Add(e, "two").ok());
  EXPECT_EQ(registry.size(), 3u);
}

TEST_F(StreamRegistryTest, NoOwnerHasAll) {
  Registry registry({.open = 3, .open_each = 2, .unopened = 2,
                     .unopened_each = 1}, "things", Stopped());
  const auto a = New(), b = New(), c = New(), d = New();
  EXPECT_TRUE(registry.Add(a, "one").ok());
  EXPECT_TRUE(IsRefused(registry.Add(b, "one"))) << "of those not open";
  EXPECT_TRUE(registry.Add(c, "two").ok());
  EXPECT_TRUE(registry.Opened(a.get()).ok());
  EXPECT_TRUE(registry.Add(b, "one").ok());
  EXPECT_TRUE(registry.Opened(b.get()).ok());
  const absl::Status refused = registry.Add(d, "one");
  EXPECT_TRUE(IsRefused(refused));
  EXPECT_NE(refused.message().find("2 things of this user or address"),
            absl::string_view::npos);
  EXPECT_TRUE(registry.Opened(c.get()).ok());
  registry.Remove(b.get());
  EXPECT_TRUE(registry.Add(d, "one").ok());
}

TEST_F(StreamRegistryTest, WhatIsStoppedTakesNoMore) {
  Registry registry({.open = 1, .open_each = 1}, "things", Stopped());
  const auto a = New();
  EXPECT_TRUE(registry.Add(a, "one").ok());
  registry.Stop();
  EXPECT_TRUE(a->stopped);
  EXPECT_EQ(GetErrorCode(registry.Add(New(), "two")),
            v1::TEMPORARILY_UNAVAILABLE);
}

TEST_F(StreamRegistryTest, CallsCountForUsersOrAddresses) {
  CallContext context(Door::kGrpc), other_port(Door::kGrpc);
  context.set_peer("ipv4:10.0.0.1:5");
  other_port.set_peer("ipv4:10.0.0.1:6");
  EXPECT_EQ(OwnerOf(context), OwnerOf(other_port));
  context.set_identity(std::make_shared<auth::Identity>(
      auth::Identity{.user = "alice"}));
  EXPECT_NE(OwnerOf(context), OwnerOf(other_port));
}

}  // namespace
}  // namespace millstream::server
