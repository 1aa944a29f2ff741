#include "server/run_feed.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::server {

using storage::HistoryLess;
using storage::MetricPoint;

namespace {

// What a series of an event costs besides its points.
constexpr size_t kEventOverheadBytes = 256;

uint64_t NewEpoch() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

RunFeed::RunFeed(ExperimentOf experiment_of, const Clock* clock,
                 const Limits& limits)
    : experiment_of_(std::move(experiment_of)),
      clock_(clock),
      limits_(limits),
      epoch_(NewEpoch()) {}

RunFeed::~RunFeed() = default;

std::string RunFeed::TopicName(const Subject& subject) {
  return StrCat(subject.points ? "p" : "c", subject.experiment ? "e" : "r",
                subject.id);
}

RunFeed::Topic* RunFeed::Find(bool points, bool experiment,
                              std::string_view id) {
  auto found = topics_.find(StrCat(points ? "p" : "c", experiment ? "e" : "r",
                                   id));
  return found == topics_.end() ? nullptr : found->second.get();
}

RunFeed::Experiment RunFeed::WatchedExperiment(std::string_view run_id) {
  if (experiment_topic_count_ == 0) return "";
  {
    absl::MutexLock lock(&mutex_);
    auto found = experiments_.find(AbslView(run_id));
    if (found != experiments_.end()) return found->second;
  }
  absl::StatusOr<std::string> experiment = experiment_of_(run_id);
  if (!experiment.ok()) {
    if (GetErrorCode(experiment.status()) == v1::RESOURCE_DOES_NOT_EXIST) {
      return "";
    }
    return std::nullopt;
  }
  absl::MutexLock lock(&mutex_);
  if (experiments_.size() >= limits_.topic_runs) experiments_.clear();
  experiments_.emplace(run_id, *experiment);
  return *std::move(experiment);
}

std::vector<RunFeed::Topic*> RunFeed::TopicsOf(bool points,
                                               std::string_view run_id,
                                               const Experiment& experiment) {
  std::vector<Topic*> topics;
  if (Topic* topic = Find(points, false, run_id)) topics.push_back(topic);
  if (experiment.has_value()) {
    if (experiment->empty()) return topics;
    if (Topic* topic = Find(points, true, *experiment)) topics.push_back(topic);
    return topics;
  }
  const std::string prefix = points ? "pe" : "ce";
  for (auto& [name, topic] : topics_) {
    if (name.starts_with(prefix)) topics.push_back(topic.get());
  }
  return topics;
}

std::vector<std::shared_ptr<const LoggedPoints>> RunFeed::Copy(
    std::string_view run_id, absl::Span<const storage::SeriesAppend> series,
    bool of_any_experiment) const {
  std::vector<std::shared_ptr<const LoggedPoints>> pieces;
  std::shared_ptr<LoggedPoints> piece;
  size_t room = 0;
  for (const storage::SeriesAppend& s : series) {
    for (auto left = s.points; !left.empty();) {
      if (room == 0) {
        piece = std::make_shared<LoggedPoints>(bytes_);
        piece->run_id = std::string(run_id);
        piece->of_any_experiment = of_any_experiment;
        pieces.push_back(piece);
        room = limits::kTailAnswerPointsMax;
      }
      const auto taken = left.subspan(0, std::min(room, left.size()));
      left.remove_prefix(taken.size());
      room -= taken.size();
      piece->series.push_back(
          {std::string(s.key), {taken.begin(), taken.end()},
           *std::min_element(taken.begin(), taken.end(),
                             storage::HistoryLess)});
      const size_t bytes = kEventOverheadBytes + s.key.size() +
                           taken.size() * sizeof(storage::MetricPoint);
      piece->bytes += bytes;
      *bytes_ += bytes;
    }
  }
  return pieces;
}

void RunFeed::PointsLogged(std::string_view run_id,
                           absl::Span<const storage::SeriesAppend> series) {
  if (topic_count_ == 0 || series.empty()) return;
  const Experiment experiment = WatchedExperiment(run_id);
  bool is_watched = false;
  {
    absl::MutexLock lock(&mutex_);
    is_watched = !TopicsOf(true, run_id, experiment).empty();
  }
  if (is_watched) {
    const auto pieces = Copy(run_id, series, !experiment.has_value());
    Wakes wakes;
    {
      absl::MutexLock lock(&mutex_);
      // Who came meanwhile reads them in the store, or here.
      const std::vector<Topic*> topics = TopicsOf(true, run_id, experiment);
      for (const auto& piece : pieces) {
        ++last_event_;
        for (Topic* topic : topics) AddPoints(topic, piece);
      }
      MakeRoom();
      for (const Topic* topic : topics) Wake(*topic, &wakes);
    }
    for (const auto& wake : wakes) wake();
  }
  RunChanged(run_id, experiment, kRunMetrics);
}

void RunFeed::RunChanged(std::string_view run_id, uint8_t parts) {
  if (topic_count_ == 0) return;
  RunChanged(run_id, WatchedExperiment(run_id), parts);
}

void RunFeed::RunChanged(std::string_view run_id, const Experiment& experiment,
                         uint8_t parts) {
  Wakes wakes;
  {
    absl::MutexLock lock(&mutex_);
    ++last_event_;
    for (Topic* topic : TopicsOf(false, run_id, experiment)) {
      AddChange(topic, run_id, parts);
      Wake(*topic, &wakes);
    }
  }
  for (const auto& wake : wakes) wake();
}

void RunFeed::ExperimentChanged(std::string_view experiment_id) {
  if (topic_count_ == 0) return;
  Wakes wakes;
  {
    absl::MutexLock lock(&mutex_);
    ++last_event_;
    for (auto& [name, topic] : topics_) {
      if (name[0] != 'c') continue;
      const std::string_view id = std::string_view(name).substr(2);
      if (name[1] == 'r') {
        // Maybe of another experiment: its watchers read the same again.
        AddChange(topic.get(), id, kRunInfo);
      } else if (id == experiment_id) {
        topic->all_changed = last_event_;
      } else {
        continue;
      }
      Wake(*topic, &wakes);
    }
  }
  for (const auto& wake : wakes) wake();
}

void RunFeed::AddPoints(Topic* topic,
                        std::shared_ptr<const LoggedPoints> points) {
  topic->bytes += points->bytes;
  topic->points.emplace_back(last_event_, std::move(points));
  while (topic->bytes > limits_.topic_bytes && topic->points.size() > 1) {
    DropOldestPoints(topic);
  }
}

void RunFeed::MakeRoom() {
  while (*bytes_ > limits_.bytes) {
    Topic* largest = nullptr;
    for (auto& [_, topic] : topics_) {
      if (topic->points.size() < 2) continue;
      if (largest == nullptr || topic->bytes > largest->bytes) {
        largest = topic.get();
      }
    }
    if (largest == nullptr) return;
    DropOldestPoints(largest);
  }
}

void RunFeed::DropOldestPoints(Topic* topic) {
  const auto& [event, points] = topic->points.front();
  for (Subscription* watcher : topic->watchers) {
    if (watcher->read_ < event) LeaveOut(*points, watcher);
  }
  topic->held_after = event;
  topic->bytes -= points->bytes;
  topic->points.pop_front();
}

void RunFeed::LeaveOut(const LoggedPoints& points, Subscription* watcher) {
  auto lower = [](const MetricPoint& point, MetricPoint* least) {
    if (HistoryLess(point, *least)) *least = point;
  };
  for (const LoggedPoints::Series& series : points.series) {
    if (watcher->all_left_out_.has_value()) {
      lower(series.least, &*watcher->all_left_out_);
      continue;
    }
    auto [run, run_is_new] = watcher->left_out_.try_emplace(points.run_id);
    if (run_is_new) watcher->left_out_runs_.push_back(points.run_id);
    auto [least, is_new] = run->second.try_emplace(series.key, series.least);
    if (!is_new) {
      lower(series.least, &least->second);
    } else if (++watcher->left_out_series_ > limits_.left_out_series) {
      MetricPoint all = series.least;
      for (const auto& [_, of_run] : watcher->left_out_) {
        for (const auto& [_, point] : of_run) lower(point, &all);
      }
      watcher->all_left_out_ = all;
      watcher->left_out_.clear();
      watcher->left_out_runs_.clear();
      watcher->left_out_series_ = 0;
    }
  }
}

void RunFeed::AddChange(Topic* topic, std::string_view run_id, uint8_t parts) {
  auto [found, is_new] = topic->changes.try_emplace(std::string(run_id));
  Change& change = found->second;
  if (!is_new) topic->order.erase(change.last);
  for (int i = 0; i < kParts; ++i) {
    if ((parts >> i & 1) != 0) change.parts[i] = last_event_;
  }
  change.last = last_event_;
  topic->order.emplace(last_event_, found->first);
  if (topic->changes.size() <= limits_.topic_runs) return;
  const auto oldest = topic->order.begin();
  topic->held_after = oldest->first;
  topic->changes.erase(oldest->second);
  topic->order.erase(oldest);
}

void RunFeed::Wake(const Topic& topic, Wakes* wakes) {
  for (const Subscription* watcher : topic.watchers) {
    wakes->push_back(watcher->wake_);
  }
}

void RunFeed::Drop(Topics::iterator topic) {
  --topic_count_;
  if (topic->first[1] == 'e') --experiment_topic_count_;
  topics_.erase(topic);
}

void RunFeed::DropIdleTopics() {
  // Those that are kept only in case somebody comes back go first when there
  // are too many.
  const bool all = topics_.size() >= limits_.topics;
  for (auto it = topics_.begin(); it != topics_.end();) {
    auto topic = it++;
    if (IsOver(*topic->second) || (all && topic->second->watchers.empty())) {
      Drop(topic);
    }
  }
}

bool RunFeed::IsOver(const Topic& topic) const {
  return topic.watchers.empty() &&
         clock_->NowMs() - topic.idle_since_ms > limits::kFeedIdleMsMax;
}

std::vector<RunFeed::Subject> RunFeed::Watched() const {
  std::vector<Subject> subjects;
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, topic] : topics_) {
    if (IsOver(*topic)) continue;
    subjects.push_back({.points = name[0] == 'p',
                        .experiment = name[1] == 'e',
                        .id = name.substr(2)});
  }
  return subjects;
}

