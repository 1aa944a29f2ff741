#include "storage/group_committer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace millstream::storage {
namespace {

using Committer = GroupCommitter<int>;

// Commits groups of ints; the first one only when it is let.
class Log {
 public:
  Committer::CommitGroup Callback() {
    return [this](absl::Span<Committer::Item* const> group) {
      if (groups_++ == 0) gate_.WaitForNotification();
      for (Committer::Item* item : group) {
        if (*item->work < 0) {
          item->status = absl::InvalidArgumentError("negative");
        } else {
          committed_.push_back(*item->work);
        }
      }
      sizes_.push_back(group.size());
      return failure_;
    };
  }
  void Open() { gate_.Notify(); }
  void FailWith(absl::Status status) { failure_ = std::move(status); }

  int groups() const { return groups_; }
  // REQUIRES: no commit runs.
  const std::vector<int>& committed() const { return committed_; }
  const std::vector<size_t>& sizes() const { return sizes_; }

 private:
  absl::Notification gate_;
  std::atomic<int> groups_{0};
  // Used by one leader at a time, which the committer promises.
  std::vector<int> committed_;
  std::vector<size_t> sizes_;
  absl::Status failure_;
};

class GroupCommitterTest : public testing::Test {
 protected:
  // Lets `count` threads commit 0, 1, ...: the first leads and waits at the
  // gate while the others queue.
  void Start(int count, int first = 0) {
    statuses_.resize(count);
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, i, first] {
        int work = first + i;
        statuses_[i] = committer_.Commit(work);
      });
      if (i == 0) {
        while (log_.groups() == 0) std::this_thread::yield();
      }
    }
    while (committer_.waiting() < static_cast<size_t>(count)) {
      std::this_thread::yield();
    }
  }
  void Finish() {
    log_.Open();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  Log log_;
  Committer committer_{log_.Callback()};
  std::vector<std::thread> threads_;
  std::vector<absl::Status> statuses_;
};

TEST_F(GroupCommitterTest, CommitsWhoWaitTogether) {
  Start(10);
  Finish();
  for (const absl::Status& status : statuses_) EXPECT_TRUE(status.ok());
  EXPECT_EQ(log_.committed().size(), 10u);
  EXPECT_EQ(log_.sizes(), (std::vector<size_t>{1, 9}));
}

TEST_F(GroupCommitterTest, BoundsAGroup) {
  const int count = 1 + static_cast<int>(Committer::kGroupMax) + 5;
  Start(count);
  Finish();
  EXPECT_EQ(log_.sizes(), (std::vector<size_t>{1, Committer::kGroupMax, 5}));
}

TEST_F(GroupCommitterTest, TellsEachCallerItsOwnResult) {
  Start(4, -2);
  Finish();
  EXPECT_EQ(statuses_[0].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(statuses_[1].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(statuses_[2].ok());
  EXPECT_TRUE(statuses_[3].ok());
  EXPECT_EQ(log_.committed().size(), 2u);
}

TEST_F(GroupCommitterTest, RefusesMoreThanMayWait) {
  Start(static_cast<int>(Committer::kWaitingMax));
  int work = 1;
  EXPECT_EQ(committer_.Commit(work).code(),
            absl::StatusCode::kResourceExhausted);
  Finish();
  EXPECT_TRUE(committer_.Commit(work).ok());
}

TEST_F(GroupCommitterTest, IsPoisonedByAFailureThatLeavesDoubt) {
  log_.FailWith(absl::UnavailableError("fsync"));
  Start(5);
  Finish();
  // The leader's group failed by what CommitGroup set; who waited was refused.
  for (size_t i = 1; i < statuses_.size(); ++i) {
    EXPECT_EQ(statuses_[i].code(), absl::StatusCode::kUnavailable);
  }
  int work = 1;
  EXPECT_EQ(committer_.Commit(work).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(log_.groups(), 1);
}

TEST(GroupCommitter, RunsOneGroupAtATimeUnderLoad) {
  std::atomic<int> running{0};
  std::atomic<int> done{0};
  Committer committer([&](absl::Span<Committer::Item* const> group) {
    EXPECT_EQ(running.fetch_add(1), 0);
    done += static_cast<int>(group.size());
    running.fetch_sub(1);
    return absl::OkStatus();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        EXPECT_TRUE(committer.Commit(i).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 8 * 500);
}

}  // namespace
}  // namespace millstream::storage
