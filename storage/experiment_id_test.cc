#include "storage/experiment_id.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

TEST(ExperimentIdTest, IsADecimalNumber) {
  EXPECT_EQ(*ParseExperimentId("0"), 0);
  EXPECT_EQ(*ParseExperimentId("-1"), -1);
  EXPECT_EQ(*ParseExperimentId(" 12 "), 12);
  EXPECT_EQ(*ParseExperimentId("9223372036854775807"), INT64_MAX);
}

TEST(ExperimentIdTest, AllElseIsRefused) {
  for (const char* text :
       {"", " ", "x", "1x", "0x1", "1.0", "1e3", "9223372036854775808"}) {
    EXPECT_EQ(GetErrorCode(ParseExperimentId(text).status()),
              v1::INVALID_PARAMETER_VALUE)
        << text;
  }
}

TEST(ExperimentIdTest, RefusalsShowTheBeginningInWholeCharacters) {
  std::string text;
  while (text.size() < 10'000) text += "ü";
  const absl::Status status = ParseExperimentId(text).status();
  std::string shown;
  for (size_t i = 0; i < limits::kShownTextLengthMax; ++i) shown += "ü";
  EXPECT_EQ(GetPublicMessage(status),
            "Invalid experiment ID '" + shown +
                "': it must be a decimal number.");
}

}  // namespace
}  // namespace millstream::storage
