#include "app/backup/backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "app/backup/check.h"
#include "app/backup/door.h"
#include "app/backup/restore.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/data_directory.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/sql_run_log.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/forced_files.h"
#include "storage/testing/temp_dir.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;
using storage::Durability;
using storage::MetricPoint;
using storage::SeriesAppend;
using ::testing::HasSubstr;

constexpr int kWriters = 4;
constexpr int kBackups = 6;

std::string RunOf(int writer) {
  return std::string(31, 'a') + static_cast<char>('0' + writer);
}

// The stores of a server, and its door for backups.
class Server {
 public:
  explicit Server(const std::string& folder) : folder_(folder) {
    lock_ = *storage::DataDirectory::Open(folder);
    database_ = *storage::sqlite::SqliteDatabase::Open(
        folder + "/millstream.db", {.durability = Durability::kProcess});
    metrics_ = *storage::OpenRocksDbMetricStore(folder + "/metrics");
    runs_ = std::make_unique<storage::ActiveRuns>(database_.get());
    latest_ = std::make_unique<storage::LatestMetrics>(database_.get(),
                                                       metrics_.get());
    log_ = std::make_unique<storage::SqlRunLog>(
        database_.get(), metrics_.get(), runs_.get(), latest_.get(),
        storage::SqlRunLog::Options{
            .durability = Durability::kProcess,
            .flush_interval = absl::Milliseconds(5)});
    EXPECT_TRUE(log_->Recover().ok());
    OpenDoor(BackupDoor::kHoldMax);
  }

  void OpenDoor(absl::Duration hold_max) {
    door_.reset();
    door_ = BackupDoor::Open(
        database_.get(), metrics_.get(),
        {.data_dir = folder_, .artifacts = "", .hold_max = hold_max});
    ASSERT_NE(door_, nullptr);
  }

  void AddRun(const std::string& run_id) {
    const auto added =
        database_->Write([&](storage::sql::Transaction& transaction) {
          absl::Status status = transaction.Execute(
              "INSERT INTO experiments (experiment_id, name, lifecycle_stage, "
              "creation_time, last_update_time) "
              "VALUES (0, 'Default', 'active', 0, 0) ON CONFLICT DO NOTHING");
          status.Update(transaction.Execute(
              "INSERT INTO runs (run_uuid, status, lifecycle_stage, "
              "experiment_id) VALUES (?, 'RUNNING', 'active', 0)",
              run_id));
          return status;
        });
    ASSERT_TRUE(added.ok()) << added;
  }

  // Batch `number` of a run: a point of each of two metrics, and a param if the
  // number is even.
  absl::Status LogBatch(const std::string& run_id, int64_t number) {
    const MetricPoint point{1000 + number, number, 0.5};
    const SeriesAppend series[] = {{"m", {&point, 1}}, {"n", {&point, 1}}};
    google::protobuf::RepeatedPtrField<v1::Param> params;
    if (number % 2 == 0) {
      v1::Param* const param = params.Add();
      param->set_key("p" + std::to_string(number));
      param->set_value("x");
    }
    return log_->Log({.run_id = run_id, .metrics = series, .params = &params});
  }

  absl::Status LogPoint(const std::string& run_id, int64_t step) {
    const MetricPoint point{1000 + step, step, 0.5};
    const SeriesAppend series[] = {{"m", {&point, 1}}};
    return log_->Log({.run_id = run_id, .metrics = series});
  }

  std::set<int64_t> Steps(const std::string& run_id, const std::string& key) {
    std::vector<MetricPoint> points;
    EXPECT_TRUE(
        metrics_->ReadHistory(run_id, key, nullptr, 1'000'000, &points).ok());
    std::set<int64_t> steps;
    for (const MetricPoint& point : points) steps.insert(point.step);
    return steps;
  }

  std::set<int64_t> Params(const std::string& run_id) {
    std::set<int64_t> numbers;
    const auto read = database_->Read([&](storage::sql::Connection& reader) {
      auto row = reader.Query("SELECT \"key\" FROM params WHERE run_uuid = ?",
                              run_id);
      absl::Status status = row.status();
      while (status.ok()) {
        const auto found = (*row)->Step();
        status = found.status();
        if (!found.ok() || !*found) break;
        numbers.insert(std::stoll(std::string((*row)->Text(0).substr(1))));
      }
      return status;
    });
    EXPECT_TRUE(read.ok()) << read;
    return numbers;
  }

