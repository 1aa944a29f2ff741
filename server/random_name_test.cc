#include "server/random_name.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace millstream::server {
namespace {

TEST(NewRunId, IsAUuidWithoutDashes) {
  const std::regex version_4("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewRunId();
    EXPECT_TRUE(std::regex_match(id, version_4)) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(RandomRunName, IsAnAdjectiveANounAndANumber) {
  const std::regex shape("[a-z]+-[a-z]+-[0-9]{1,4}");
  for (int i = 0; i < 1000; ++i) {
    const std::string name = RandomRunName();
    EXPECT_TRUE(std::regex_match(name, shape)) << name;
    EXPECT_LE(name.size(), 20u);
  }
}

}  // namespace
}  // namespace millstream::server