void RunFeed::PointsElsewhere(
    const Subject& subject, std::string_view run_id,
    absl::Span<const std::pair<std::string, MetricPoint>> series) {
  if (series.empty()) return;
  auto points = std::make_shared<LoggedPoints>(bytes_);
  points->run_id = std::string(run_id);
  points->elsewhere = true;
  for (const auto& [key, least] : series) {
    points->series.push_back({key, {}, least});
    points->bytes += kEventOverheadBytes + key.size();
  }
  *bytes_ += points->bytes;
  Wakes wakes;
  {
    absl::MutexLock lock(&mutex_);
    Topic* topic = Find(true, subject.experiment, subject.id);
    if (topic == nullptr) return;
    ++last_event_;
    AddPoints(topic, std::move(points));
    MakeRoom();
    Wake(*topic, &wakes);
  }
  for (const auto& wake : wakes) wake();
}

absl::StatusOr<std::unique_ptr<RunFeed::Subscription>> RunFeed::Subscribe(
    const Subject& subject, std::string_view position,
    std::function<void()> wake) {
  uint64_t from = 0;
  if (!position.empty()) {
    ASSIGN_OR_RETURN(from, ParsePosition(position));
  }
  std::unique_ptr<Subscription> watcher(new Subscription);
  watcher->topic_ = TopicName(subject);
  watcher->wake_ = std::move(wake);
  absl::MutexLock lock(&mutex_);
  auto found = topics_.find(watcher->topic_);
  // What other servers did since then is not in it.
  if (found != topics_.end() && IsOver(*found->second)) {
    Drop(found);
    found = topics_.end();
  }
  if (found == topics_.end()) {
    DropIdleTopics();
    if (topics_.size() >= limits_.topics) {
      return MakeError(v1::RESOURCE_EXHAUSTED,
                       StrCat("The server has ", limits_.topics,
                              " runs and experiments watched and takes no "
                              "more; try again later."));
    }
    found = topics_.emplace(watcher->topic_, std::make_unique<Topic>()).first;
    ++topic_count_;
    if (subject.experiment) ++experiment_topic_count_;
    // No position that was given out before is held here.
    found->second->held_after = ++last_event_;
  }
  Topic* topic = found->second.get();
  topic->watchers.insert(watcher.get());
  watcher->feed_ = this;
  watcher->resumed_ = from >= topic->held_after && from <= last_event_;
  watcher->read_ = watcher->resumed_ ? from : last_event_;
  watcher->floor_ = watcher->read_;
  return watcher;
}

