#include "client/log_buffer.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"

namespace millstream::client {
namespace {

// Rooms for points that are kept for the next frames.
constexpr size_t kSparesMax = 2;

absl::Status CheckMetricKey(std::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("a metric has no key");
  if (key.size() > limits::kKeyLengthMax &&
      CountCharacters(key) > limits::kKeyLengthMax) {
    return absl::InvalidArgumentError(
        StrCat("the key of a metric may have at most ", limits::kKeyLengthMax,
               " characters"));
  }
  const absl::Status status = CheckKey("key", key);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(status.message());
}

std::string Because(const absl::Status& trouble) {
  return trouble.ok() ? ""
                      : StrCat("; the last error: ",
                               trouble.ToString(
                                   absl::StatusToStringMode::kWithNoExtraData));
}

}  // namespace

LogBuffer::LogBuffer(const WriterOptions& options)
    : options_(options),
      points_max_(std::clamp<size_t>(options.buffer_bytes / sizeof(LoggedPoint),
                                     1, kFramePointsMax)) {}

absl::Status LogBuffer::Reserve(size_t bytes) {
  if (closed_) return absl::FailedPreconditionError("the writer is closed");
  if (!failure_.ok()) return failure_;
  auto has_room = [&] {
    mutex_.AssertHeld();
    // Whatever is larger than all of the room has it to itself.
    return stats_.buffered_bytes == 0 ||
           stats_.buffered_bytes + bytes <= options_.buffer_bytes;
  };
  if (has_room()) return absl::OkStatus();
  const absl::Time until = absl::Now() + options_.full_wait;
  ++waiting_;
  Wake();
  while (!has_room() && !closed_ && failure_.ok() &&
         options_.full_wait > absl::ZeroDuration()) {
    if (room_.WaitWithDeadline(&mutex_, until)) break;
  }
  --waiting_;
  if (closed_) return absl::FailedPreconditionError("the writer is closed");
  if (!failure_.ok()) return failure_;
  if (has_room()) return absl::OkStatus();
  ++stats_.dropped;
  return absl::ResourceExhaustedError(
      StrCat("the buffer of ", options_.buffer_bytes,
             " bytes is full; the server does not take what was logged fast "
             "enough, or is away",
             Because(trouble_)));
}

absl::Status LogBuffer::AddKey(std::string_view name, Key** key) {
  if (keys_.size() >= kKeysMax) {
    return absl::ResourceExhaustedError(
        StrCat("one writer logs at most ", kKeysMax, " metrics"));
  }
  RETURN_IF_ERROR(CheckMetricKey(name));
  const auto index = static_cast<uint32_t>(names_.size());
  const auto added = keys_.emplace(std::string(name), Key{.index = index});
  names_.push_back(&added.first->first);
  *key = &added.first->second;
  return absl::OkStatus();
}

absl::Status LogBuffer::AddPoint(std::string_view name, double value,
                                 int64_t step, int64_t timestamp_ms) {
  if (timestamp_ms < 0) {
    return absl::InvalidArgumentError(
        StrCat("timestamp ", timestamp_ms, " is before 1970"));
  }
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Reserve(kItemBytes + sizeof(LoggedPoint)));
  Key* key = nullptr;
  if (const auto found = keys_.find(AbslView(name)); found != keys_.end()) {
    key = &found->second;
  } else {
    RETURN_IF_ERROR(AddKey(name, &key));
  }
  if (points_.empty()) {
    if (points_.capacity() == 0) points_.reserve(points_max_);
    stats_.buffered_bytes += kItemBytes;
    since_ = absl::Now();
    Wake();
  }
  if (key->frame != frame_) {
    key->frame = frame_;
    key_bytes_ += name.size();
  }
  points_.push_back({step, timestamp_ms, value, key->index});
  ++stats_.logged;
  stats_.buffered_bytes += sizeof(LoggedPoint);
  if (points_.size() >= points_max_ || key_bytes_ >= kFrameKeyBytesMax) {
    EndFrame();
    Wake();
  }
  return absl::OkStatus();
}

absl::Status LogBuffer::AddCall(LoggedCall call) {
  const size_t bytes = kItemBytes + call.request.capacity();
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Reserve(bytes));
  EndFrame();
  ++stats_.logged;
  stats_.buffered_bytes += bytes;
  items_.push_back(
      {.call = std::move(call), .end = stats_.logged, .bytes = bytes});
  Wake();
  return absl::OkStatus();
}

