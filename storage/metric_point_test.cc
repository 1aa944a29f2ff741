#include "storage/metric_point.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kDenormal = std::numeric_limits<double>::denorm_min();

const double kAscending[] = {
    -kInfinity, -kMax, -1.5,        -kDenormal, -0.0, 0.0,
    std::nan(""), kDenormal, 1.5, kMax,       kInfinity,
};

TEST(MetricPointTest, ValuesHaveATotalOrder) {
  for (size_t i = 1; i < std::size(kAscending); ++i) {
    EXPECT_LT(ValueOrder(kAscending[i - 1]), ValueOrder(kAscending[i])) << i;
  }
}

TEST(MetricPointTest, OrderOfAValueGivesTheValueBack) {
  for (double value : kAscending) {
    const double back = ValueOfOrder(ValueOrder(value));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(back));
    } else {
      EXPECT_EQ(std::bit_cast<uint64_t>(back), std::bit_cast<uint64_t>(value));
    }
  }
}

TEST(MetricPointTest, AllNaNsAreOneValue) {
  EXPECT_EQ(ValueOrder(std::nan("")), ValueOrder(-std::nan("7")));
}

TEST(MetricPointTest, HistoryGoesByTimeFirstAndStepsByStep) {
  const MetricPoint early{1, 9, 0};
  const MetricPoint late{2, 3, 0};
  EXPECT_TRUE(HistoryLess(early, late));
  EXPECT_TRUE(StepLess(late, early));
  EXPECT_TRUE(HistoryLess({1, 1, 1}, {1, 1, 2}));
  EXPECT_TRUE(SamePoint({1, 1, std::nan("")}, {1, 1, std::nan("")}));
  EXPECT_FALSE(SamePoint({1, 1, 0.0}, {1, 1, -0.0}));
}

}  // namespace
}  // namespace millstream::storage
