#include "monitoring/monitor.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"

namespace millstream::monitoring {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MonitorTest, ShowsWhatIsCounted) {
  Monitor monitor("1.2");
  prometheus::BuildCounter()
      .Name("things_total")
      .Help("Things.")
      .Register(monitor.registry())
      .Add({{"kind", "small"}})
      .Increment(3);
  const std::string text = monitor.Text();
  EXPECT_THAT(text, HasSubstr("# HELP things_total Things.\n"
                              "# TYPE things_total counter\n"
                              "things_total{kind=\"small\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("millstream_build_info{version=\"1.2\"} 1\n"));
}

TEST(MonitorTest, ReadsWhenAsked) {
  Monitor monitor("");
  double level = 1;
  monitor.AddReadings([&](Readings* readings) {
    readings->push_back({.name = "level", .help = "L.", .value = level});
  });
  EXPECT_THAT(monitor.Text(), HasSubstr("# TYPE level gauge\nlevel 1\n"));
  level = 2;
  EXPECT_THAT(monitor.Text(), HasSubstr("\nlevel 2\n"));
  monitor.StopReading();
  EXPECT_THAT(monitor.Text(), Not(HasSubstr("level")));
}

TEST(MonitorTest, ReadingsOfOneNameAreOneFamily) {
  Monitor monitor("");
  monitor.AddReadings([](Readings* readings) {
    for (const std::string_view side : {"left", "right"}) {
      readings->push_back({.name = "sides_total",
                           .help = "S.",
                           .kind = Reading::Kind::kCounter,
                           .value = 1,
                           .label_name = "side",
                           .label_value = side});
    }
  });
  EXPECT_THAT(monitor.Text(), HasSubstr("# TYPE sides_total counter\n"
                                        "sides_total{side=\"left\"} 1\n"
                                        "sides_total{side=\"right\"} 1\n"));
}

TEST(MonitorTest, TellsOfTheProcess) {
  const std::string text = Monitor("").Text();
  for (const std::string_view name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_start_time_seconds",
        "process_open_fds", "process_max_fds"}) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(name) + " "));
  }
}

}  // namespace
}  // namespace millstream::monitoring