RunFeed::Subscription::~Subscription() {
  if (feed_ == nullptr) return;
  absl::MutexLock lock(&feed_->mutex_);
  Topic* topic = feed_->topics_.find(topic_)->second.get();
  topic->watchers.erase(this);
  topic->idle_since_ms = feed_->clock_->NowMs();
}

std::string RunFeed::Subscription::position() {
  absl::MutexLock lock(&feed_->mutex_);
  if (topic_[0] == 'p' && !HasLeftOut()) floor_ = read_;
  return feed_->PositionOf(floor_);
}

bool RunFeed::Subscription::has_left_out() const {
  absl::MutexLock lock(&feed_->mutex_);
  return HasLeftOut();
}

void RunFeed::Subscription::ReadPoints(
    size_t points_max,
    std::vector<std::shared_ptr<const LoggedPoints>>* points) {
  absl::MutexLock lock(&feed_->mutex_);
  const Topic& topic = *feed_->topics_.find(topic_)->second;
  // What was dropped is noted as left out.
  read_ = std::max(read_, topic.held_after);
  auto next = std::upper_bound(
      topic.points.begin(), topic.points.end(), read_,
      [](uint64_t event, const auto& held) { return event < held.first; });
  size_t count = 0;
  for (; next != topic.points.end() && count < points_max; ++next) {
    if (next->second->elsewhere) {
      feed_->LeaveOut(*next->second, this);
      read_ = next->first;
      continue;
    }
    for (const auto& series : next->second->series) {
      count += series.points.size();
    }
    points->push_back(next->second);
    read_ = next->first;
  }
  if (next == topic.points.end()) read_ = feed_->last_event_;
}

