#include "server/run_feed.h"

#include <algorithm>
#include <random>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

// What an event costs besides its points.
constexpr size_t kEventOverheadBytes = 256;

uint64_t NewEpoch() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

absl::Status FellBehind(std::string_view position) {
  return MakeError(
      v1::RESOURCE_EXHAUSTED,
      StrCat("The caller reads too slowly: what comes next is not held any "
             "more. Go on from position '",
             position, "'; what is stored is sent again then."));
}

std::shared_ptr<const LoggedPoints> Copy(
    std::string_view run_id, absl::Span<const storage::SeriesAppend> series) {
  auto points = std::make_shared<LoggedPoints>();
  points->run_id = std::string(run_id);
  points->bytes = kEventOverheadBytes;
  for (const storage::SeriesAppend& s : series) {
    if (s.points.empty()) continue;
    points->series.emplace_back(
        std::string(s.key),
        std::vector<storage::MetricPoint>(s.points.begin(), s.points.end()));
    points->bytes +=
        s.key.size() + s.points.size() * sizeof(storage::MetricPoint);
  }
  return points;
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

std::string RunFeed::WatchedExperiment(std::string_view run_id) {
  if (experiment_topic_count_ == 0) return "";
  {
    absl::MutexLock lock(&mutex_);
    auto found = experiments_.find(AbslView(run_id));
    if (found != experiments_.end()) return found->second;
  }
  absl::StatusOr<std::string> experiment = experiment_of_(run_id);
  if (!experiment.ok()) return "";
  absl::MutexLock lock(&mutex_);
  if (experiments_.size() >= limits_.topic_runs) experiments_.clear();
  experiments_.emplace(run_id, *experiment);
  return *experiment;
}

void RunFeed::PointsLogged(std::string_view run_id,
                           absl::Span<const storage::SeriesAppend> series) {
  if (topic_count_ == 0 || series.empty()) return;
  const std::string experiment = WatchedExperiment(run_id);
  std::shared_ptr<const LoggedPoints> points;
  Wakes wakes;
  {
    absl::MutexLock lock(&mutex_);
    Topic* const of_run = Find(true, false, run_id);
    Topic* const of_experiment =
        experiment.empty() ? nullptr : Find(true, true, experiment);
    ++last_event_;
    for (Topic* topic : {of_run, of_experiment}) {
      if (topic == nullptr) continue;
      if (points == nullptr) points = Copy(run_id, series);
      AddPoints(topic, points);
      Wake(*topic, &wakes);
    }
  }
  for (const auto& wake : wakes) wake();
  RunChanged(run_id, kRunMetrics);
}

void RunFeed::RunChanged(std::string_view run_id, uint8_t parts) {
  if (topic_count_ == 0) return;
  const std::string experiment = WatchedExperiment(run_id);
  Wakes wakes;
  {
    absl::MutexLock lock(&mutex_);
    Topic* const of_run = Find(false, false, run_id);
    Topic* const of_experiment =
        experiment.empty() ? nullptr : Find(false, true, experiment);
    ++last_event_;
    for (Topic* topic : {of_run, of_experiment}) {
      if (topic == nullptr) continue;
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
  bytes_ += points->bytes;
  topic->points.emplace_back(last_event_, std::move(points));
  while (topic->bytes > limits_.topic_bytes) DropOldestPoints(topic);
  while (bytes_ > limits_.bytes) {
    auto largest = std::max_element(
        topics_.begin(), topics_.end(), [](const auto& a, const auto& b) {
          return a.second->bytes < b.second->bytes;
        });
    DropOldestPoints(largest->second.get());
  }
}

void RunFeed::DropOldestPoints(Topic* topic) {
  const auto& [event, points] = topic->points.front();
  topic->held_after = event;
  topic->bytes -= points->bytes;
  bytes_ -= points->bytes;
  topic->points.pop_front();
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
  bytes_ -= topic->second->bytes;
  --topic_count_;
  if (topic->first[1] == 'e') --experiment_topic_count_;
  topics_.erase(topic);
}

void RunFeed::DropIdleTopics() {
  const int64_t now_ms = clock_->NowMs();
  // Those that are kept only in case somebody comes back go first when there
  // are too many.
  const bool all = topics_.size() >= limits_.topics;
  for (auto it = topics_.begin(); it != topics_.end();) {
    auto topic = it++;
    if (topic->second->watchers.empty() &&
        (all || now_ms - topic->second->idle_since_ms >
                    limits::kFeedIdleMsMax)) {
      Drop(topic);
    }
  }
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

std::string RunFeed::Subscription::position() const {
  return feed_->PositionOf(floor_);
}

absl::Status RunFeed::Subscription::ReadPoints(
    size_t points_max,
    std::vector<std::shared_ptr<const LoggedPoints>>* points) {
  absl::MutexLock lock(&feed_->mutex_);
  const Topic& topic = *feed_->topics_.find(topic_)->second;
  if (read_ < topic.held_after) return FellBehind(position());
  auto next = std::upper_bound(
      topic.points.begin(), topic.points.end(), read_,
      [](uint64_t event, const auto& held) { return event < held.first; });
  size_t count = 0;
  for (; next != topic.points.end() && count < points_max; ++next) {
    for (const auto& [_, series] : next->second->series) count += series.size();
    points->push_back(next->second);
    read_ = next->first;
  }
  if (next == topic.points.end()) read_ = feed_->last_event_;
  floor_ = read_;
  return absl::OkStatus();
}

absl::Status RunFeed::Subscription::ReadChanges(
    size_t runs_max, std::vector<std::pair<std::string, uint8_t>>* runs,
    bool* all) {
  absl::MutexLock lock(&feed_->mutex_);
  const Topic& topic = *feed_->topics_.find(topic_)->second;
  if (read_ < topic.held_after) return FellBehind(position());
  *all = topic.all_changed > read_;
  if (*all) {
    read_ = floor_ = feed_->last_event_;
    return absl::OkStatus();
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
  return absl::OkStatus();
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
