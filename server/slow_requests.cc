#include "server/slow_requests.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::server {

SlowRequests::SlowRequests(size_t count, size_t count_each,
                           absl::Duration patience)
    : count_(count), count_each_(count_each), patience_(patience) {}

SlowRequests::~SlowRequests() {
  {
    absl::MutexLock lock(&mutex_);
    ends_ = true;
    some_wait_.Signal();
    ending_.Signal();
  }
  if (checker_.joinable()) checker_.join();
}

void SlowRequests::Add(Request* request, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  request->since_ = now;
  request->waits_ = true;
  request->previous_ = last_;
  request->next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = request;
  last_ = request;
  if (first_ == request) some_wait_.Signal();
  if (!checker_.joinable()) {
    checker_ = std::thread([this] { CheckNowAndThen(); });
  }
}

bool SlowRequests::Remove(Request* request) {
  absl::MutexLock lock(&mutex_);
  if (!request->waits_) return false;
  Unlink(request);
  return true;
}

void SlowRequests::Unlink(Request* request) {
  request->waits_ = false;
  (request->previous_ == nullptr ? first_ : request->previous_->next_) =
      request->next_;
  (request->next_ == nullptr ? last_ : request->next_->previous_) =
      request->previous_;
}

void SlowRequests::Check(absl::Time now) {
  absl::flat_hash_map<std::string, size_t> of_owners;
  size_t all = 0;
  absl::MutexLock lock(&mutex_);
  Request* next = first_;
  while (next != nullptr) {
    Request* const request = next;
    next = request->next_;
    const absl::Duration waited = now - request->since_;
    if (waited < std::min(kSlow, patience_)) return;
    absl::Status refusal;
    if (waited >= patience_) {
      refusal = MakeError(v1::DEADLINE_EXCEEDED,
                          "The caller let the server wait for too long.");
    } else if (all >= count_) {
      refusal = MakeError(
          v1::RESOURCE_EXHAUSTED,
          StrCat("The server waits for ", count_,
                 " requests already and for no more; try again later."));
    } else if (size_t& of_owner = of_owners[request->Owner()];
               of_owner >= count_each_) {
      refusal = MakeError(
          v1::RESOURCE_EXHAUSTED,
          StrCat("The server waits for ", count_each_,
                 " requests of this user or address already and for no more "
                 "of them; try again later."));
    } else {
      ++of_owner;
      ++all;
    }
    if (!refusal.ok() && request->Refuse(refusal)) Unlink(request);
  }
}

void SlowRequests::CheckNowAndThen() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      while (!ends_ && first_ == nullptr) some_wait_.Wait(&mutex_);
      const absl::Time next = absl::Now() + kSlow;
      while (!ends_ && absl::Now() < next) {
        ending_.WaitWithDeadline(&mutex_, next);
      }
      if (ends_) return;
    }
    Check(absl::Now());
  }
}

}  // namespace millstream::server