 private:
  const std::string folder_;
  std::unique_ptr<storage::DataDirectory> lock_;
  std::unique_ptr<storage::sql::Database> database_;
  std::unique_ptr<storage::RocksDbMetricStore> metrics_;
  std::unique_ptr<storage::ActiveRuns> runs_;
  std::unique_ptr<storage::LatestMetrics> latest_;
  std::unique_ptr<storage::SqlRunLog> log_;
  std::unique_ptr<BackupDoor> door_;
};

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() : data_(dir_.path() + "/data") {}

  std::string PathOf(const std::string& name) const {
    return dir_.path() + "/" + name;
  }

  // A folder with one run of ten batches and an artifact, of no server.
  void Fill() {
    Server server(data_);
    server.AddRun(RunOf(0));
    for (int64_t i = 0; i < 10; ++i) {
      ASSERT_TRUE(server.LogBatch(RunOf(0), i).ok());
    }
    WriteFile("artifacts/0/model.bin", std::string(5000, 'm'));
    WriteFile("artifacts/.artifact.uploading.staging/file-1", "half");
    WriteFile("artifacts/.artifact.uploading.staging/mpu-1/part-1", "part");
  }

  void WriteFile(const std::string& name, const std::string& bytes) {
    const fs::path path = fs::path(data_) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << bytes;
  }

  absl::Status Backup(const std::string& name) {
    return MakeBackup(data_, PathOf(name), Liveness::Always());
  }
  absl::Status Restore(const std::string& from, const std::string& to) {
    return RestoreBackup(PathOf(from), PathOf(to), Liveness::Always());
  }

  static int Faults(const std::string& folder) {
    const auto faults = CheckDataFolder(folder, Liveness::Always());
    EXPECT_TRUE(faults.ok()) << faults.status();
    return faults.value_or(-1);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  void Sql(const std::string& script) {
    auto database = storage::sqlite::SqliteConnection::Open(
        data_ + "/millstream.db", {});
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE((*database)->ExecuteScript("PRAGMA foreign_keys = OFF").ok());
    const absl::Status done = (*database)->ExecuteScript(script);
    ASSERT_TRUE(done.ok()) << done;
  }

  const storage::testing::TempDir dir_;
  const std::string data_;
};

