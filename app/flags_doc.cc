// Prints docs/flags.md.
#include <cstdio>

#include "app/flags.h"

int main() {
  std::fputs(millstream::app::FlagsAsMarkdown().c_str(), stdout);
  return 0;
}
