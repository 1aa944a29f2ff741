#include "client/log_buffer.h"

#include <malloc.h>

#include <cmath>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::client {
namespace {

using absl::IsFailedPrecondition;
using absl::IsInvalidArgument;
using absl::IsResourceExhausted;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kPointBytes = sizeof(LoggedPoint);

WriterOptions Options(size_t points, absl::Duration full_wait) {
  return {.buffer_bytes = points * kPointBytes + 2 * kItemBytes,
          .full_wait = full_wait,
          .linger = absl::ZeroDuration()};
}

LoggedCall Call() { return {"Service/Method", "request"}; }

TEST(LogBufferTest, PointsAndCallsComeOutInOrder) {
  LogBuffer buffer({.linger = absl::InfiniteDuration()});
  ASSERT_TRUE(buffer.AddPoint("a", 1, 2, 3).ok());
  ASSERT_TRUE(buffer.AddPoint("b", 4, 5, 6).ok());
  ASSERT_TRUE(buffer.AddCall(Call()).ok());
  ASSERT_TRUE(buffer.AddPoint("a", 7, 8, 9).ok());

  auto item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  ASSERT_EQ(item->points.size(), 2);
  EXPECT_EQ(buffer.KeyName(item->points[1].key), "b");
  EXPECT_EQ(item->points[1].value, 4);
  EXPECT_EQ(item->points[1].step, 5);
  EXPECT_EQ(item->points[1].timestamp_ms, 6);
  EXPECT_EQ(item->end, 2);
  item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  EXPECT_TRUE(item->call.has_value());
  EXPECT_EQ(item->end, 3);
  // The last point waits for others.
  EXPECT_FALSE(buffer.Take().has_value());
}

TEST(LogBufferTest, AFrameEndsWhenItIsFull) {
  LogBuffer buffer({.linger = absl::InfiniteDuration()});
  for (size_t i = 0; i < kFramePointsMax; ++i) {
    EXPECT_FALSE(buffer.Take().has_value());
    ASSERT_TRUE(buffer.AddPoint("a", 1, i, 1).ok());
  }
  auto item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->points.size(), kFramePointsMax);
}

TEST(LogBufferTest, AFrameEndsWhenItsKeysAreMany) {
  LogBuffer buffer({.linger = absl::InfiniteDuration()});
  size_t bytes = 0;
  for (int i = 0; bytes < kFrameKeyBytesMax; ++i) {
    EXPECT_FALSE(buffer.Take().has_value());
    const std::string key = std::to_string(i) + std::string(240, 'k');
    bytes += key.size();
    ASSERT_TRUE(buffer.AddPoint(key, 1, 0, 1).ok());
  }
  EXPECT_TRUE(buffer.Take().has_value());
}

TEST(LogBufferTest, WhatCannotBeAMetricIsRefused) {
  LogBuffer buffer({});
  EXPECT_TRUE(IsInvalidArgument(buffer.AddPoint("", 1, 0, 1)));
  EXPECT_TRUE(IsInvalidArgument(buffer.AddPoint("a//b", 1, 0, 1)));
  EXPECT_TRUE(IsInvalidArgument(buffer.AddPoint("a?", 1, 0, 1)));
  EXPECT_TRUE(IsInvalidArgument(buffer.AddPoint("\xff", 1, 0, 1)));
  EXPECT_TRUE(
      IsInvalidArgument(buffer.AddPoint(std::string(251, 'k'), 1, 0, 1)));
  EXPECT_TRUE(IsInvalidArgument(buffer.AddPoint("a", 1, 0, -1)));
  EXPECT_TRUE(buffer.AddPoint(std::string(250, 'k'), NAN, -1, 0).ok());
  EXPECT_EQ(buffer.stats().logged, 1);
}

TEST(LogBufferTest, KeysAreBounded) {
  LogBuffer buffer({});
  for (size_t i = 0; i < kKeysMax; ++i) {
    ASSERT_TRUE(buffer.AddPoint(std::to_string(i), 1, 0, 1).ok());
  }
  EXPECT_TRUE(IsResourceExhausted(buffer.AddPoint("more", 1, 0, 1)));
  EXPECT_TRUE(buffer.AddPoint("7", 1, 0, 1).ok());
}

TEST(LogBufferTest, AFullBufferDropsWhatMayNotWait) {
  LogBuffer buffer(Options(2, absl::ZeroDuration()));
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  ASSERT_TRUE(buffer.AddPoint("a", 1, 1, 1).ok());
  EXPECT_TRUE(IsResourceExhausted(buffer.AddPoint("a", 1, 2, 1)));
  EXPECT_EQ(buffer.stats().dropped, 1);
  EXPECT_EQ(buffer.stats().buffered_bytes, 2 * kPointBytes + kItemBytes);

  auto item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  EXPECT_TRUE(IsResourceExhausted(buffer.AddPoint("a", 1, 2, 1)));
  buffer.Done(item->end, item->bytes);
  EXPECT_TRUE(buffer.AddPoint("a", 1, 3, 1).ok());
}

