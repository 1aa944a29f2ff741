// Whatever lies in the table: points that read back as themselves, or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sql/metric_outbox.h"

namespace millstream::storage {
namespace {

void PlayBlob(std::string_view blob) {
  const auto decoded = DecodeOutbox(blob);
  if (!decoded.ok()) return;
  std::vector<SeriesAppend> series;
  for (const OwnedSeries& s : *decoded) series.push_back({s.key, s.points});
  if (EncodeOutbox(series) != blob) std::abort();
}

}  // namespace
}  // namespace millstream::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  millstream::storage::PlayBlob(
      std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
