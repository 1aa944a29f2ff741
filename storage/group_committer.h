// Group commit: many callers, one commit at a time, one fsync for all that
// wait.
//
// Callers queue. The one at the front leads: it takes those behind it into its
// group, commits the group, and wakes them with their results; who is in front
// then leads the next. There is no thread of its own, and a caller that comes
// alone pays for nothing but its own commit. While a commit waits for the disk
// the queue fills, so groups grow with the load by themselves.
//
// Bounds: kWaitingMax callers wait at most (more are refused at once, so that
// an overload answers instead of piling up); kGroupMax are committed together,
// so that the first of a group does not wait for the work of hundreds.
//
// Failure: when a commit fails in a way that leaves open what is on the disk
// (an fsync that reported an error may have thrown the data away, and the next
// one would report success), nothing may be acknowledged any more. The
// committer is poisoned then: the group fails, all who wait fail, and all who
// come later, until the store is opened again and has read what the disk really
// holds.
#ifndef MILLSTREAM_STORAGE_GROUP_COMMITTER_H_
#define MILLSTREAM_STORAGE_GROUP_COMMITTER_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace millstream::storage {

// Thread-safe. Destroyed when no Commit runs any more.
template <typename Work>
class GroupCommitter {
 public:
  static constexpr size_t kWaitingMax = 1024;
  static constexpr size_t kGroupMax = 64;

  struct Item {
    Work* work = nullptr;
    // Set by CommitGroup: what the caller of this work is told.
    absl::Status status;
  };

  // Does and commits the work of all items in order, and sets their statuses:
  // OK only if the item's work is committed and durable. Runs on the thread of
  // one caller, never twice at a time. Returns an error to poison.
  using CommitGroup = std::function<absl::Status(absl::Span<Item* const>)>;

  explicit GroupCommitter(CommitGroup commit_group)
      : commit_group_(std::move(commit_group)) {}

  // Returns when `work` is committed (OK: durable, as CommitGroup says) or has
  // failed. kResourceExhausted: too many wait, nothing was done; kUnavailable:
  // poisoned, nothing was done or what was done is not known to be durable.
  absl::Status Commit(Work& work) ABSL_LOCKS_EXCLUDED(mutex_) {
    Waiter me;
    me.item.work = &work;
    bool leads = false;
    {
      absl::MutexLock lock(&mutex_);
      if (!poison_.ok()) return poison_;
      if (queue_.size() >= kWaitingMax) {
        return absl::ResourceExhaustedError(
            "Too many writes are waiting; send them again a little later.");
      }
      leads = queue_.empty();
      queue_.push_back(&me);
    }
    if (leads || me.Wait() == Turn::kLead) Lead();
    return std::move(me.item.status);
  }

  // Callers that wait or are being committed.
  size_t waiting() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }

 private:
  enum class Turn { kNotYet, kLead, kDone };

  // One caller. Each waits at a lock of its own: woken at one that all share,
  // they would queue there once more, in the way of who comes meanwhile.
  class Waiter {
   public:
    Item item;

    Turn Wait() ABSL_LOCKS_EXCLUDED(mutex_) {
      const auto has_come = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return turn_ != Turn::kNotYet;
      };
      absl::MutexLock lock(&mutex_, absl::Condition(&has_come));
      return turn_;
    }
    // When told kDone, it may be gone by the time that this returns.
    void Tell(Turn turn) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      turn_ = turn;
    }

   private:
    absl::Mutex mutex_;
    Turn turn_ ABSL_GUARDED_BY(mutex_) = Turn::kNotYet;
  };

  // Called by who is in front. On return its work is done.
  void Lead() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<Waiter*> group;
    {
      absl::MutexLock lock(&mutex_);
      // The group stays in the queue meanwhile: newcomers are not in front.
      group.assign(queue_.begin(),
                   queue_.begin() + std::min(queue_.size(), kGroupMax));
    }
    std::vector<Item*> items;
    items.reserve(group.size());
    for (Waiter* waiter : group) items.push_back(&waiter->item);
    absl::Status failure = commit_group_(items);

    Waiter* next = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      queue_.erase(queue_.begin(), queue_.begin() + group.size());
      if (!failure.ok()) {
        poison_ = failure;
        for (Waiter* waiter : queue_) {
          waiter->item.status = failure;
          group.push_back(waiter);
        }
        queue_.clear();
      }
      if (!queue_.empty()) next = queue_.front();
    }
    // The disk first.
    if (next != nullptr) next->Tell(Turn::kLead);
    for (size_t i = 1; i < group.size(); ++i) group[i]->Tell(Turn::kDone);
  }

  const CommitGroup commit_group_;

  mutable absl::Mutex mutex_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Status poison_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_GROUP_COMMITTER_H_
