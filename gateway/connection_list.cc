#include "gateway/connection_list.h"

#include <sys/socket.h>

#include <chrono>

#include "absl/time/time.h"
#include "base/limits.h"

namespace millstream::gateway {
namespace {

// Connections that were ended and have not left yet, at most: who comes faster
// than they leave is not let in.
constexpr int kEvictedMax = 64;

}  // namespace

int64_t MonotonicMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

ConnectionList::Entry::Entry(ConnectionList* list, int socket, bool* full)
    : list_(list),
      socket_(socket),
      deadline_ms_(MonotonicMs() + limits::kHttpHeadMsMax) {
  absl::MutexLock lock(&list->mutex_);
  const int staying =
      static_cast<int>(list->entries_.size()) - list->evicted_;
  *full = staying >= list->connections_max_ && !list->EvictOne();
  position_ = list->entries_.insert(list->entries_.end(), this);
}

ConnectionList::Entry::~Entry() {
  absl::MutexLock lock(&list_->mutex_);
  list_->entries_.erase(position_);
  if (evicted_) --list_->evicted_;
}

bool ConnectionList::EvictOne() {
  if (evicted_ >= kEvictedMax) return false;
  Entry* first = nullptr;
  Entry* first_body = nullptr;
  for (Entry* entry : entries_) {
    const Phase phase = entry->phase_.load();
    if (entry->evicted_ || phase == Phase::kBusy) continue;
    Entry*& earliest = phase == Phase::kBody ? first_body : first;
    if (earliest == nullptr ||
        entry->deadline_ms_.load() < earliest->deadline_ms_) {
      earliest = entry;
    }
  }
  if (first == nullptr) first = first_body;
  if (first == nullptr) return false;
  first->evicted_ = true;
  ++evicted_;
  shutdown(first->socket_, SHUT_RDWR);
  return true;
}

void ConnectionList::EndOverdue() {
  const int64_t now_ms = MonotonicMs();
  absl::MutexLock lock(&mutex_);
  for (Entry* entry : entries_) {
    if (entry->deadline_ms_.load(std::memory_order_relaxed) < now_ms) {
      shutdown(entry->socket_, SHUT_RDWR);
    }
  }
}

void ConnectionList::EndAll() {
  absl::MutexLock lock(&mutex_);
  for (Entry* entry : entries_) shutdown(entry->socket_, SHUT_RDWR);
}

void ConnectionList::Stop(int64_t wait_ms) {
  stopping_.store(true);
  {
    absl::MutexLock lock(&mutex_);
    for (Entry* entry : entries_) {
      // What came in already can still be read, and is served.
      if (entry->phase_.load() == Phase::kIdle) {
        shutdown(entry->socket_, SHUT_RD);
      }
    }
    const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return entries_.empty();
    };
    if (mutex_.AwaitWithTimeout(absl::Condition(&empty),
                                absl::Milliseconds(wait_ms))) {
      return;
    }
  }
  EndAll();
  absl::MutexLock lock(&mutex_);
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return entries_.empty();
  };
  mutex_.Await(absl::Condition(&empty));
}

}  // namespace millstream::gateway
