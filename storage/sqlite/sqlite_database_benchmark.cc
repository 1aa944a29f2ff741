// What a write and a read of a run's rows cost: the group commit, the schema's
// keys and indexes, prepared statements. Threads share one database, as the
// server's do; real time waits for the disk, CPU is the figure to read.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/str_cat.h"
#include "benchmark/benchmark.h"
#include "storage/sql/run_writes.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage::sqlite {
namespace {

constexpr int kParams = 20;
constexpr int kTags = 10;
constexpr int kMetrics = 20;
// A run and what it logs at once.
constexpr int kRows = 1 + kParams + kTags + kMetrics;

void Must(const absl::Status& status) {
  if (!status.ok()) std::abort();
}

// A database in a folder of its own.
class Store {
 public:
  explicit Store(Durability durability) {
    folder_ = std::filesystem::temp_directory_path() /
              StrCat("millstream_sqlite_benchmark_", getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    database_ =
        *SqliteDatabase::Open(folder_ / "db", {.durability = durability});
    Must(database_->Write([](sql::Transaction& transaction) {
      return transaction.Execute(
          "INSERT OR IGNORE INTO experiments (experiment_id, name, "
          "lifecycle_stage, creation_time, last_update_time) "
          "VALUES (1, 'x', 'active', 0, 0)");
    }));
  }
  ~Store() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  SqliteDatabase* operator->() { return database_.get(); }

  std::atomic<int> runs = 0;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<SqliteDatabase> database_;
};

// Run ids come in no order, as they do in a server.
std::string RunId(int number) {
  std::string id = StrCat(static_cast<uint32_t>(number) * 2654435761u, "-",
                          number);
  id.resize(32, 'f');
  return id;
}

absl::Status WriteRun(sql::Transaction& transaction, int number) {
  const std::string run = RunId(number);
  const sql::RunRef ref{run, 1, number};
  Must(transaction.Execute(
      "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, "
      "artifact_uri, experiment_id) VALUES (?, ?, 'RUNNING', ?, 'active', ?, "
      "1)",
      run, "run", number, "mlflow-artifacts:/1/artifacts"));
  for (int i = 0; i < kParams; ++i) {
    Must(sql::WriteParam(transaction, ref, StrCat("param", i), "value"));
  }
  for (int i = 0; i < kTags; ++i) {
    Must(sql::AddTag(transaction, ref, StrCat("tag", i), "value"));
  }
  for (int i = 0; i < kMetrics; ++i) {
    Must(transaction.Execute(
        "INSERT INTO latest_metrics (run_uuid, \"key\", value, \"timestamp\", "
        "step, is_nan, experiment_id, start_time) "
        "VALUES (?, ?, ?, ?, ?, 0, 1, ?)",
        run, StrCat("metric", i), number * 0.1, number, i, number));
  }
  return absl::OkStatus();
}

// range(0): whether each commit is forced to the disk.
void BM_WriteRun(benchmark::State& state) {
  static Store* store = nullptr;
  if (state.thread_index() == 0) {
    store = new Store(state.range(0) != 0 ? Durability::kMachine
                                          : Durability::kProcess);
  }
  for (auto _ : state) {
    const int number = store->runs++;
    Must((*store)->Write([number](sql::Transaction& transaction) {
      return WriteRun(transaction, number);
    }));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  if (state.thread_index() == 0) delete store;
}
BENCHMARK(BM_WriteRun)
    ->Arg(0)
    ->Arg(1)
    ->Threads(1)
    ->Threads(8)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond);

// The smallest write there is: one row, as set-tag.
void BM_WriteTag(benchmark::State& state) {
  static Store* store = nullptr;
  if (state.thread_index() == 0) {
    store = new Store(state.range(0) != 0 ? Durability::kMachine
                                          : Durability::kProcess);
    Must((*store)->Write([](sql::Transaction& transaction) {
      return WriteRun(transaction, 0);
    }));
  }
  const std::string key = StrCat("tag", state.thread_index());
  for (auto _ : state) {
    const std::string value = StrCat(store->runs++);
    Must((*store)->Write([&](sql::Transaction& transaction) {
      const std::string run = RunId(0);
      return sql::WriteTag(transaction, {run, 1, 0}, key, value);
    }));
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) delete store;
}
BENCHMARK(BM_WriteTag)
    ->Arg(0)
    ->Arg(1)
    ->Threads(1)
    ->Threads(8)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond);

size_t ReadRows(sql::Connection& connection, std::string_view table,
                const std::string& run) {
  absl::StatusOr<sql::StatementPtr> rows = connection.Query(
      StrCat("SELECT \"key\", value FROM ", table, " WHERE run_uuid = ?"),
      run);
  Must(rows.status());
  size_t bytes = 0;
  while (*(*rows)->Step()) {
    bytes += (*rows)->Text(0).size() + (*rows)->Text(1).size();
  }
  return bytes;
}

// All rows of one of 10,000 runs.
void BM_ReadRun(benchmark::State& state) {
  static Store* store = nullptr;
  constexpr int kRuns = 10000;
  if (state.thread_index() == 0) {
    store = new Store(Durability::kProcess);
    Must((*store)->Write([](sql::Transaction& transaction) {
      for (int i = 0; i < kRuns; ++i) Must(WriteRun(transaction, i));
      return absl::OkStatus();
    }));
  }
  int number = state.thread_index();
  for (auto _ : state) {
    number = (number + 7919) % kRuns;
    const std::string run = RunId(number);
    Must((*store)->Read([&](sql::Connection& connection) {
      size_t bytes = ReadRows(connection, "params", run) +
                     ReadRows(connection, "tags", run) +
                     ReadRows(connection, "latest_metrics", run);
      benchmark::DoNotOptimize(bytes);
      return absl::OkStatus();
    }));
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) delete store;
}
BENCHMARK(BM_ReadRun)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace millstream::storage::sqlite
