// Whatever is sent as a source: no crash, an end in time, and what is taken as
// lying within a root has no way out of it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/model_source.h"
#include "server/uri.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Decoded as often as anybody may decode it.
std::string Decoded(std::string_view text) {
  std::string decoded(text);
  for (;;) {
    std::string next = millstream::server::DecodePercent(decoded, true);
    if (next == decoded) return decoded;
    decoded = std::move(next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace server = millstream::server;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  if (!server::CheckSource(source).ok()) return 0;
  const auto model = server::ParseModelsUri(source);
  if (model.ok()) {
    Require(!model->name.empty() &&
            model->name.find('/') == std::string::npos);
  }
  Require(server::RunOfSource(source).find('/') == std::string::npos);
  const bool plain = server::CheckPlainPath(source).ok();
  const bool within =
      plain && server::IsWithinUri(source, "mlflow-artifacts:/1/r/artifacts");
  const bool below = server::IsWithinLocalPath(source, "/srv/1/r/artifacts");
  if (plain || below) {
    const std::string decoded = Decoded(source);
    for (std::string_view part : server::SplitPath(decoded)) {
      Require(part != "..");
    }
  }
  if (within) Require(server::IsProxiedSource(source));
  return 0;
}
