#include "storage/rocksdb/mending_db.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "storage/rocksdb/log_guard_file_system.h"

namespace millstream::storage {

using rocksdb::BackgroundErrorReason;
using rocksdb::Status;

namespace {

// Between two attempts; it doubles from one to the next.
constexpr absl::Duration kPauseMin = absl::Milliseconds(20);
constexpr absl::Duration kPauseMax = absl::Seconds(2);

// Between two looks at what RocksDB is doing.
constexpr absl::Duration kPoll = absl::Milliseconds(2);

// A key that nobody has and that sorts before all others.
constexpr std::string_view kNoKey("\x00", 1);

bool IsHard(const Status& status) {
  return status.severity() >= Status::Severity::kHardError;
}

}  // namespace

// What is known of failures. Outlives the database, which reports to it.
class MendingDb::State {
 public:
  // Failures are counted, and it is known up to which one all is mended: so a
  // write need only compare numbers before and after.
  uint64_t failures() const { return failures_.load(); }
  bool Mended(uint64_t failures) const { return mended_.load() == failures; }
  void SetMended(uint64_t failures) { mended_.store(failures); }

  void Fail(const Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    last_ = Status(status, Status::Severity::kHardError);
    ++failures_;
  }
  Status last() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return last_;
  }

  // RocksDB has stopped writes, or is about to; Resume is what helps.
  void Stop(const Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    ++stops_;
    Fail(status);
  }
  uint64_t stops() const { return stops_.load(); }

  // A list of tables could not be extended by a compaction: files are not
  // deleted until that is undone.
  void AddBadList() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    ++bad_lists_;
  }
  int bad_lists() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return bad_lists_;
  }
  void RemoveBadLists(int count) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    bad_lists_ -= count;
  }

  void SetWritesWait(bool wait) { writes_wait_ = wait; }
  bool writes_wait() const { return writes_wait_; }

  // Waits for something to mend; false: for no longer.
  bool AwaitWork() ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || bad_lists_ > 0 || failures_ != mended_;
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&due));
    return !ended_;
  }
  // False: for no longer.
  bool Pause(absl::Duration pause) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return !mutex_.AwaitWithTimeout(absl::Condition(&ended_), pause);
  }
  void End() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  bool ended() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }

  // Set before the database is opened, which they outlive.
  std::shared_ptr<LogGuardFileSystem> logs;
  std::unique_ptr<rocksdb::Env> env;

 private:
  std::atomic<uint64_t> failures_ = 0;  // grows under mutex_
  std::atomic<uint64_t> mended_ = 0;
  std::atomic<uint64_t> stops_ = 0;
  std::atomic<bool> writes_wait_ = false;

  mutable absl::Mutex mutex_;
  Status last_ ABSL_GUARDED_BY(mutex_);
  int bad_lists_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class MendingDb::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(State* state) : state_(state) {}

  void OnBackgroundError(BackgroundErrorReason reason,
                         Status* status) override {
    // Damage stays what it is: final.
    if (!status->IsIOError()) return state_->Stop(*status);
    const bool bad_list = reason == BackgroundErrorReason::kManifestWrite;
    if ((bad_list || reason == BackgroundErrorReason::kCompaction) &&
        !state_->writes_wait()) {
      if (bad_list) state_->AddBadList();
      *status = Status::OK();
      return;
    }
    *status = Status(*status, Status::Severity::kHardError);
    state_->Stop(*status);
  }
  void OnErrorRecoveryBegin(BackgroundErrorReason, Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    state_->SetWritesWait(info.condition.cur ==
                          rocksdb::WriteStallCondition::kStopped);
  }

 private:
  State* const state_;
};

Status MendingDb::Open(rocksdb::Options options, const std::string& folder,
                       std::unique_ptr<MendingDb>* db) {
  auto state = std::make_shared<State>();
  state->logs = std::make_shared<LogGuardFileSystem>(
      options.env->GetFileSystem(), folder,
      [state = state.get()](const Status& status) { state->Fail(status); });
  state->env = rocksdb::NewCompositeEnv(state->logs);
  options.env = state->env.get();
  options.listeners = {std::make_shared<Listener>(state.get())};
  options.max_bgerror_resume_count = 0;
  rocksdb::DB* opened = nullptr;
  Status status = rocksdb::DB::Open(options, folder, &opened);
  if (!status.ok()) return status;
  std::shared_ptr<rocksdb::DB> shared(
      opened, [state](rocksdb::DB* closed) { delete closed; });
  if (state->failures() != 0) return state->last();
  db->reset(new MendingDb(std::move(shared), std::move(state)));
  return Status::OK();
}

MendingDb::MendingDb(std::shared_ptr<rocksdb::DB> db,
                     std::shared_ptr<State> state)
    : StackableDB(std::move(db)),
      state_(std::move(state)),
      thread_([this] { Run(); }) {}

MendingDb::~MendingDb() { StopMending(); }

void MendingDb::StopMending() {
  if (!thread_.joinable()) return;
  state_->End();
  thread_.join();
}

Status MendingDb::Close() {
  StopMending();
  return db_->Close();
}

Status MendingDb::Durable() const {
  return state_->Mended(state_->failures()) ? Status::OK() : state_->last();
}