// Bytes that malloc has given out.
size_t Allocated() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Items of each shape, until there is no more room.
void ExpectBoundedMemory(size_t points_between_calls, size_t request_bytes) {
  constexpr size_t kRoom = 16 << 20;
  // What is gathered, whatever the shape.
  constexpr size_t kBesides = kFramePointsMax * kPointBytes + 4096;
  const size_t before = Allocated();
  LogBuffer buffer({.buffer_bytes = kRoom,
                    .full_wait = absl::ZeroDuration(),
                    .linger = absl::InfiniteDuration()});
  int64_t step = 0;
  bool goes_on = true;
  while (goes_on) {
    for (size_t i = 0; goes_on && i < points_between_calls; ++i) {
      goes_on = buffer.AddPoint("a", 1, step++, 1).ok();
    }
    goes_on = goes_on &&
              buffer.AddCall({"Method", std::string(request_bytes, 'r')}).ok();
  }
  const size_t told = buffer.stats().buffered_bytes;
  EXPECT_LE(told, kRoom);
  EXPECT_GT(told, kRoom - kBesides - request_bytes);
  EXPECT_LE(Allocated() - before, kRoom + kBesides);
  size_t items = 0;
  while (auto item = buffer.Take()) {
    EXPECT_EQ(item->points.capacity(), item->points.size());
    items += sizeof(LoggedItem) + item->points.capacity() * kPointBytes +
             (item->call.has_value() ? item->call->request.capacity() : 0);
    EXPECT_GE(item->bytes, item->points.capacity() * kPointBytes);
    buffer.Done(item->end, item->bytes);
  }
  EXPECT_LE(items, told);
  EXPECT_LT(buffer.stats().buffered_bytes, kBesides);
}

TEST(LogBufferTest, WhatIsHeldFitsTheRoom) {
  ExpectBoundedMemory(1, 40);
  ExpectBoundedMemory(100, 40);
  ExpectBoundedMemory(kFramePointsMax + 1, 40);
  ExpectBoundedMemory(0, 1);
  ExpectBoundedMemory(3, 1'000'000);
}

TEST(LogBufferTest, AFullBufferIsWaitedFor) {
  LogBuffer buffer(Options(1, absl::InfiniteDuration()));
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  std::thread other([&] { EXPECT_TRUE(buffer.AddPoint("a", 1, 1, 1).ok()); });
  auto item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(buffer.stats().logged, 1);
  buffer.Done(item->end, item->bytes);
  other.join();
  EXPECT_EQ(buffer.stats().logged, 2);
  EXPECT_EQ(buffer.stats().dropped, 0);
}

TEST(LogBufferTest, AFailureIsToldToWhoWaits) {
  LogBuffer buffer(Options(1, absl::InfiniteDuration()));
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  const absl::Status why = absl::NotFoundError("gone");
  std::thread full([&] { EXPECT_EQ(buffer.AddPoint("a", 1, 1, 1), why); });
  std::thread flush(
      [&] { EXPECT_EQ(buffer.Flush(absl::InfiniteFuture()), why); });
  buffer.Fail(why);
  full.join();
  flush.join();
  EXPECT_EQ(buffer.stats().buffered_bytes, 0);
  EXPECT_EQ(buffer.stats().refused, 1);
  EXPECT_FALSE(buffer.Take().has_value());
}

TEST(LogBufferTest, FlushWaitsForWhatWasLoggedBefore) {
  LogBuffer buffer({.linger = absl::InfiniteDuration()});
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(buffer.Flush(absl::Now())));
  std::thread flush(
      [&] { EXPECT_TRUE(buffer.Flush(absl::InfiniteFuture()).ok()); });
  std::optional<LoggedItem> item;
  // Who waits has what is gathered sent at once.
  while (!item.has_value()) {
    buffer.Wait(absl::InfiniteFuture());
    item = buffer.Take();
  }
  buffer.Done(item->end, item->bytes);
  flush.join();
}

TEST(LogBufferTest, WhoHasToWaitIsToldOfTheTrouble) {
  LogBuffer buffer(Options(1, absl::ZeroDuration()));
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  buffer.SetTrouble(absl::UnauthenticatedError("who are you"));
  EXPECT_TRUE(absl::IsUnauthenticated(buffer.trouble()));
  EXPECT_TRUE(buffer.status().ok());
  for (const absl::Status& status :
       {buffer.Flush(absl::Now()), buffer.AddPoint("a", 1, 1, 1)}) {
    EXPECT_THAT(status.ToString(), HasSubstr("UNAUTHENTICATED: who are you"));
  }
  buffer.SetTrouble(absl::OkStatus());
  EXPECT_THAT(buffer.Flush(absl::Now()).ToString(), Not(HasSubstr("error")));
}

TEST(LogBufferTest, FlushTellsOfRefusalsOnce) {
  LogBuffer buffer({});
  ASSERT_TRUE(buffer.AddCall(Call()).ok());
  auto item = buffer.Take();
  buffer.Refused(1, absl::InvalidArgumentError("no"));
  buffer.Refused(1, absl::InvalidArgumentError("neither"));
  buffer.Done(item->end, item->bytes);
  EXPECT_EQ(buffer.Flush(absl::Now()), absl::InvalidArgumentError("no"));
  EXPECT_TRUE(buffer.Flush(absl::Now()).ok());
  EXPECT_EQ(buffer.stats().refused, 2);
}

TEST(LogBufferTest, AClosedBufferTakesNothing) {
  LogBuffer buffer(Options(1, absl::InfiniteDuration()));
  ASSERT_TRUE(buffer.AddPoint("a", 1, 0, 1).ok());
  std::thread full([&] {
    EXPECT_TRUE(IsFailedPrecondition(buffer.AddPoint("a", 1, 1, 1)));
  });
  buffer.Close();
  full.join();
  EXPECT_TRUE(IsFailedPrecondition(buffer.AddPoint("a", 1, 0, 1)));
  EXPECT_TRUE(IsFailedPrecondition(buffer.AddCall(Call())));
  EXPECT_TRUE(buffer.Take().has_value());
}

}  // namespace
}  // namespace millstream::client
