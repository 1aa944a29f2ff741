// What the generators of load measure.
#ifndef MILLSTREAM_BENCH_STREAM_MEASURE_H_
#define MILLSTREAM_BENCH_STREAM_MEASURE_H_

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace millstream::bench {

// User and system time of a process so far, in seconds.
inline double CpuSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  std::istringstream fields(all.substr(all.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

inline double Percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  const double last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(p * last)];
}

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_STREAM_MEASURE_H_