template <typename Operation>
Status MendingDb::Guarded(Operation operation) {
  const uint64_t failures = state_->failures();
  if (!state_->Mended(failures)) return state_->last();
  Status status;
  {
    LogGuardFileSystem::LogScope scope;
    status = operation();
  }
  // What failed meanwhile may be the log that this is in.
  if (state_->failures() != failures) return state_->last();
  // RocksDB tells of a stop before it does stop: what came between may have
  // been taken for mended.
  if (IsHard(status)) state_->Stop(status);
  return status;
}

Status MendingDb::Write(const rocksdb::WriteOptions& options,
                        rocksdb::WriteBatch* batch) {
  return Guarded([&] { return db_->Write(options, batch); });
}

Status MendingDb::Put(const rocksdb::WriteOptions& options,
                      rocksdb::ColumnFamilyHandle* family,
                      const rocksdb::Slice& key, const rocksdb::Slice& value) {
  return Guarded([&] { return db_->Put(options, family, key, value); });
}

Status MendingDb::Delete(const rocksdb::WriteOptions& options,
                         rocksdb::ColumnFamilyHandle* family,
                         const rocksdb::Slice& key) {
  return Guarded([&] { return db_->Delete(options, family, key); });
}

Status MendingDb::SyncWAL() {
  return Guarded([&] { return db_->SyncWAL(); });
}

Status MendingDb::Flush(const rocksdb::FlushOptions& options,
                        rocksdb::ColumnFamilyHandle* family) {
  const uint64_t stops = state_->stops();
  rocksdb::FlushOptions begin = options;
  begin.wait = false;
  // That would wait for compactions, however often they fail.
  begin.allow_write_stall = true;
  while (true) {
    Status status;
    {
      absl::MutexLock lock(&resume_mutex_);
      status = Durable();
      if (status.ok()) status = db_->Flush(begin, family);
    }
    if (!options.wait) return status;
    if (status.ok()) return AwaitTables(stops);
    if (!status.IsTryAgain()) return status;
    status = WaitABit(stops);
    if (!status.ok()) return status;
  }
}

Status MendingDb::FlushAll() {
  const uint64_t stops = state_->stops();
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  Status status = db_->Flush(options, db_->DefaultColumnFamily());
  return status.ok() ? AwaitTables(stops) : status;
}

Status MendingDb::AwaitTables(uint64_t stops) {
  while (Property(rocksdb::DB::Properties::kNumImmutableMemTable) != 0) {
    Status status = WaitABit(stops);
    if (!status.ok()) return status;
  }
  return Status::OK();
}

Status MendingDb::WaitABit(uint64_t stops) {
  if (state_->stops() != stops) return state_->last();
  if (!state_->Pause(kPoll)) return Status::ShutdownInProgress();
  return Status::OK();
}

uint64_t MendingDb::Property(const std::string& name) {
  uint64_t value = 0;
  db_->GetIntProperty(name, &value);
  return value;
}

void MendingDb::Run() {
  absl::Duration pause = kPauseMin;
  uint64_t logged = 0;
  while (state_->AwaitWork() && state_->Pause(pause)) {
    const Status cause = state_->last();
    const bool refusing = !Durable().ok();
    const Status status = Mend();
    if (status.ok()) {
      pause = kPauseMin;
      if (refusing) {
        LogWarning("The metric store takes writes again; its log was replaced "
                   "after: ", cause.ToString());
      }
      logged = 0;
      continue;
    }
    if (logged++ == 0) {
      LogWarning("The metric store refuses writes until its disk takes them: ",
                 status.ToString());
    }
    pause = std::min(2 * pause, kPauseMax);
  }
}

Status MendingDb::Resume() {
  absl::MutexLock lock(&resume_mutex_);
  while (Property(rocksdb::DB::Properties::kNumRunningCompactions) != 0 ||
         Property(rocksdb::DB::Properties::kNumRunningFlushes) != 0) {
    if (!state_->Pause(kPoll)) return Status::ShutdownInProgress();
  }
  return db_->Resume();
}

Status MendingDb::Mend() {
  const uint64_t failures = state_->failures();
  const uint64_t stops = state_->stops();
  int bad_lists = state_->bad_lists();
  if (stops != resumed_) {
    Status status = Resume();
    if (!status.ok()) return status;
    resumed_ = stops;
    // It has written a new list, and lets files be deleted.
    state_->RemoveBadLists(std::exchange(bad_lists, 0));
  }
  // With nothing in memory RocksDB would keep the log and the list.
  Status status;
  if ((bad_lists > 0 || state_->logs->LogHasFailed()) &&
      Property(rocksdb::DB::Properties::kNumEntriesActiveMemTable) == 0) {
    LogGuardFileSystem::LogScope scope;
    status = db_->Delete(rocksdb::WriteOptions(),
                         rocksdb::Slice(kNoKey.data(), kNoKey.size()));
  }
  if (status.ok()) status = FlushAll();
  if (IsHard(status) && state_->stops() == stops) state_->Stop(status);
  if (!status.ok()) return status;
  if (state_->logs->LogHasFailed()) return state_->last();
  for (int i = 0; i < bad_lists; ++i) {
    db_->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
  }
  state_->RemoveBadLists(bad_lists);
  state_->SetMended(failures);
  return Status::OK();
}

}  // namespace millstream::storage
