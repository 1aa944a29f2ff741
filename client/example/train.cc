// Fits a line to noisy points by gradient descent, and logs how it goes.
//
//   train [host:port of the server's gRPC door]
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/run_writer.h"

namespace {

using millstream::client::RunStatus;
using millstream::client::RunWriter;

constexpr int64_t kSteps = 2000;
constexpr double kRate = 0.05;
constexpr double kSlope = 3, kOffset = -1, kNoise = 0.1;

struct Line {
  double slope = 0;
  double offset = 0;
};

// One step of descent; returns the loss.
double Learn(std::mt19937& random, Line* line) {
  constexpr int kBatch = 32;
  std::uniform_real_distribution<double> inputs(-1, 1);
  std::normal_distribution<double> noise(0, kNoise);
  double loss = 0, slope_gradient = 0, offset_gradient = 0;
  for (int i = 0; i < kBatch; ++i) {
    const double x = inputs(random);
    const double y = kSlope * x + kOffset + noise(random);
    const double error = line->slope * x + line->offset - y;
    loss += error * error / kBatch;
    slope_gradient += 2 * error * x / kBatch;
    offset_gradient += 2 * error / kBatch;
  }
  line->slope -= kRate * slope_gradient;
  line->offset -= kRate * offset_gradient;
  return loss;
}

absl::Status Train(const std::string& address) {
  absl::StatusOr<std::unique_ptr<RunWriter>> opened = RunWriter::Create(
      {.address = address}, {.experiment = "line",
                             .tags = {{"model", "linear"}},
                             .params = {{"rate", std::to_string(kRate)}}});
  if (!opened.ok()) return opened.status();
  RunWriter& writer = **opened;

  std::mt19937 random(1);
  Line line;
  for (int64_t step = 0; step < kSteps; ++step) {
    const double loss = Learn(random, &line);
    // Of one metric the outcome is looked at: should the server not want this
    // run any more, there is no use in going on.
    absl::Status logged = writer.Log("loss", loss, step);
    if (!logged.ok()) return logged;
    writer.Log("slope", line.slope, step).IgnoreError();
    writer.Log("offset", line.offset, step).IgnoreError();
  }
  absl::Status finished = writer.Finish(RunStatus::kFinished, absl::Minutes(1));
  if (finished.ok()) std::printf("%s\n", writer.run_id().c_str());
  return finished;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Train(argc > 1 ? argv[1] : "localhost:5001");
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
