// Prints the route table: "route_list routes" for testdata/routes.txt,
// "route_list coverage" for docs/api_coverage.md.
#include <cstdio>
#include <string>
#include <string_view>

#include "gateway/route_list.h"

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what != "routes" && what != "coverage") {
    std::fputs("usage: route_list routes|coverage\n", stderr);
    return 2;
  }
  const std::string text = what == "routes"
                               ? millstream::gateway::ListRoutes()
                               : millstream::gateway::ApiCoverage();
  std::fputs(text.c_str(), stdout);
  return 0;
}