// Writers of a server, each counting what was acknowledged.
class Writers {
 public:
  explicit Writers(Server* server) {
    for (int i = 0; i < kWriters; ++i) {
      server->AddRun(RunOf(i));
      threads_.emplace_back([this, server, i] {
        while (!stop_) {
          if (!server->LogBatch(RunOf(i), done_[i]).ok()) ++failed_;
          ++done_[i];
        }
      });
    }
  }
  ~Writers() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::vector<int64_t> done() const { return {done_, done_ + kWriters}; }
  int64_t least() const {
    return *std::min_element(done_, done_ + kWriters);
  }
  int failed() const { return failed_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> failed_{0};
  std::atomic<int64_t> done_[kWriters] = {};
  std::vector<std::thread> threads_;
};

TEST_F(BackupTest, WhileWritersWriteHasEachBatchWholeAndAllBeforeIt) {
  auto server = std::make_unique<Server>(data_);
  Writers writers(server.get());
  for (int round = 0; round < kBackups; ++round) {
    while (writers.least() < 20 * (round + 1)) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    const std::vector<int64_t> before = writers.done();
    const std::string name = "backup" + std::to_string(round);
    const absl::Status made = Backup(name);
    ASSERT_TRUE(made.ok()) << made;
    EXPECT_EQ(Faults(PathOf(name)), 0);
    const std::string restored = "restored" + std::to_string(round);
    const absl::Status back = Restore(name, restored);
    ASSERT_TRUE(back.ok()) << back;
    Server copy(PathOf(restored));
    for (int i = 0; i < kWriters; ++i) {
      const std::set<int64_t> steps = copy.Steps(RunOf(i), "m");
      EXPECT_EQ(steps, copy.Steps(RunOf(i), "n"));
      ASSERT_GE(static_cast<int64_t>(steps.size()), before[i]);
      EXPECT_EQ(*steps.rbegin() + 1, static_cast<int64_t>(steps.size()));
      const std::set<int64_t> params = copy.Params(RunOf(i));
      for (int64_t number = 0; number <= *steps.rbegin(); ++number) {
        EXPECT_EQ(params.contains(number), number % 2 == 0) << number;
      }
      EXPECT_EQ(params.size(), (steps.size() + 1) / 2);
    }
  }
  writers.Stop();
  EXPECT_EQ(writers.failed(), 0);
  server.reset();
  EXPECT_EQ(Faults(data_), 0);
}

TEST_F(BackupTest, OfNoServerIsRestoredByteForByte) {
  Fill();
  ASSERT_TRUE(Backup("backup").ok());
  ASSERT_TRUE(Restore("backup", "restored").ok());
  EXPECT_EQ(Faults(PathOf("restored")), 0);
  EXPECT_TRUE(fs::exists(PathOf("restored/artifacts/"
                                ".artifact.uploading.staging/mpu-1/part-1")));
  EXPECT_FALSE(fs::exists(PathOf("restored/artifacts/"
                                 ".artifact.uploading.staging/file-1")));
  EXPECT_EQ(fs::file_size(PathOf("restored/artifacts/0/model.bin")), 5000u);
  Server copy(PathOf("restored"));
  EXPECT_EQ(copy.Steps(RunOf(0), "m").size(), 10u);
  EXPECT_EQ(copy.Params(RunOf(0)).size(), 5u);
  struct stat folder;
  ASSERT_EQ(stat(PathOf("restored").c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700);
}

TEST_F(BackupTest, OutlivesAPowerCut) {
  Fill();
  ASSERT_TRUE(Backup("backup").ok());
  ASSERT_TRUE(Restore("backup", "restored").ok());
  fs::create_directories(PathOf("volume"));
  ASSERT_TRUE(Backup("volume").ok());
  // The third was there.
  for (const char* made : {"backup", "restored"}) {
    EXPECT_TRUE(storage::IsForced(PathOf(made))) << made;
  }
  for (const char* made : {"backup", "restored", "volume"}) {
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(PathOf(made))) {
      EXPECT_TRUE(storage::IsForced(entry.path())) << entry.path();
      ++files;
    }
    EXPECT_GT(files, 5) << made;
  }
}

TEST_F(BackupTest, WritesOverNothingAndLeavesNothing) {
  Fill();
  fs::create_directories(PathOf("full/x"));
  EXPECT_THAT(std::string(Backup("full").message()),
              HasSubstr("is there already"));
  EXPECT_FALSE(Backup("data/inside").ok());
  ASSERT_TRUE(Backup("backup").ok());
  EXPECT_FALSE(Restore("backup", "full").ok());
  EXPECT_FALSE(Restore("backup", "data").ok());
  EXPECT_FALSE(
      MakeBackup(PathOf("none"), PathOf("x"), Liveness::Always()).ok());
  EXPECT_THAT(Names(),
              ::testing::UnorderedElementsAre("data", "full", "backup"));
  // What a killed command left is in nobody's way.
  fs::create_directories(PathOf("new.unfinished/half"));
  EXPECT_TRUE(Restore("backup", "new").ok());
  EXPECT_EQ(Faults(PathOf("new")), 0);
  EXPECT_FALSE(fs::exists(PathOf("new.unfinished")));
}

TEST_F(BackupTest, IsMadeInAFolderThatIsThereAndEmpty) {
  Fill();
  for (const char* volume : {"backup", "restored"}) {
    fs::create_directories(PathOf(volume) + "/lost+found");
    // As root of a volume it could not be given another name.
    ASSERT_EQ(chmod(PathOf(volume).c_str(), 0755), 0);
  }
  fs::create_directory_symlink(PathOf("backup"), PathOf("link"));
  struct stat before, after;
  ASSERT_EQ(stat(PathOf("backup").c_str(), &before), 0);
  const absl::Status made = Backup("link");
  ASSERT_TRUE(made.ok()) << made;
  EXPECT_EQ(Faults(PathOf("backup")), 0);
  ASSERT_EQ(stat(PathOf("backup").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mode & 0777, 0700);
  const absl::Status restored = Restore("backup", "restored");
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(Faults(PathOf("restored")), 0);
  EXPECT_TRUE(fs::exists(PathOf("restored/lost+found")));
  EXPECT_EQ(fs::file_size(PathOf("restored/artifacts/0/model.bin")), 5000u);
  EXPECT_THAT(Names(), ::testing::UnorderedElementsAre("data", "backup", "link",
                                                       "restored"));
}

TEST_F(BackupTest, ThatDidNotEndIsNoneAndIsMadeAnew) {
  Fill();
  ASSERT_TRUE(Backup("backup").ok());
  // All that a copy has, whole, but for being finished.
  fs::copy(PathOf("backup"), PathOf("half"), fs::copy_options::recursive);
  std::ofstream(PathOf("half/millstream.unfinished")).close();
  const auto is_refused = [](const absl::Status& status) {
    EXPECT_THAT(std::string(status.message()), HasSubstr("half a copy"));
  };
  is_refused(Restore("half", "new"));
  is_refused(CheckDataFolder(PathOf("half"), Liveness::Always()).status());
  is_refused(storage::DataDirectory::Open(PathOf("half")).status());
  is_refused(MakeBackup(PathOf("half"), PathOf("new"), Liveness::Always()));
  fs::remove(PathOf("half/manifest"));
  fs::resize_file(PathOf("half/millstream.db"), 10);
  std::ofstream(PathOf("half/artifacts/0/other")) << "of another backup";
  const absl::Status again = Backup("half");
  ASSERT_TRUE(again.ok()) << again;
  EXPECT_EQ(Faults(PathOf("half")), 0);
  EXPECT_FALSE(fs::exists(PathOf("half/artifacts/0/other")));
  EXPECT_FALSE(fs::exists(PathOf("half/millstream.unfinished")));
}

TEST_F(BackupTest, TakesNothingAwayThatNoCopyHas) {
  Fill();
  for (const char* other : {"LOCK", "letter.txt"}) {
    fs::create_directories(PathOf("half"));
    std::ofstream(PathOf("half/millstream.unfinished")).close();
    std::ofstream(PathOf("half/millstream.db")).close();
    std::ofstream(PathOf("half/") + other).close();
    EXPECT_THAT(std::string(Backup("half").message()), HasSubstr(other));
    EXPECT_TRUE(fs::exists(PathOf("half/millstream.db")));
    fs::remove_all(PathOf("half"));
  }
}

TEST_F(BackupTest, ThatIsDamagedOrHalfIsNotRestored) {
  Fill();
  ASSERT_TRUE(Backup("backup").ok());
  const std::string file = PathOf("backup/artifacts/0/model.bin");
  const auto refusal = [&] {
    const absl::Status status = Restore("backup", "restored");
    EXPECT_FALSE(fs::exists(PathOf("restored")));
    EXPECT_FALSE(fs::exists(PathOf("restored.unfinished")));
    return std::string(status.message());
  };
  std::fstream(file, std::ios::in | std::ios::out) << "M";
  EXPECT_THAT(refusal(), HasSubstr("other bytes"));
  fs::resize_file(file, 4999);
  EXPECT_THAT(refusal(), HasSubstr("another size"));
  fs::remove(file);
  EXPECT_THAT(refusal(), HasSubstr("is not there"));
  fs::remove(PathOf("backup/manifest"));
  EXPECT_THAT(refusal(), HasSubstr("not finished"));
}

TEST_F(BackupTest, CheckReadsEachFileOfABackup) {
  Fill();
  ASSERT_TRUE(Backup("backup").ok());
  const std::string folder = PathOf("backup");
  const std::string file = folder + "/artifacts/0/model.bin";
  // What is beside the backup's files is none of its.
  std::ofstream(folder + "/artifacts/0/more") << "x";
  EXPECT_EQ(Faults(folder), 0);
  std::fstream(file, std::ios::in | std::ios::out) << "M";
  EXPECT_EQ(Faults(folder), 1);
  fs::resize_file(file, 4999);
  EXPECT_EQ(Faults(folder), 1);
  fs::remove(file);
  EXPECT_EQ(Faults(folder), 1);
  fs::resize_file(folder + "/manifest",
                  fs::file_size(folder + "/manifest") - 1);
  EXPECT_EQ(Faults(folder), 1);
}

TEST_F(BackupTest, StopsWhenItIsAskedTo) {
  Fill();
  class Stopped final : public Liveness {
   public:
    absl::Status Alive() const override {
      return absl::CancelledError("asked to stop");
    }
  };
  EXPECT_TRUE(absl::IsCancelled(MakeBackup(data_, PathOf("b"), Stopped())));
  EXPECT_THAT(Names(), ::testing::ElementsAre("data"));
  fs::create_directories(PathOf("b"));
  ASSERT_EQ(chmod(PathOf("b").c_str(), 0750), 0);
  EXPECT_TRUE(absl::IsCancelled(MakeBackup(data_, PathOf("b"), Stopped())));
  EXPECT_TRUE(fs::is_empty(PathOf("b")));
  EXPECT_EQ(fs::status(PathOf("b")).permissions(), fs::perms{0750});
}

TEST_F(BackupTest, DoorIsItsOwnersAndServesOneAtATime) {
  Server server(data_);
  server.AddRun(RunOf(0));
  struct stat door;
  ASSERT_EQ(stat((data_ + "/" + kDoorName).c_str(), &door), 0);
  EXPECT_EQ(door.st_mode & 0777, 0600);
  const auto nothing = [] { return absl::OkStatus(); };
  auto first = DoorVisit::Begin(data_, Liveness::Always(), nothing);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(fs::exists(data_ + "/.backup/metrics/CURRENT"));
  EXPECT_THAT(std::string(Backup("second").message()), HasSubstr("under way"));
  // Writers do not wait for the visit's end.
  EXPECT_TRUE(server.LogBatch(RunOf(0), 0).ok());
  first->reset();
  while (fs::exists(data_ + "/.backup")) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(Backup("second").ok());
}

TEST_F(BackupTest, NothingIsCommittedBetweenTheMomentsOfBothStores) {
  Server server(data_);
  server.AddRun(RunOf(0));
  ASSERT_TRUE(server.LogBatch(RunOf(0), 0).ok());
  std::atomic<bool> committed{false};
  std::thread writer;
  const auto visit = DoorVisit::Begin(data_, Liveness::Always(), [&] {
    writer = std::thread([&] {
      EXPECT_TRUE(server.LogBatch(RunOf(0), 2).ok());
      committed = true;
    });
    // Metrics alone do not wait.
    EXPECT_TRUE(server.LogPoint(RunOf(0), 1).ok());
    // Many times what a commit takes.
    const absl::Time end = absl::Now() + absl::Milliseconds(200);
    while (!committed && absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_FALSE(committed);
    return absl::OkStatus();
  });
  writer.join();
  EXPECT_TRUE(visit.ok()) << visit.status();
  EXPECT_TRUE(committed);
  EXPECT_GE((*visit)->held(), absl::Milliseconds(200));
}

TEST_F(BackupTest, WritersWaitNoLongerForACommandThatIsStuck) {
  Server server(data_);
  server.AddRun(RunOf(0));
  server.OpenDoor(absl::Milliseconds(20));
  const auto visit = DoorVisit::Begin(data_, Liveness::Always(), [&] {
    // Ends once the server goes on without us.
    return server.LogBatch(RunOf(0), 0);
  });
  EXPECT_THAT(std::string(visit.status().message()), HasSubstr("too long"));
}

TEST_F(BackupTest, CheckWantsTheFolderForItself) {
  Server server(data_);
  const auto faults = CheckDataFolder(data_, Liveness::Always());
  EXPECT_TRUE(absl::IsUnavailable(faults.status()));
  EXPECT_THAT(std::string(faults.status().message()),
              HasSubstr("millstream backup"));
}

TEST_F(BackupTest, CheckFindsWhatTheStoresDisagreeOn) {
  Fill();
  ASSERT_EQ(Faults(data_), 0);
  Sql("UPDATE latest_metrics SET step = 100 WHERE \"key\" = 'm'");
  EXPECT_EQ(Faults(data_), 1);
  Sql("UPDATE latest_metrics SET step = 1 WHERE \"key\" = 'm'");
  EXPECT_EQ(Faults(data_), 1);
  Sql("DELETE FROM latest_metrics WHERE \"key\" = 'm'");
  EXPECT_EQ(Faults(data_), 1);
  Sql("UPDATE latest_metrics SET \"key\" = 'gone'");
  EXPECT_EQ(Faults(data_), 3);
}

TEST_F(BackupTest, CheckFindsPointsOfNoRunAndRunsWithoutPoints) {
  Fill();
  Sql("DELETE FROM latest_metrics; DELETE FROM params; DELETE FROM runs");
  EXPECT_EQ(Faults(data_), 1);
  fs::remove_all(data_ + "/metrics");
  EXPECT_EQ(Faults(data_), 1);
}

TEST_F(BackupTest, CheckFindsRowsThatCannotBe) {
  Fill();
  Sql("INSERT INTO metric_outbox (run_uuid, points) VALUES ('x', x'07')");
  EXPECT_EQ(Faults(data_), 1);
  Sql("DELETE FROM metric_outbox;"
      "UPDATE runs SET artifact_uri = 'mlflow-artifacts:/0/../../etc'");
  EXPECT_EQ(Faults(data_), 1);
  Sql("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/0/a/artifacts';"
      "UPDATE runs SET experiment_id = 77");
  EXPECT_EQ(Faults(data_), 1);
}

TEST_F(BackupTest, CheckFindsADamagedPage) {
  Fill();
  Sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::fstream file(data_ + "/millstream.db", std::ios::in | std::ios::out);
  file.seekp(4096 * 3);
  file << std::string(4096, '\x7f');
  file.close();
  EXPECT_GT(Faults(data_), 0);
}

}  // namespace
}  // namespace millstream::app
