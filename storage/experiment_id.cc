#include "storage/experiment_id.h"

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::storage {

absl::StatusOr<int64_t> ParseExperimentId(std::string_view text) {
  int64_t id = 0;
  if (absl::SimpleAtoi(AbslView(text), &id)) return id;
  return InvalidParameter("Invalid experiment ID '", Shown(text),
                          "': it must be a decimal number.");
}

}  // namespace millstream::storage
