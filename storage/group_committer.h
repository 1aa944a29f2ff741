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
    absl::MutexLock lock(&mutex_);
    if (!poison_.ok()) return poison_;
    if (queue_.size() >= kWaitingMax) {
      return absl::ResourceExhaustedError(
          "Too many writes are waiting; send them again a little later.");
    }
    queue_.push_back(&me);
    while (!me.done && queue_.front() != &me) me.turn.Wait(&mutex_);
    if (!me.done) Lead();
    return std::move(me.item.status);
  }

  // Callers that wait or are being committed.
  size_t waiting() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }

 private:
  struct Waiter {
    Item item;
    bool done = false;
    absl::CondVar turn;
  };

  // REQUIRES: the caller is in front. On return its work is done.
  void Lead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t size = std::min(queue_.size(), kGroupMax);
    std::vector<Item*> group;
    group.reserve(size);
    for (size_t i = 0; i < size; ++i) group.push_back(&queue_[i]->item);

    // The group stays in the queue meanwhile: newcomers are not in front.
    mutex_.Unlock();
    absl::Status failure = commit_group_(group);
    mutex_.Lock();

    if (!failure.ok()) poison_ = failure;
    size_t finished = failure.ok() ? size : queue_.size();
    for (size_t i = 0; i < finished; ++i) {
      Waiter* waiter = queue_.front();
      queue_.pop_front();
      if (i >= size) waiter->item.status = failure;
      waiter->done = true;
      if (i > 0) waiter->turn.Signal();
    }
    if (!queue_.empty()) queue_.front()->turn.Signal();
  }

  const CommitGroup commit_group_;

  mutable absl::Mutex mutex_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Status poison_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_GROUP_COMMITTER_H_
