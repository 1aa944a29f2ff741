#include "storage/rocksdb/curves.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace millstream::storage {
namespace {

constexpr int64_t kBeginMs = 1700000000000;

// A number that looks random, of i and what it is for: SplitMix64.
uint64_t Mix(int64_t i, uint64_t purpose) {
  uint64_t z = static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15 +
               purpose * 0xD1B54A32D192ED03;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Between 0 and 1.
double Uniform(int64_t i, uint64_t purpose) {
  return static_cast<double>(Mix(i, purpose) >> 11) * 0x1p-53;
}

double Normal(int64_t i, uint64_t purpose) {
  return std::sqrt(-2 * std::log(1 - Uniform(i, purpose))) *
         std::cos(2 * std::numbers::pi * Uniform(i, purpose + 1));
}

// A step takes a quarter of a second, give or take some ms; now and then
// (checkpoints, evaluation) much longer.
int64_t TimeOf(int64_t i) {
  const int64_t pauses = i / 500;
  const auto jitter = static_cast<int64_t>(std::lround(4 * Normal(i, 1)));
  return kBeginMs + 250 * i + 30000 * pauses +
         std::clamp<int64_t>(jitter, -100, 100);
}

template <typename Value>
void Make(int64_t begin, int64_t end, int64_t stride, Value value,
          std::vector<MetricPoint>* points) {
  for (int64_t i = begin; i < end; ++i) {
    points->push_back({TimeOf(i), stride * i, value(i)});
  }
}

double LossAt(int64_t i) {
  return 0.3 + 2.0 / (1 + 0.001 * static_cast<double>(i));
}

void FloatLoss(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) -> double {
    return static_cast<float>(LossAt(i) * (1 + 0.08 * Normal(i, 3)));
  }, points);
}

void DoubleLoss(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    return LossAt(i) * (1 + 0.08 * Normal(i, 3));
  }, points);
}

// A loss in bfloat16, every 10th step.
void HalfLoss(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 10, [](int64_t i) -> double {
    const auto loss =
        static_cast<float>(LossAt(i) * (1 + 0.08 * Normal(i, 3)));
    return std::bit_cast<float>(std::bit_cast<uint32_t>(loss) & 0xFFFF0000);
  }, points);
}

void RoundedAccuracy(int64_t begin, int64_t end,
                     std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    const double accuracy = 1 - 0.7 / (1 + 0.0005 * static_cast<double>(i));
    return std::round(1e4 * (accuracy + 0.01 * Normal(i, 3))) / 1e4;
  }, points);
}

// Mean of right answers in batches of 128.
void BatchAccuracy(int64_t begin, int64_t end,
                   std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    const double accuracy = 1 - 0.7 / (1 + 0.0005 * static_cast<double>(i));
    return std::clamp(
        std::round(128 * accuracy + 4 * Normal(i, 3)) / 128, 0.0, 1.0);
  }, points);
}

void TokenCounter(int64_t begin, int64_t end,
                  std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    return static_cast<double>(65536 * i - static_cast<int64_t>(
                                               Mix(i, 3) % 700));
  }, points);
}

void Epoch(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) { return std::floor(i / 500.0); }, points);
}

void CosineRate(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    if (i < 1000) return 3e-4 * static_cast<double>(i) / 1000;
    const double turn = static_cast<double>((i - 1000) % 100000) / 100000;
    return 3e-5 + 0.5 * (3e-4 - 3e-5) * (1 + std::cos(std::numbers::pi * turn));
  }, points);
}

void StepRate(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) {
    return 0.1 * std::pow(0.94, static_cast<double>(i / 500));
  }, points);
}

void Constant(int64_t begin, int64_t end, std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t) { return 0.9; }, points);
}

// Percent of CPU with one digit, each 10 s, without steps.
void SystemPercent(int64_t begin, int64_t end,
                   std::vector<MetricPoint>* points) {
  for (int64_t i = begin; i < end; ++i) {
    const double load = 62 + 15 * std::sin(0.01 * static_cast<double>(i)) +
                        6 * Normal(i, 3);
    points->push_back({kBeginMs + 10000 * i +
                           static_cast<int64_t>(Mix(i, 5) % 4),
                       0, std::round(10 * std::clamp(load, 0.0, 100.0)) / 10});
  }
}

// Megabytes in use with one digit: still, with some moves.
void SystemMemory(int64_t begin, int64_t end,
                  std::vector<MetricPoint>* points) {
  for (int64_t i = begin; i < end; ++i) {
    const double used = 14000 + 900 * std::floor(Uniform(i / 64, 3) * 8) +
                        Normal(i, 7) * 2;
    points->push_back({kBeginMs + 10000 * i +
                           static_cast<int64_t>(Mix(i, 5) % 4),
                       i, std::round(10 * used) / 10});
  }
}

// Norms of gradients: float, over decades, with spikes and some NaN.
void GradientNorm(int64_t begin, int64_t end,
                  std::vector<MetricPoint>* points) {
  Make(begin, end, 1, [](int64_t i) -> double {
    if (Mix(i, 9) % 2000 == 0) return NAN;
    const double spike = Mix(i, 11) % 300 == 0 ? 40 : 1;
    return static_cast<float>(spike * std::exp(0.4 * Normal(i, 3)));
  }, points);
}

constexpr Curve kCurves[] = {
    {"float_loss", &FloatLoss},
    {"double_loss", &DoubleLoss},
    {"half_loss", &HalfLoss},
    {"rounded_accuracy", &RoundedAccuracy},
    {"batch_accuracy", &BatchAccuracy},
    {"token_counter", &TokenCounter},
    {"epoch", &Epoch},
    {"cosine_rate", &CosineRate},
    {"step_rate", &StepRate},
    {"constant", &Constant},
    {"system_percent", &SystemPercent},
    {"system_memory", &SystemMemory},
    {"gradient_norm", &GradientNorm},
};

}  // namespace

absl::Span<const Curve> RealisticCurves() { return kCurves; }

}  // namespace millstream::storage
