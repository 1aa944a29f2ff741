// Any text as a query: what it gives is UTF-8, binds or is refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/json/utf8.h"
#include "gateway/url.h"
#include "millstream/v1/tracking.pb.h"

namespace {

namespace gateway = millstream::gateway;

void RequireUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = gateway::Utf8SequenceLength(text, at);
    if (length == 0) std::abort();
    at += length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequireUtf8(gateway::PercentDecode(text, gateway::Plus::kIsPlus));
  const std::string path =
      gateway::PercentDecode(text, gateway::Plus::kIsPlus);
  if (gateway::PercentDecode(gateway::EncodePath(path),
                             gateway::Plus::kIsPlus) != path) {
    std::abort();
  }
  const auto parameters = gateway::ParseQuery(text);
  if (!parameters.ok()) return 0;
  for (const auto& [name, value] : *parameters) {
    RequireUtf8(name);
    RequireUtf8(value);
  }
  millstream::v1::GetMetricHistoryBulkIntervalRequest request;
  (void)gateway::BindQuery(
      *parameters, gateway::MessageTable::Of(request.GetDescriptor()),
      &request);
  return 0;
}
