// Whatever lies in the table: points that read back as themselves, or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sql/metric_outbox.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millstream::storage;
  const std::string_view blob(reinterpret_cast<const char*>(data), size);
  const auto decoded = DecodeOutbox(blob);
  if (!decoded.ok()) return 0;
  std::vector<SeriesAppend> series;
  for (const OwnedSeries& s : *decoded) series.push_back({s.key, s.points});
  if (EncodeOutbox(series) != blob) std::abort();
  return 0;
}
