#include "client/sender.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "base/status_macros.h"

namespace millstream::client {
namespace {

constexpr absl::Duration kBackoffMin = absl::Milliseconds(50);
constexpr absl::Duration kBackoffMax = absl::Seconds(5);
// Of who is refused: somebody has to do something first, and who tries too
// often is taken for one who guesses passwords.
constexpr absl::Duration kRefusedBackoffMin = absl::Seconds(1);
constexpr absl::Duration kRefusedBackoffMax = absl::Seconds(30);
// A server that takes and answers nothing for so long has gone.
constexpr absl::Duration kAnswerWait = absl::Seconds(60);
constexpr absl::Duration kCallWait = absl::Seconds(30);
// A stream that carries nothing is closed: a server has only so many.
constexpr absl::Duration kIdleMax = absl::Seconds(30);
constexpr absl::Duration kEndWait = absl::Seconds(1);

// Whether somebody answers, and does not let us in; or nobody who could.
bool IsRefusal(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status) ||
         absl::IsUnimplemented(status);
}

}  // namespace

Sender::Sender(LogBuffer* buffer, Connection* connection, std::string run_id,
               std::string writer_id, absl::Duration lost_wait, Tell tell)
    : buffer_(buffer),
      connection_(connection),
      run_id_(std::move(run_id)),
      writer_id_(std::move(writer_id)),
      names_([buffer](uint32_t key) -> const std::string& {
        return buffer->KeyName(key);
      }),
      backoff_(kBackoffMin),
      lost_wait_(lost_wait),
      tell_(std::move(tell)) {}

void Sender::Run() {
  while (!buffer_->stopped()) {
    const absl::Status status = Step();
    if (status.ok()) {
      buffer_->Wait(Deadline());
    } else if (!Recover(status)) {
      break;
    }
  }
  EndGently();
}

void Sender::MadeProgress() {
  progress_ = absl::Now();
  backoff_ = kBackoffMin;
  lost_.reset();
  if (!trouble_.has_value()) return;
  trouble_.reset();
  buffer_->SetTrouble(absl::OkStatus());
  if (told_ != absl::StatusCode::kOk) tell_(absl::OkStatus());
  told_ = absl::StatusCode::kOk;
}

absl::Time Sender::Deadline() const {
  absl::Time until = buffer_->ReadyAt();
  if (next_.has_value() || sent_ < frames_.size() ||
      frames_.size() >= kFramesInFlightMax) {
    // What comes from the buffer cannot go on yet.
    until = absl::InfiniteFuture();
  }
  if (stream_ == nullptr) return until;
  const bool idle = open_ && frames_.empty() && !half_closed_;
  return std::min(until, progress_ + (idle ? kIdleMax : kAnswerWait));
}

absl::Status Sender::Step() {
  RETURN_IF_ERROR(LookAtStream());
  for (bool goes_on = true; goes_on;) {
    if (sent_ == frames_.size() && !next_.has_value() &&
        frames_.size() < kFramesInFlightMax) {
      next_ = buffer_->Take();
    }
    if (sent_ == frames_.size() && !next_.has_value()) break;
    if (sent_ == frames_.size() && next_->call.has_value()) {
      if (!frames_.empty()) break;
      RETURN_IF_ERROR(MakeCall());
    } else {
      RETURN_IF_ERROR(Send(&goes_on));
    }
  }
  return absl::OkStatus();
}

absl::Status Sender::LookAtStream() {
  if (stream_ == nullptr) return absl::OkStatus();
  // Asked first: of a stream that has ended all answers are there.
  const bool ended = stream_->ended();
  if (const std::optional<uint64_t> durable = stream_->durable()) {
    if (!open_) {
      Opened(*durable);
    } else {
      TakeDurable(*durable);
    }
  }
  if (ended) {
    const bool expected = half_closed_;
    const absl::Status status = stream_->Finish();
    if (!status.ok()) return status;
    DropStream();
    return expected ? absl::OkStatus()
                    : absl::UnavailableError("the server ended the stream");
  }
  const absl::Duration silent = absl::Now() - progress_;
  if (silent < std::min(kIdleMax, kAnswerWait)) return absl::OkStatus();
  if (!open_ || half_closed_ || !frames_.empty()) {
    if (silent < kAnswerWait) return absl::OkStatus();
    return absl::UnavailableError("the server does not answer");
  }
  HalfClose();
  return absl::OkStatus();
}

