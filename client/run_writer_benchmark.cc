// What Log costs the thread that trains: the append, while nothing is taken
// out, and with a thread that takes as fast as it can.
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/str_cat.h"
#include "benchmark/benchmark.h"
#include "client/log_buffer.h"

namespace millstream::client {
namespace {

constexpr int kKeys = 16;

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  for (int i = 0; i < kKeys; ++i) {
    keys.push_back(StrCat("train/layer", i, "/gradient_norm"));
  }
  return keys;
}

// Takes what is logged, as Sender does.
class Drain {
 public:
  explicit Drain(LogBuffer* buffer)
      : buffer_(buffer), thread_([this] { Run(); }) {}
  ~Drain() {
    buffer_->Stop();
    thread_.join();
  }

 private:
  void Run() {
    while (!buffer_->stopped()) {
      while (auto item = buffer_->Take()) {
        buffer_->Done(item->end, item->bytes);
        buffer_->Recycle(std::move(item->points));
      }
      buffer_->Wait(buffer_->ReadyAt());
    }
  }

  LogBuffer* const buffer_;
  std::thread thread_;
};

void BM_Log(benchmark::State& state) {
  LogBuffer buffer{WriterOptions()};
  const std::vector<std::string> keys = Keys();
  Drain drain(&buffer);
  int64_t step = 0;
  for (auto _ : state) {
    const int64_t now = absl::ToUnixMillis(absl::Now());
    benchmark::DoNotOptimize(
        buffer.AddPoint(keys[step % kKeys], 1.0, step, now));
    ++step;
  }
}
BENCHMARK(BM_Log);

// As a trainer does: some metrics, then a pause.
void BM_LogPaced(benchmark::State& state) {
  LogBuffer buffer{WriterOptions()};
  const std::vector<std::string> keys = Keys();
  Drain drain(&buffer);
  int64_t step = 0;
  for (auto _ : state) {
    state.PauseTiming();
    absl::SleepFor(absl::Microseconds(500));
    state.ResumeTiming();
    for (const std::string& key : keys) {
      const int64_t now = absl::ToUnixMillis(absl::Now());
      benchmark::DoNotOptimize(buffer.AddPoint(key, 1.0, step, now));
    }
    ++step;
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(BM_LogPaced);

void BM_LogFromThreads(benchmark::State& state) {
  static LogBuffer* buffer = nullptr;
  static Drain* drain = nullptr;
  if (state.thread_index() == 0) {
    buffer = new LogBuffer(WriterOptions());
    drain = new Drain(buffer);
  }
  const std::vector<std::string> keys = Keys();
  int64_t step = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        buffer->AddPoint(keys[step % kKeys], 1.0, step, 1));
    ++step;
  }
  if (state.thread_index() == 0) {
    delete drain;
    delete buffer;
  }
}
BENCHMARK(BM_LogFromThreads)->Threads(4)->UseRealTime();

}  // namespace
}  // namespace millstream::client
