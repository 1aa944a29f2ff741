#include "storage/rocksdb/packer.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/series_packer.h"

namespace millstream::storage {
namespace {

// The keys reach the disk: do not change.
constexpr std::string_view kLooseMarkPrefix("\x00\x03", 2);
// There while a full packing is under way; its value is the key prefix of the
// last run that is done.
constexpr std::string_view kFullPackingKey("\x00\x05", 2);

// Where run prefixes begin.
const char* const kFirstRun = "\x01";

// As nice(1) has it: well behind what answers requests.
constexpr int kNiceness = 10;

// Deleted records that reads may have to pass over, once packing has had
// nothing to do for so long. While it has, memory fills up and is written
// anyway.
constexpr size_t kDeletedMax = 4096;
constexpr absl::Duration kDropPause = absl::Seconds(1);

// Waited for after a failure, before anything else is tried.
constexpr absl::Duration kFailurePause = absl::Seconds(1);

bool ParseLooseMark(std::string_view key, std::string* run_id,
                    uint64_t* number) {
  key.remove_prefix(kLooseMarkPrefix.size());
  if (!ConsumeRunPrefix(&key, run_id) || key.size() != kHashBytes) return false;
  *number = ParseHash(key);
  return true;
}

}  // namespace

std::string LooseMarkKey(std::string_view run_id, uint64_t number) {
  std::string key(kLooseMarkPrefix);
  AppendRunPrefix(run_id, &key);
  AppendHash(number, &key);
  return key;
}

void RequestFullPacking(rocksdb::WriteBatch* batch) {
  batch->Put(ToSlice(kFullPackingKey), rocksdb::Slice());
}

Packer::~Packer() { Stop(); }

absl::Status Packer::Recover() {
  std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions()));
  std::string run_id;
  uint64_t number;
  for (it->Seek(ToSlice(kLooseMarkPrefix));
       it->Valid() && View(it->key()).starts_with(kLooseMarkPrefix);
       it->Next()) {
    if (!ParseLooseMark(View(it->key()), &run_id, &number)) {
      return absl::DataLossError("malformed key of a mark");
    }
    runs_->AddMarked(run_id, number);
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  it->Seek(ToSlice(kFullPackingKey));
  absl::MutexLock lock(&mutex_);
  full_ = it->Valid() && View(it->key()) == kFullPackingKey;
  return FromRocksDb(it->status());
}

void Packer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Packer::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  runs_->Wake();
  thread_.join();
}

void Packer::Run() {
  // Of this thread alone, on Linux. If it is refused, packing goes on anyway.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
  bool failing = false;
  absl::Time drop_at = absl::InfiniteFuture();
  while (!Stopping()) {
    absl::Status status;
    if (auto work = runs_->Next(absl::Now()); work.has_value()) {
      drop_at = absl::Now() + kDropPause;
      status = Do(*work);
      if (!status.ok()) runs_->Failed(*work, absl::Now());
    } else {
      absl::StatusOr<bool> more = PackNextRun();
      status = more.status();
      if (more.ok() && !*more) {
        if (absl::Now() >= drop_at) {
          drop_at = absl::InfiniteFuture();
          DropDeleted();
        }
        runs_->Wait(std::min(runs_->NextQuiet(), drop_at));
        continue;
      }
      drop_at = absl::Now() + kDropPause;
    }
    if (!status.ok() && !Stopping()) {
      if (!failing) {
        LogWarning("packing metric points failed, will be tried again: ",
                   status.message());
      }
      runs_->Wait(absl::Now() + kFailurePause);
    }
    failing = !status.ok();
  }
}

absl::Status Packer::Do(const LooseRuns::Work& work) {
  std::string prefix;
  if (!work.whole) {
    AppendSeriesPrefix(work.run_id, work.key, &prefix);
    absl::MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(
        const size_t waiting,
        PackSeries(prefix, false,
                   work.extent.has_value() ? &*work.extent : nullptr));
    runs_->Packed(work, waiting);
    return absl::OkStatus();
  }
  AppendRunPrefix(work.run_id, &prefix);
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(PackRuns(prefix));
  }
  if (Stopping()) return absl::OkStatus();
  return RemoveMarks(work.run_id, runs_->Clean(work));
}

