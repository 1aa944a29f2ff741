#include "server/history_token.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

TEST(HistoryTokenTest, PointsComeBack) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  for (const storage::MetricPoint& point :
       {storage::MetricPoint{1, 2, 3.5}, {kMin, -1, NAN}, {0, 0, 0}}) {
    auto back = DecodeHistoryToken(EncodeHistoryToken(kRun, "m", point), kRun,
                                   "m");
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(storage::SamePoint(*back, point));
  }
}

TEST(HistoryTokenTest, IsBoundToRunAndMetric) {
  const std::string token = EncodeHistoryToken(kRun, "m", {1, 2, 3});
  EXPECT_FALSE(DecodeHistoryToken(token, kRun, "n").ok());
  EXPECT_FALSE(DecodeHistoryToken(token, "other", "m").ok());
  EXPECT_FALSE(DecodeHistoryToken(EncodeHistoryToken("ab", "c", {1, 2, 3}),
                                  "a", "bc")
                   .ok());
}

TEST(HistoryTokenTest, EveryChangeIsRefused) {
  const std::string token = EncodeHistoryToken(kRun, "m", {1, 2, 3});
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    auto decoded = DecodeHistoryToken(changed, kRun, "m");
    ASSERT_FALSE(decoded.ok()) << i;
    EXPECT_EQ(GetErrorCode(decoded.status()), v1::INVALID_PARAMETER_VALUE);
    EXPECT_FALSE(DecodeHistoryToken(token.substr(0, i), kRun, "m").ok());
  }
  EXPECT_FALSE(DecodeHistoryToken(token + token, kRun, "m").ok());
  EXPECT_FALSE(DecodeHistoryToken("bogus", kRun, "m").ok());
}

}  // namespace
}  // namespace millstream::server
