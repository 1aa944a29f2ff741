#include "server/metric_stream.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "google/protobuf/arena.h"
#include "millstream/v1/streams.pb.h"
#include "server/metric_frames.h"
#include "server/validation.h"

namespace millstream::server {
namespace {

using google::protobuf::Arena;
using google::protobuf::ArenaOptions;

constexpr size_t kArenaBlockBytes = 64 * 1024;

absl::Status Stopping() {
  return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                   "The server stops; open the stream again a little later.");
}

absl::Status Superseded() {
  return MakeError(v1::ABORTED,
                   "Another stream was opened for this run under this writer "
                   "id.");
}

absl::Status TooManyNames() {
  return MakeError(v1::RESOURCE_EXHAUSTED,
                   "The streams that are open name more metrics than the "
                   "server keeps in memory; try again later.");
}

absl::Status TooSlow() {
  return MakeError(v1::RESOURCE_EXHAUSTED,
                   "The caller did not take an answer for too long.");
}

absl::Status NoFirstMessage() {
  return MakeError(v1::DEADLINE_EXCEEDED,
                   "The first message, 'open', did not come in time.");
}

absl::Status CheckOpen(const v1::OpenMetricStream& open) {
  RETURN_IF_ERROR(CheckRunId(open.run_id()));
  if (open.writer_id().empty()) return MissingParameter("writer_id");
  if (open.writer_id().size() <= limits::kWriterIdBytesMax) {
    return absl::OkStatus();
  }
  return InvalidParameter("'writer_id' may have at most ",
                          limits::kWriterIdBytesMax, " bytes.");
}

}  // namespace

// One call of LogMetrics. Thread-safe.
class MetricStream final : public StreamBody,
                           public std::enable_shared_from_this<MetricStream> {
 public:
  explicit MetricStream(MetricStreams* streams) : streams_(streams) {}

  void Start(StreamCaller* caller) override {
    {
      absl::MutexLock lock(&mutex_);
      caller_ = caller;
      reads_since_ = absl::Now();
    }
    Advance();
  }

  void OnMessage(std::unique_ptr<StreamMessage> message) override {
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (ended_ || end_.has_value()) return;
      reads_since_ = absl::Now();
      if (!std::exchange(has_message_, true)) {
        absl::Status opened = streams_->streams_.Opened(this);
        if (!opened.ok()) end_ = std::move(opened);
      }
      const size_t bytes = message->size();
      waiting_bytes_ += bytes;
      streams_->budget_->Take(bytes);
      waiting_.push_back(std::move(message));
    }
    Advance();
  }

  void OnNoMoreMessages() override {
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      no_more_ = true;
    }
    Advance();
  }

  void OnWritten() override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    Advance();
  }

  void OnGone() override {
    {
      absl::MutexLock lock(&mutex_);
      gone_ = true;
      if (!end_.has_value()) {
        end_ = absl::CancelledError("cancelled");
      }
    }
    Advance();
  }

  // Ends the stream once it has nothing under way.
  void Supersede() {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = Superseded();
    }
    Advance();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    Advance();
  }

  // Ends the stream, to have its dictionary's room.
  void GiveWay() {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = TooManyNames();
    }
    Advance();
  }
  // Whether the caller has sent nothing for so long.
  bool IsSilent(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    return reading_ && absl::Now() - reads_since_ >= duration;
  }

  void CheckPatience(absl::Time now) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || caller_ == nullptr) return;
      const StreamPatience& patience = streams_->limits_.patience;
      if (writing_ && !broken_off_ &&
          now - writes_since_ >= patience.answer) {
        if (!end_.has_value()) end_ = TooSlow();
        broken_off_ = true;
        // Under the lock: the caller lives until End, which takes it.
        caller_->BreakOff();
      } else if (!has_message_ && reading_ &&
                 now - reads_since_ >= patience.first_message) {
        if (!end_.has_value()) end_ = NoFirstMessage();
      } else {
        return;
      }
    }
    Advance();
  }

 private:
  // Does what is to be done next, or ends the call if nothing is.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  void StartWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MaybeRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MaybeAnswer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How the call ends, if it does now.
  std::optional<absl::Status> Outcome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasAnswer() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !gone_ && durable_ != told_;
  }

  // --- The worker: one at a time, on a thread of the pool.
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Log(absl::Span<std::unique_ptr<StreamMessage>> messages);
  absl::Status Take(v1::LogMetricsRequest* request);
  absl::Status OpenWriter(const v1::OpenMetricStream& open);
  absl::Status Commit();
  absl::Status CountKeys();

  MetricStreams* const streams_;

  // The worker's own; handed from one to the next with working_.
  MetricFrames frames_;
  MetricStreams::WriterName name_;
  std::shared_ptr<MetricWriter> writer_;  // null: not open yet
  size_t key_bytes_ = 0;

  absl::Mutex mutex_;
  StreamCaller* caller_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::deque<std::unique_ptr<StreamMessage>> waiting_ ABSL_GUARDED_BY(mutex_);
  // Of what waits, and of what the worker has.
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last frame that is kept, and the last that the caller was told of;
  // absent: nothing is known, or told, yet.
  std::optional<uint64_t> durable_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> told_ ABSL_GUARDED_BY(mutex_);

  // The last message came, or the stream began; the last answer was written.
  absl::Time reads_since_ ABSL_GUARDED_BY(mutex_);
  absl::Time writes_since_ ABSL_GUARDED_BY(mutex_);
  bool has_message_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool waits_for_budget_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Nothing more is taken in; how the call ends when what is under way is done.
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