bool RunFeed::Subscription::ReadLeftOut(LeftOut* left_out) {
  absl::MutexLock lock(&feed_->mutex_);
  reads_left_out_ = true;
  *left_out = {};
  if (all_left_out_.has_value()) {
    left_out->all = true;
    left_out->least = *std::exchange(all_left_out_, std::nullopt);
    return true;
  }
  while (!left_out_runs_.empty()) {
    left_out->run_id = std::move(left_out_runs_.front());
    left_out_runs_.pop_front();
    auto run = left_out_.find(left_out->run_id);
    if (run == left_out_.end()) continue;
    left_out->series = std::move(run->second);
    left_out_.erase(run);
    left_out_series_ -= left_out->series.size();
    return true;
  }
  reads_left_out_ = false;
  return false;
}

void RunFeed::Subscription::WillRead(std::string_view run_id,
                                     std::string_view key,
                                     const MetricPoint* after) {
  absl::MutexLock lock(&feed_->mutex_);
  auto run = left_out_.find(AbslView(run_id));
  if (run == left_out_.end()) return;
  auto series = run->second.find(AbslView(key));
  if (series == run->second.end() ||
      (after != nullptr && HistoryLess(series->second, *after))) {
    return;
  }
  run->second.erase(series);
  --left_out_series_;
  if (!run->second.empty()) return;
  left_out_.erase(run);
  std::erase(left_out_runs_, run_id);
}

void RunFeed::Subscription::ReadChanges(
    size_t runs_max, std::vector<std::pair<std::string, uint8_t>>* runs,
    bool* all) {
  absl::MutexLock lock(&feed_->mutex_);
  const Topic& topic = *feed_->topics_.find(topic_)->second;
  // What is not held any more may be of any run.
  *all = topic.all_changed > read_ || topic.held_after > read_;
  if (*all) {
    read_ = floor_ = feed_->last_event_;
    return;
  }
  auto next = topic.order.upper_bound(read_);
  for (; next != topic.order.end() && runs->size() < runs_max; ++next) {
    const Change& change = topic.changes.find(next->second)->second;
    uint8_t parts = 0;
    for (int i = 0; i < kParts; ++i) {
      if (change.parts[i] > floor_) parts |= 1 << i;
    }
    runs->emplace_back(next->second, parts);
    read_ = next->first;
  }
  // A run that changed again has moved to the end with all that it changed
  // since the floor; so that stays until the end is reached.
  if (next == topic.order.end()) read_ = floor_ = feed_->last_event_;
}

std::string RunFeed::PositionOf(uint64_t event) const {
  return StrCat(absl::Hex(epoch_, absl::kZeroPad16), ".", event);
}

absl::StatusOr<uint64_t> RunFeed::ParsePosition(
    std::string_view position) const {
  const std::string epoch = StrCat(absl::Hex(epoch_, absl::kZeroPad16), ".");
  uint64_t event = 0;
  if (position.size() <= epoch.size() || position[epoch.size() - 1] != '.' ||
      !absl::SimpleAtoi(AbslView(position.substr(epoch.size())), &event)) {
    return InvalidParameter(
        "'position' is none that an answer has given; send one, or none.");
  }
  // Another server's: not known here.
  return position.starts_with(epoch) ? event : 0;
}

}  // namespace millstream::server
