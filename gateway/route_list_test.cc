#include "gateway/route_list.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(RouteList, RoutesAreThoseOfTheGoldenFile) {
  EXPECT_EQ(ListRoutes(), Read("gateway/testdata/routes.txt"))
      << "If the change is meant: bazel run //gateway:route_list -- routes "
         "> gateway/testdata/routes.txt";
}

TEST(RouteList, ApiCoverageIsCurrent) {
  EXPECT_EQ(ApiCoverage(), Read("docs/api_coverage.md"))
      << "bazel run //gateway:route_list -- coverage > docs/api_coverage.md";
}

}  // namespace
}  // namespace millstream::gateway