void MetricStream::Advance() {
  std::optional<absl::Status> outcome;
  StreamCaller* caller = nullptr;
  size_t dropped = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || caller_ == nullptr) return;
    if (end_.has_value()) {
      for (const auto& message : waiting_) dropped += message->size();
      waiting_.clear();
      waiting_bytes_ -= dropped;
    }
    if (!working_ && !waiting_.empty()) StartWork();
    MaybeRead();
    MaybeAnswer();
    if (!working_ && !writing_) outcome = Outcome();
    ended_ = outcome.has_value();
    caller = caller_;
  }
  if (dropped != 0) streams_->budget_->Give(dropped);
  if (!outcome.has_value()) return;
  streams_->Remove(this, name_);
  caller->End(*outcome);
}

std::optional<absl::Status> MetricStream::Outcome() {
  if (end_.has_value()) return end_;
  if (!waiting_.empty()) return std::nullopt;
  if (stopping_) return Stopping();
  if (!no_more_) return std::nullopt;
  if (writer_ != nullptr) return absl::OkStatus();
  return InvalidParameter("The stream ended before its first message, 'open'.");
}

void MetricStream::StartWork() {
  working_ = true;
  // One task per stream, so there is room.
  if (streams_->pool_.Post([self = shared_from_this()] { self->Work(); })) {
    return;
  }
  working_ = false;
  end_ = absl::InternalError("the pool of stream workers is full");
}

void MetricStream::MaybeRead() {
  if (reading_ || no_more_ || stopping_ || end_.has_value() ||
      waits_for_budget_ || waiting_bytes_ >= streams_->limits_.stream_bytes) {
    return;
  }
  auto go_on = [weak = weak_from_this()] {
    std::shared_ptr<MetricStream> self = weak.lock();
    if (self == nullptr) return;
    {
      absl::MutexLock lock(&self->mutex_);
      self->waits_for_budget_ = false;
    }
    self->Advance();
  };
  if (!streams_->budget_->MayRead(go_on)) {
    waits_for_budget_ = true;
    return;
  }
  reading_ = true;
  caller_->Read();
}

void MetricStream::MaybeAnswer() {
  if (writing_ || !HasAnswer()) return;
  v1::LogMetricsResponse response;
  response.set_durable_frame(*durable_);
  told_ = durable_;
  writing_ = true;
  writes_since_ = absl::Now();
  caller_->Write(response);
}

