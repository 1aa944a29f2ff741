#include "bench/load/response_parser.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace millstream::bench {

namespace {

constexpr size_t kMaxHeadBytes = 64 * 1024;
constexpr size_t kMaxChunkLineBytes = 1024;

}  // namespace

void ResponseParser::Reset(bool keep_body) {
  phase_ = Phase::kHead;
  keep_body_ = keep_body;
  close_ = false;
  started_ = false;
  status_ = 0;
  left_ = 0;
  body_bytes_ = 0;
  line_.clear();
  body_.clear();
}

ResponseParser::State ResponseParser::Feed(absl::string_view bytes) {
  while (!bytes.empty()) {
    started_ = true;
    State state = State::kBroken;
    switch (phase_) {
      case Phase::kHead:
        state = FeedHead(&bytes);
        break;
      case Phase::kLength:
      case Phase::kChunk:
        state = FeedBody(&bytes);
        break;
      default:
        state = FeedChunkLine(&bytes);
        break;
    }
    // Nothing is pipelined, so bytes after an answer are a broken server.
    if (state == State::kDone && !bytes.empty()) return State::kBroken;
    if (state != State::kNeedMore) return state;
  }
  return State::kNeedMore;
}

ResponseParser::State ResponseParser::FeedHead(absl::string_view* bytes) {
  size_t seen = line_.size();
  line_.append(bytes->data(), bytes->size());
  size_t end = line_.find("\r\n\r\n", seen < 3 ? 0 : seen - 3);
  if (end == std::string::npos) {
    *bytes = {};
    return line_.size() > kMaxHeadBytes ? State::kBroken : State::kNeedMore;
  }
  bytes->remove_prefix(end + 4 - seen);
  if (!ReadHead(absl::string_view(line_).substr(0, end + 2))) {
    return State::kBroken;
  }
  line_.clear();
  if (phase_ == Phase::kLength && left_ == 0) return State::kDone;
  if (keep_body_ && phase_ == Phase::kLength) body_.reserve(left_);
  return State::kNeedMore;
}

bool ResponseParser::ReadHead(absl::string_view head) {
  if (!absl::StartsWith(head, "HTTP/1.1 ") || head.size() < 12) return false;
  if (!absl::SimpleAtoi(head.substr(9, 3), &status_)) return false;
  bool has_length = false;
  phase_ = Phase::kLength;
  size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    size_t end = head.find("\r\n", at);
    absl::string_view line = head.substr(at, end - at);
    at = end + 2;
    size_t colon = line.find(':');
    if (colon == absl::string_view::npos) return false;
    absl::string_view name = line.substr(0, colon);
    absl::string_view value =
        absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (absl::EqualsIgnoreCase(name, "content-length")) {
      if (!absl::SimpleAtoi(value, &left_)) return false;
      has_length = true;
    } else if (absl::EqualsIgnoreCase(name, "transfer-encoding")) {
      if (!absl::EqualsIgnoreCase(value, "chunked")) return false;
      phase_ = Phase::kChunkSize;
    } else if (absl::EqualsIgnoreCase(name, "connection")) {
      close_ = absl::EqualsIgnoreCase(value, "close");
    }
  }
  return has_length || phase_ == Phase::kChunkSize || status_ == 204 ||
         status_ == 304;
}

void ResponseParser::Take(absl::string_view bytes) {
  body_bytes_ += bytes.size();
  if (keep_body_) body_.append(bytes.data(), bytes.size());
}

ResponseParser::State ResponseParser::FeedBody(absl::string_view* bytes) {
  size_t n = std::min(left_, bytes->size());
  Take(bytes->substr(0, n));
  bytes->remove_prefix(n);
  left_ -= n;
  if (left_ > 0) return State::kNeedMore;
  if (phase_ == Phase::kLength) return State::kDone;
  phase_ = Phase::kChunkEnd;
  return State::kNeedMore;
}

ResponseParser::State ResponseParser::FeedChunkLine(absl::string_view* bytes) {
  size_t newline = bytes->find('\n');
  if (newline == absl::string_view::npos) {
    line_.append(bytes->data(), bytes->size());
    *bytes = {};
    return line_.size() > kMaxChunkLineBytes ? State::kBroken
                                             : State::kNeedMore;
  }
  line_.append(bytes->data(), newline);
  bytes->remove_prefix(newline + 1);
  if (absl::EndsWith(line_, "\r")) line_.pop_back();
  std::string line;
  line.swap(line_);
  if (phase_ == Phase::kTrailer) {
    return line.empty() ? State::kDone : State::kNeedMore;
  }
  if (phase_ == Phase::kChunkEnd) {
    phase_ = Phase::kChunkSize;
    return line.empty() ? State::kNeedMore : State::kBroken;
  }
  const char* end = line.data() + line.size();
  auto [rest, error] = std::from_chars(line.data(), end, left_, 16);
  if (error != std::errc() || (rest != end && *rest != ';')) {
    return State::kBroken;
  }
  phase_ = left_ == 0 ? Phase::kTrailer : Phase::kChunk;
  return State::kNeedMore;
}

}  // namespace millstream::bench
