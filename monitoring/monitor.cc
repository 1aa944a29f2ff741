#include "monitoring/monitor.h"

#include <sstream>
#include <utility>

#include "monitoring/process_readings.h"
#include "prometheus/client_metric.h"
#include "prometheus/gauge.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace millstream::monitoring {
namespace {

prometheus::MetricFamily& FamilyOf(
    const Reading& reading, std::vector<prometheus::MetricFamily>* families) {
  for (prometheus::MetricFamily& family : *families) {
    if (family.name == reading.name) return family;
  }
  prometheus::MetricFamily& family = families->emplace_back();
  family.name = std::string(reading.name);
  family.help = std::string(reading.help);
  family.type = reading.kind == Reading::Kind::kCounter
                    ? prometheus::MetricType::Counter
                    : prometheus::MetricType::Gauge;
  return family;
}

void Append(const Reading& reading,
            std::vector<prometheus::MetricFamily>* families) {
  prometheus::MetricFamily& family = FamilyOf(reading, families);
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  if (!reading.label_name.empty()) {
    metric.label.push_back(
        {std::string(reading.label_name), std::string(reading.label_value)});
  }
  if (reading.kind == Reading::Kind::kCounter) {
    metric.counter.value = reading.value;
  } else {
    metric.gauge.value = reading.value;
  }
}

}  // namespace

const std::vector<double>& CallSeconds() {
  static const auto* const kBounds = new std::vector<double>{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.075,  0.1,     0.25,   0.5,   0.75,   1.0,   2.5,  5.0,   7.5,
      10.0};
  return *kBounds;
}

Monitor::Monitor(const std::string& version)
    : registry_(std::make_unique<prometheus::Registry>()) {
  prometheus::BuildGauge()
      .Name("millstream_build_info")
      .Help("1, with the version of this program.")
      .Register(*registry_)
      .Add({{"version", version}})
      .Set(1);
  AddReadings(ReadProcess);
}

Monitor::~Monitor() = default;

void Monitor::AddReadings(std::function<void(Readings*)> read) {
  absl::MutexLock lock(&mutex_);
  sources_.push_back(std::move(read));
}

void Monitor::StopReading() {
  absl::MutexLock lock(&mutex_);
  sources_.clear();
}

std::string Monitor::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  Readings readings;
  {
    // Held while they read, so that StopReading() means it.
    absl::MutexLock lock(&mutex_);
    for (const auto& read : sources_) read(&readings);
  }
  for (const Reading& reading : readings) Append(reading, &families);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace millstream::monitoring