std::vector<LoggedPoint> LogBuffer::TakePoints() {
  std::vector<LoggedPoint> points;
  if (points_.size() < points_.capacity()) {
    points.assign(points_.begin(), points_.end());
    points_.clear();
    return points;
  }
  points.swap(points_);
  if (!spares_.empty()) {
    points_ = std::move(spares_.back());
    spares_.pop_back();
  }
  return points;
}

void LogBuffer::EndFrame() {
  if (points_.empty()) return;
  const size_t bytes = kItemBytes + points_.size() * sizeof(LoggedPoint);
  items_.push_back(
      {.points = TakePoints(), .end = stats_.logged, .bytes = bytes});
  key_bytes_ = 0;
  ++frame_;
}

absl::Status LogBuffer::Flush(absl::Time until) {
  absl::MutexLock lock(&mutex_);
  const uint64_t target = stats_.logged;
  ++waiting_;
  Wake();
  while (stats_.done < target && failure_.ok() && !stopped_) {
    if (done_changed_.WaitWithDeadline(&mutex_, until)) break;
  }
  --waiting_;
  if (!failure_.ok()) return failure_;
  if (stats_.done < target) {
    return absl::DeadlineExceededError(
        StrCat(target - stats_.done,
               " of what was logged are not kept by the server yet",
               Because(trouble_)));
  }
  return std::exchange(refusal_, absl::OkStatus());
}

void LogBuffer::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  room_.SignalAll();
}

void LogBuffer::Stop() {
  absl::MutexLock lock(&mutex_);
  closed_ = stopped_ = true;
  room_.SignalAll();
  done_changed_.SignalAll();
  Wake();
}

bool LogBuffer::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

absl::Status LogBuffer::status() const {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

absl::Status LogBuffer::trouble() const {
  absl::MutexLock lock(&mutex_);
  return failure_.ok() ? trouble_ : failure_;
}

WriterStats LogBuffer::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

std::optional<LoggedItem> LogBuffer::Take() {
  absl::MutexLock lock(&mutex_);
  if (items_.empty() &&
      (waiting_ > 0 || absl::Now() >= since_ + options_.linger)) {
    EndFrame();
  }
  if (items_.empty()) return std::nullopt;
  LoggedItem item = std::move(items_.front());
  items_.pop_front();
  return item;
}

absl::Time LogBuffer::ReadyAt() const {
  absl::MutexLock lock(&mutex_);
  if (!items_.empty()) return absl::InfinitePast();
  return points_.empty() ? absl::InfiniteFuture() : since_ + options_.linger;
}

void LogBuffer::Recycle(std::vector<LoggedPoint> points) {
  points.clear();
  absl::MutexLock lock(&mutex_);
  if (points.capacity() == points_max_ && spares_.size() < kSparesMax) {
    spares_.push_back(std::move(points));
  }
}

const std::string& LogBuffer::KeyName(uint32_t key) const {
  absl::MutexLock lock(&mutex_);
  return *names_[key];
}

void LogBuffer::Wake() {
  if (notified_) return;
  notified_ = true;
  news_.Signal();
}

void LogBuffer::Wait(absl::Time until) {
  absl::MutexLock lock(&mutex_);
  while (!notified_ && !stopped_) {
    if (news_.WaitWithDeadline(&mutex_, until)) break;
  }
  notified_ = false;
}

void LogBuffer::Sleep(absl::Time until) {
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    if (news_.WaitWithDeadline(&mutex_, until)) break;
    notified_ = false;
  }
  notified_ = true;
}

void LogBuffer::Notify() {
  absl::MutexLock lock(&mutex_);
  Wake();
}

void LogBuffer::Done(uint64_t end, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  stats_.done = end;
  stats_.buffered_bytes -= bytes;
  room_.SignalAll();
  done_changed_.SignalAll();
}

void LogBuffer::Refused(uint64_t count, absl::Status why) {
  absl::MutexLock lock(&mutex_);
  stats_.refused += count;
  if (refusal_.ok()) refusal_ = std::move(why);
}

void LogBuffer::Fail(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  failure_ = std::move(why);
  items_.clear();
  points_ = {};
  spares_.clear();
  stats_.buffered_bytes = 0;
  stats_.refused += stats_.logged - stats_.done;
  stats_.done = stats_.logged;
  room_.SignalAll();
  done_changed_.SignalAll();
}

void LogBuffer::SetTrouble(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  trouble_ = std::move(why);
}

void LogBuffer::CountStream() {
  absl::MutexLock lock(&mutex_);
  ++stats_.streams;
}

}  // namespace millstream::client
