#include "client/log_buffer.h"

#include <cmath>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::client {
namespace {

using absl::IsFailedPrecondition;
using absl::IsInvalidArgument;
using absl::IsResourceExhausted;

constexpr size_t kPointBytes = sizeof(LoggedPoint);

WriterOptions Options(size_t points, absl::Duration full_wait) {
  return {.buffer_bytes = points * kPointBytes,
          .full_wait = full_wait,
          .linger = absl::ZeroDuration()};
}

LoggedCall Call() {
  return {"Service/Method", std::make_unique<v1::LogBatchRequest>()};
}

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
  EXPECT_EQ(buffer.stats().buffered_bytes, 2 * kPointBytes);

  auto item = buffer.Take();
  ASSERT_TRUE(item.has_value());
  EXPECT_TRUE(IsResourceExhausted(buffer.AddPoint("a", 1, 2, 1)));
  buffer.Done(item->end, item->bytes);
  EXPECT_TRUE(buffer.AddPoint("a", 1, 3, 1).ok());
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