absl::Status Sender::Send(bool* goes_on) {
  *goes_on = false;
  if (stream_ == nullptr) {
    OpenStream();
    return absl::OkStatus();
  }
  if (!open_ || half_closed_ || !stream_->writable()) return absl::OkStatus();
  if (sent_ == frames_.size()) {
    frames_.push_back({next_number_++, *std::exchange(next_, std::nullopt)});
  }
  const Frame& frame = frames_[sent_];
  v1::LogMetricsRequest* message = stream_->message();
  message->Clear();
  if (!encoder_.Encode(frame.number, frame.item.points, names_,
                       message->mutable_frame())) {
    // Another stream begins with an empty dictionary, and this frame.
    HalfClose();
    return absl::OkStatus();
  }
  stream_->Write();
  progress_ = absl::Now();
  ++sent_;
  *goes_on = true;
  return absl::OkStatus();
}

absl::Status Sender::MakeCall() {
  const LoggedItem& item = *next_;
  const absl::Status status = connection_->CallSerialized(
      item.call->method, item.call->request, kCallWait);
  if (!status.ok()) {
    // Not found: the run, and so all that follows.
    if (!IsFinal(status) || absl::IsNotFound(status)) return status;
    buffer_->Refused(1, status);
  }
  MadeProgress();
  buffer_->Done(item.end, item.bytes);
  next_.reset();
  return absl::OkStatus();
}

void Sender::OpenStream() {
  encoder_ = FrameEncoder();
  sent_ = 0;
  open_ = half_closed_ = false;
  progress_ = absl::Now();
  stream_ = FrameStream::Open(*connection_, run_id_, writer_id_,
                              [buffer = buffer_] { buffer->Notify(); });
  buffer_->CountStream();
}

void Sender::Opened(uint64_t durable) {
  open_ = true;
  lost_.reset();
  TakeDurable(durable);
  progress_ = absl::Now();
  if (refusal_.has_value() && !frames_.empty()) {
    // The frame after the last durable one: refused twice, it is left out.
    Frame& frame = frames_.front();
    if (frame.number == suspect_) {
      buffer_->Refused(frame.item.points.size(), *refusal_);
      FinishFrame();
      suspect_ = 0;
    } else {
      suspect_ = frame.number;
    }
  }
  refusal_.reset();
  // Usually the numbers that they have.
  next_number_ = durable + 1;
  for (Frame& frame : frames_) frame.number = next_number_++;
}

void Sender::TakeDurable(uint64_t durable) {
  while (!frames_.empty() && frames_.front().number <= durable) {
    FinishFrame();
    MadeProgress();
  }
}

void Sender::FinishFrame() {
  LoggedItem& item = frames_.front().item;
  buffer_->Done(item.end, item.bytes);
  buffer_->Recycle(std::move(item.points));
  frames_.pop_front();
  if (sent_ > 0) --sent_;
}

void Sender::HalfClose() {
  if (half_closed_ || !stream_->writable()) return;
  half_closed_ = true;
  progress_ = absl::Now();
  stream_->WritesDone();
}

void Sender::DropStream() {
  stream_.reset();
  sent_ = 0;
  open_ = half_closed_ = false;
}

bool Sender::Recover(const absl::Status& error) {
  const bool was_open = open_;
  const bool of_stream = stream_ != nullptr;
  DropStream();
  if (!buffer_->status().ok()) return false;
  if (IsFinal(error)) {
    if (was_open && !frames_.empty()) {
      // Asked for at once, so that what is behind the frame is not kept
      // waiting; if there is nothing, whoever logs next learns of it.
      refusal_ = error;
      return true;
    }
    // Of the opening of a stream, or of a call.
    const bool of_run = (of_stream && !was_open) ||
                        (absl::IsNotFound(error) && next_.has_value());
    if (of_run && GivesUp(error)) {
      buffer_->Fail(error);
      return false;
    }
  }
  WaitOut(error);
  return true;
}

bool Sender::GivesUp(const absl::Status& refusal) {
  if (!absl::IsNotFound(refusal)) return true;
  if (!lost_.has_value()) lost_ = absl::Now();
  return absl::Now() - *lost_ >= lost_wait_;
}

void Sender::WaitOut(const absl::Status& error) {
  const bool refused = IsRefusal(error);
  if (!trouble_.has_value()) trouble_ = absl::Now();
  buffer_->SetTrouble(error);
  if (told_ != error.code() &&
      (refused || absl::Now() - *trouble_ >= kTroubleWait)) {
    told_ = error.code();
    tell_(error);
  }
  if (refused) backoff_ = std::max(backoff_, kRefusedBackoffMin);
  absl::BitGen random;
  buffer_->Sleep(absl::Now() + backoff_ * absl::Uniform(random, 0.5, 1.5));
  backoff_ = std::min(backoff_ * 2, refused ? kRefusedBackoffMax : kBackoffMax);
}

void Sender::EndGently() {
  if (stream_ == nullptr) return;
  if (open_ && frames_.empty()) {
    HalfClose();
    const absl::Time until = absl::Now() + kEndWait;
    while (half_closed_ && !stream_->ended() && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  DropStream();
}

}  // namespace millstream::client
