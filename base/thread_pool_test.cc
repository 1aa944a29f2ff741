#include "base/thread_pool.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace millstream {
namespace {

TEST(ThreadPoolTest, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool(4, 1000);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.Post([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 500);
}

TEST(ThreadPoolTest, RunsTasksAtOnceUpToItsThreads) {
  std::atomic<int> waiting = 0;
  absl::Notification all_here;
  ThreadPool pool(3, 10);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pool.Post([&] {
      if (++waiting == 3) all_here.Notify();
      // Ends only if all three run at the same time.
      all_here.WaitForNotification();
    }));
  }
}

TEST(ThreadPoolTest, RefusesWhatDoesNotFitTheQueue) {
  ThreadPool pool(1, 2);
  absl::Notification started, release;
  ASSERT_TRUE(pool.Post([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.Post([] {}));
  EXPECT_TRUE(pool.Post([] {}));
  EXPECT_FALSE(pool.Post([] {}));
  release.Notify();
}

}  // namespace
}  // namespace millstream