void Packer::DropDeleted() {
  absl::MutexLock lock(&mutex_);
  if (deleted_ < kDeletedMax) return;
  deleted_ = 0;
  // A flush drops the records that it has with their deletions; where others
  // are left, the table that comes of it is compacted
  // (rocksdb_metric_store.cc).
  rocksdb::FlushOptions options;
  options.wait = false;
  const rocksdb::Status status = db_->Flush(options);
  if (!status.ok()) LogWarning("flush of metric points: ", status.ToString());
}

absl::Status Packer::RemoveMarks(std::string_view run_id,
                                 absl::Span<const uint64_t> marks) {
  if (marks.empty()) return absl::OkStatus();
  rocksdb::WriteBatch batch;
  for (uint64_t mark : marks) batch.Delete(LooseMarkKey(run_id, mark));
  return FromRocksDb(db_->Write(PackingWriteOptions(), &batch));
}

absl::StatusOr<size_t> Packer::PackSeries(const std::string& prefix,
                                          bool force,
                                          const LooseExtent* extent) {
  std::string resume;
  size_t waiting = 0;
  while (true) {
    ASSIGN_OR_RETURN(
        const PackResult result,
        SeriesPacker(db_, options_, prefix).Pack(force, resume, extent));
    deleted_ += result.deleted;
    // Points that wait are met again by the steps that begin at the start.
    waiting = result.resume.empty() ? result.waiting : waiting + result.waiting;
    if (!result.more || !result.changed || Stopping()) {
      // What was not come to counts as waiting.
      return result.more ? std::max<size_t>(waiting, 1) : waiting;
    }
    resume = result.resume;
    extent = nullptr;
  }
}

absl::Status Packer::PackRuns(const std::string& begin) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  absl::Status result;
  std::string run_id, metric_key;
  const bool all = begin.empty();
  for (it->Seek(all ? kFirstRun : begin); it->Valid() && !Stopping();) {
    const std::string_view key = View(it->key());
    if (!key.starts_with(begin)) break;
    std::string_view rest = key;
    if (!ConsumeRunPrefix(&rest, &run_id) ||
        !ConsumeMetricKey(&rest, &metric_key) || rest.empty()) {
      return absl::DataLossError("malformed key of a point");
    }
    const std::string prefix(key.substr(0, key.size() - rest.size()));
    if (static_cast<uint8_t>(rest.front()) <= kBlockClassMax) {
      // An iterator keeps what it sees in memory; packing a series may be long.
      it.reset();
      // One damaged series must not keep others from being packed.
      result.Update(PackSeries(prefix, true, nullptr).status());
      it.reset(db_->NewIterator(options));
    }
    it->Seek(prefix + kSeriesEnd);
  }
  result.Update(FromRocksDb(it->status()));
  return result;
}

absl::StatusOr<bool> Packer::PackNextRun() {
  absl::MutexLock lock(&mutex_);
  if (!full_) return false;
  std::string done;
  RETURN_IF_ERROR(FromRocksDb(
      db_->Get(rocksdb::ReadOptions(), ToSlice(kFullPackingKey), &done)));
  // Run prefixes begin with 1 or 2, and no prefix begins another.
  std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions()));
  it->Seek(done.empty() ? kFirstRun : done + kSeriesEnd);
  while (it->Valid() && !done.empty() && View(it->key()).starts_with(done)) {
    it->Next();
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  if (!it->Valid()) {
    RETURN_IF_ERROR(FromRocksDb(
        db_->Delete(PackingWriteOptions(), ToSlice(kFullPackingKey))));
    full_ = false;
    return false;
  }
  std::string_view rest = View(it->key());
  std::string run_id;
  if (!ConsumeRunPrefix(&rest, &run_id)) {
    return absl::DataLossError("malformed key of a point");
  }
  std::string prefix;
  AppendRunPrefix(run_id, &prefix);
  const absl::Status status = PackRuns(prefix);
  if (absl::IsDataLoss(status)) {
    LogWarning("packing metric points passes over damaged ones: ",
               status.message());
  } else {
    RETURN_IF_ERROR(status);
  }
  if (Stopping()) return false;
  RETURN_IF_ERROR(FromRocksDb(
      db_->Put(PackingWriteOptions(), ToSlice(kFullPackingKey), prefix)));
  return true;
}

absl::Status Packer::PackDue() {
  while (auto work = runs_->Next(absl::Now())) RETURN_IF_ERROR(Do(*work));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, PackNextRun());
    if (!more) return absl::OkStatus();
  }
}

absl::Status Packer::PackAll() {
  absl::MutexLock lock(&mutex_);
  return PackRuns("");
}

}  // namespace millstream::storage
