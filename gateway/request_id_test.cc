#include "gateway/request_id.h"

#include <set>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

std::string IdFor(std::string_view given) {
  RequestHead head;
  head.headers.emplace_back("X-Request-ID", given);
  return RequestIdOf(head);
}

TEST(RequestIdTest, KeepsTheOneThatCame) {
  EXPECT_EQ(IdFor("Root=1-67891233-abcdef012345678912345678"),
            "Root=1-67891233-abcdef012345678912345678");
  const std::string longest(limits::kRequestIdLengthMax, 'x');
  EXPECT_EQ(IdFor(longest), longest);
}

TEST(RequestIdTest, ReplacesWhatDoesNotBelongIntoALog) {
  for (const std::string& given :
       {std::string(), std::string("a b"), std::string("a\x1b[31m"),
        std::string(limits::kRequestIdLengthMax + 1, 'x')}) {
    EXPECT_NE(IdFor(given), given);
    EXPECT_EQ(IdFor(given).size(), 16u);
  }
}

TEST(RequestIdTest, MakesOneForEachRequestThatHasNone) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(RequestIdOf(RequestHead()));
  EXPECT_EQ(ids.size(), 1000u);
}

}  // namespace
}  // namespace millstream::gateway
