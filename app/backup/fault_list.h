// What `millstream check` has found, said as it comes.
#ifndef MILLSTREAM_APP_BACKUP_FAULT_LIST_H_
#define MILLSTREAM_APP_BACKUP_FAULT_LIST_H_

#include <array>
#include <cstddef>
#include <string_view>

namespace millstream::app {

// What to do about a fault.
enum class Remedy {
  // Stored bytes are damaged or missing.
  kRestore,
  // What is derived is wrong, what it is derived from is whole.
  kDerived,
  // Points of a run that is not there: its rows were lost, or taken away.
  kOrphan,
  // Something that only a caller, or somebody at the file, can have written.
  kInspect,
  // A backup is not what it was when it was made.
  kBackup,
};

// Not thread-safe.
class FaultList {
 public:
  // So many are said one by one, the rest are counted.
  static constexpr int kSaidMax = 100;

  void Add(Remedy remedy, std::string_view sentence);
  int count() const { return count_; }

  // Says what to do about those there are.
  void SayRemedies() const;

 private:
  int count_ = 0;
  std::array<bool, 5> remedies_ = {};
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_FAULT_LIST_H_