void MetricStream::Work() {
  std::vector<std::unique_ptr<StreamMessage>> messages;
  size_t bytes = 0;
  {
    absl::MutexLock lock(&mutex_);
    while (!waiting_.empty() && bytes < streams_->limits_.commit_bytes) {
      bytes += waiting_.front()->size();
      messages.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  streams_->BeginCommit(bytes);
  absl::Status status = Log(absl::MakeSpan(messages));
  messages.clear();
  streams_->EndCommit(bytes);
  {
    absl::MutexLock lock(&mutex_);
    working_ = false;
    waiting_bytes_ -= bytes;
    if (!status.ok() && !end_.has_value()) end_ = std::move(status);
  }
  streams_->budget_->Give(bytes);
  Advance();
}

// What comes before a message that is refused is kept.
absl::Status MetricStream::Log(
    absl::Span<std::unique_ptr<StreamMessage>> messages) {
  ArenaOptions options;
  options.max_block_size = kArenaBlockBytes;
  Arena arena(options);
  absl::Status status;
  for (std::unique_ptr<StreamMessage>& message : messages) {
    if (message->size() > limits::kGrpcStreamMessageBytesMax) {
      status = InvalidParameter("A frame may have at most ",
                                limits::kGrpcStreamMessageBytesMax,
                                " bytes; send its points in several.");
      break;
    }
    auto* request = Arena::CreateMessage<v1::LogMetricsRequest>(&arena);
    status = message->Parse(request)
                 ? Take(request)
                 : MakeError(v1::BAD_REQUEST,
                             "A message of the stream is no well-formed "
                             "LogMetricsRequest; strings must be UTF-8.");
    if (!status.ok()) break;
    message.reset();
  }
  if (!frames_.empty()) RETURN_IF_ERROR(Commit());
  return status;
}

absl::Status MetricStream::Take(v1::LogMetricsRequest* request) {
  if (request->has_open()) return OpenWriter(request->open());
  if (writer_ == nullptr) {
    return InvalidParameter("The first message of a stream must be 'open'.");
  }
  if (!request->has_frame()) {
    return InvalidParameter("A message holds neither 'open' nor 'frame'.");
  }
  RETURN_IF_ERROR(frames_.Add(request->mutable_frame()));
  return CountKeys();
}

absl::Status MetricStream::OpenWriter(const v1::OpenMetricStream& open) {
  if (writer_ != nullptr) {
    return InvalidParameter("The stream is open already.");
  }
  RETURN_IF_ERROR(CheckOpen(open));
  name_ = {open.run_id(), open.writer_id()};
  // A run that is not there ends nobody's stream.
  RETURN_IF_ERROR(
      streams_->log_->LastFrame(name_.first, name_.second).status());
  ASSIGN_OR_RETURN(MetricStreams::Claimed claimed,
                   streams_->Claim(name_, shared_from_this()));
  writer_ = std::move(claimed.writer);
  if (std::shared_ptr<MetricStream> previous = claimed.stream.lock()) {
    previous->Supersede();
  }
  {
    absl::MutexLock commit_lock(&writer_->commit_mutex);
    if (writer_->holder != this) return Superseded();
    ASSIGN_OR_RETURN(const uint64_t last, streams_->log_->LastFrame(
                                              name_.first, name_.second));
    frames_.StartAfter(last);
    absl::MutexLock lock(&mutex_);
    durable_ = last;
  }
  // The answer does not wait for the frames that came with the question.
  Advance();
  return absl::OkStatus();
}

absl::Status MetricStream::CountKeys() {
  const size_t grown = frames_.key_bytes() - key_bytes_;
  if (grown == 0) return absl::OkStatus();
  RETURN_IF_ERROR(streams_->AddKeyBytes(shared_from_this(), grown));
  key_bytes_ += grown;
  return absl::OkStatus();
}

absl::Status MetricStream::Commit() {
  MetricBatch batch;
  frames_.Build(&batch);
  frames_.Clear();
  absl::MutexLock commit_lock(&writer_->commit_mutex);
  if (writer_->holder != this) return Superseded();
  RETURN_IF_ERROR(
      streams_->log_->Log({.run_id = name_.first,
                           .metrics = batch.series,
                           .frame = {name_.second, frames_.last()}}));
  absl::MutexLock lock(&mutex_);
  durable_ = frames_.last();
  return absl::OkStatus();
}

MetricStreams::MetricStreams(storage::RunLog* log, IngestBudget* budget,
                             const Limits& limits)
    : log_(log),
      budget_(budget),
      limits_(limits),
      streams_(limits.streams, "metric streams open", Stopping()),
      pool_(limits.threads,
            limits.streams.open + limits.streams.unopened + 1) {}

MetricStreams::~MetricStreams() = default;

void MetricStreams::Stop() { streams_.Stop(); }

void MetricStreams::CheckPatience(absl::Time now) {
  streams_.CheckPatience(now);
}

absl::StatusOr<std::shared_ptr<StreamBody>> MetricStreams::Open(
    CallContext& context) {
  auto stream = std::make_shared<MetricStream>(this);
  RETURN_IF_ERROR(streams_.Add(stream, OwnerOf(context)));
  return stream;
}

absl::StatusOr<MetricStreams::Claimed> MetricStreams::Claim(
    const WriterName& name, const std::shared_ptr<MetricStream>& stream) {
  absl::MutexLock lock(&mutex_);
  auto found = writers_.find(name);
  Claimed previous;
  if (found == writers_.end()) {
    size_t& writers = writers_of_run_[name.first];
    if (writers >= limits_.streams_per_run) {
      return MakeError(v1::RESOURCE_EXHAUSTED,
                       StrCat("The run has ", writers,
                              " metric streams open and may have no more."));
    }
    ++writers;
    found = writers_.emplace(name, Claimed()).first;
    found->second.writer = std::make_shared<MetricWriter>();
  } else {
    previous = found->second;
  }
  found->second.stream = stream;
  found->second.writer->holder = stream.get();
  previous.writer = found->second.writer;
  return previous;
}

absl::Status MetricStreams::AddKeyBytes(
    const std::shared_ptr<MetricStream>& stream, size_t bytes) {
  std::vector<std::shared_ptr<MetricStream>> giving_way;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    const size_t needed = dictionaries_[stream.get()].bytes + bytes;
    while (key_bytes_ + bytes > limits_.key_bytes) {
      giving_way.push_back(TakeDictionary(stream.get(), needed));
      if (giving_way.back() == nullptr) {
        giving_way.pop_back();
        status = TooManyNames();
        break;
      }
    }
    if (status.ok()) {
      key_bytes_ += bytes;
      dictionaries_[stream.get()] = {stream, needed};
    }
  }
  for (const auto& other : giving_way) other->GiveWay();
  return status;
}

std::shared_ptr<MetricStream> MetricStreams::TakeDictionary(
    const MetricStream* from, size_t bytes) {
  std::shared_ptr<MetricStream> largest, largest_silent;
  size_t largest_bytes = bytes, largest_silent_bytes = 0;
  for (const auto& [stream, dictionary] : dictionaries_) {
    if (stream == from || dictionary.bytes <= largest_silent_bytes) continue;
    std::shared_ptr<MetricStream> other = dictionary.stream.lock();
    if (other == nullptr) continue;
    if (other->IsSilent(limits_.silent)) {
      largest_silent = std::move(other);
      largest_silent_bytes = dictionary.bytes;
    } else if (dictionary.bytes > largest_bytes) {
      largest = std::move(other);
      largest_bytes = dictionary.bytes;
    }
  }
  if (largest_silent != nullptr) largest = std::move(largest_silent);
  if (largest == nullptr) return nullptr;
  auto found = dictionaries_.find(largest.get());
  key_bytes_ -= found->second.bytes;
  dictionaries_.erase(found);
  return largest;
}

void MetricStreams::BeginCommit(size_t bytes) {
  absl::MutexLock lock(&commits_mutex_);
  auto has_room = [&] {
    commits_mutex_.AssertHeld();
    return commits_bytes_ == 0 ||
           commits_bytes_ + bytes <= limits_.commits_bytes;
  };
  commits_mutex_.Await(absl::Condition(&has_room));
  commits_bytes_ += bytes;
}

void MetricStreams::EndCommit(size_t bytes) {
  absl::MutexLock lock(&commits_mutex_);
  commits_bytes_ -= bytes;
}

void MetricStreams::Remove(const MetricStream* stream,
                           const WriterName& name) {
  streams_.Remove(stream);
  absl::MutexLock lock(&mutex_);
  if (auto dictionary = dictionaries_.find(stream);
      dictionary != dictionaries_.end()) {
    key_bytes_ -= dictionary->second.bytes;
    dictionaries_.erase(dictionary);
  }
  auto found = writers_.find(name);
  if (found == writers_.end() || found->second.writer->holder != stream) return;
  writers_.erase(found);
  auto run = writers_of_run_.find(name.first);
  if (--run->second == 0) writers_of_run_.erase(run);
}

}  // namespace millstream::server
