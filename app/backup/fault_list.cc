#include "app/backup/fault_list.h"

#include <stdio.h>

#include <string>

namespace millstream::app {

void FaultList::Add(Remedy remedy, std::string_view sentence) {
  remedies_[static_cast<size_t>(remedy)] = true;
  if (++count_ > kSaidMax) return;
  printf("FAULT  %s\n", std::string(sentence).c_str());
  fflush(stdout);
}

void FaultList::SayRemedies() const {
  static constexpr const char* kWhatToDo[] = {
      "Damaged or missing data: keep this folder as it is, and restore the "
      "last backup into a new one (millstream restore --help). Look after the "
      "disk (its own log, smartctl) before you trust it again.",
      "Wrong in what is derived: the points are whole and histories right, but "
      "charts or searches by metrics may not be. Restore a backup that has "
      "these runs, or export their histories before you go on.",
      "Points without their run: nothing shows them, and no other run is "
      "touched. If the run is missed, a backup from before has it.",
      "Values that the server does not write: somebody may have edited the "
      "database. The server refuses to use them; restore a backup from before.",
      "A backup that is not what it was: restore refuses it. Use another one, "
      "and make a new one while there is what to copy. Files can be taken out "
      "of it by hand, but for those that are named here.",
  };
  if (count_ > kSaidMax) {
    printf("... and %d more.\n", count_ - kSaidMax);
  }
  for (size_t i = 0; i < remedies_.size(); ++i) {
    if (remedies_[i]) printf("What to do: %s\n", kWhatToDo[i]);
  }
}

}  // namespace millstream::app
