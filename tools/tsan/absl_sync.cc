// Tells ThreadSanitizer what absl's locks order. Debian's absl is built without
// it, so what a Mutex guards would be reported as races. Preloaded, these stand
// before the library's functions, call them, and say what happened.
//
// Conditions of Await run inside of Unlock of whoever holds the lock, after it
// was told to be free; their reads are not looked at.
#include <dlfcn.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

// Not there in programs that are preloaded with this and built without the
// sanitizer, such as the shell that starts a test.
extern "C" {
void __tsan_acquire(void* address) __attribute__((weak));
void __tsan_release(void* address) __attribute__((weak));
void AnnotateIgnoreReadsBegin(const char* file, int line)
    __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char* file, int line) __attribute__((weak));
}

namespace {

void Acquire(const void* address) {
  if (__tsan_acquire != nullptr) __tsan_acquire(const_cast<void*>(address));
}
void Release(const void* address) {
  if (__tsan_release != nullptr) __tsan_release(const_cast<void*>(address));
}

// The library's own, which returns R.
template <typename R, typename... Args>
R Real(const char* name, Args... args) {
  void* const real = dlsym(RTLD_NEXT, name);
  if (real == nullptr) __builtin_trap();
  if (AnnotateIgnoreReadsBegin != nullptr) {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  }
  struct End {
    ~End() {
      if (AnnotateIgnoreReadsEnd != nullptr) {
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
      }
    }
  } end;
  return reinterpret_cast<R (*)(Args...)>(real)(args...);
}

#define ABSL_NAME(text) "_ZN4absl7debian3" text
#define ABSL_CONST_NAME(text) "_ZNK4absl7debian3" text

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  Real<void>(ABSL_NAME("5Mutex4LockEv"), this);
  Acquire(this);
}

void Mutex::Unlock() {
  Release(this);
  Real<void>(ABSL_NAME("5Mutex6UnlockEv"), this);
}

bool Mutex::TryLock() {
  const bool locked = Real<bool>(ABSL_NAME("5Mutex7TryLockEv"), this);
  if (locked) Acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  Real<void>(ABSL_NAME("5Mutex10ReaderLockEv"), this);
  Acquire(this);
}

void Mutex::ReaderUnlock() {
  Release(this);
  Real<void>(ABSL_NAME("5Mutex12ReaderUnlockEv"), this);
}

void Mutex::Await(const Condition& condition) {
  Release(this);
  Real<void>(ABSL_NAME("5Mutex5AwaitERKNS0_9ConditionE"), this, &condition);
  Acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  Release(this);
  const bool held =
      Real<bool>(ABSL_NAME("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_"
                           "8DurationE"),
                 this, &condition, timeout);
  Acquire(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  Release(this);
  const bool held =
      Real<bool>(ABSL_NAME("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_"
                           "4TimeE"),
                 this, &condition, deadline);
  Acquire(this);
  return held;
}

void Mutex::LockWhen(const Condition& condition) {
  Real<void>(ABSL_NAME("5Mutex8LockWhenERKNS0_9ConditionE"), this, &condition);
  Acquire(this);
}

void CondVar::Wait(Mutex* mutex) {
  Release(mutex);
  Real<void>(ABSL_NAME("7CondVar4WaitEPNS0_5MutexE"), this, mutex);
  Acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  Release(mutex);
  const bool late = Real<bool>(
      ABSL_NAME("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"), this,
      mutex, timeout);
  Acquire(mutex);
  return late;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  Release(mutex);
  const bool late = Real<bool>(
      ABSL_NAME("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"), this,
      mutex, deadline);
  Acquire(mutex);
  return late;
}

void Notification::Notify() {
  Release(this);
  // HasBeenNotified() is inline and reads what lies behind the Mutex.
  Release(reinterpret_cast<char*>(this) + sizeof(Mutex));
  Real<void>(ABSL_NAME("12Notification6NotifyEv"), this);
}

void Notification::WaitForNotification() const {
  Real<void>(ABSL_CONST_NAME("12Notification19WaitForNotificationEv"), this);
  Acquire(this);
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool notified = Real<bool>(
      ABSL_CONST_NAME("12Notification30WaitForNotificationWithTimeoutENS0_"
                      "8DurationE"),
      this, timeout);
  if (notified) Acquire(this);
  return notified;
}

bool BlockingCounter::DecrementCount() {
  Release(this);
  const bool last =
      Real<bool>(ABSL_NAME("15BlockingCounter14DecrementCountEv"), this);
  if (last) Acquire(this);
  return last;
}

void BlockingCounter::Wait() {
  Real<void>(ABSL_NAME("15BlockingCounter4WaitEv"), this);
  Acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
