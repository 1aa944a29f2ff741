// Whatever is sent: a path that stays below its root and reads back as itself,
// or a refusal.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/artifact_path.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millstream::storage::ArtifactPath;
  const auto path = ArtifactPath::Parse(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!path.ok()) return 0;
  const std::string slashed = "/" + path->canonical() + "/";
  Require(slashed == "//" || slashed.find("//") == std::string::npos);
  Require(slashed.find("/./") == std::string::npos);
  Require(slashed.find("/../") == std::string::npos);
  // Nor does it lead out where a backslash is a slash, too.
  std::string windows = slashed;
  std::replace(windows.begin(), windows.end(), '\\', '/');
  Require(windows.find("/../") == std::string::npos);
  Require(slashed.find("/\\") == std::string::npos);
  for (char c : slashed) {
    Require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '#');
  }
  // What an answer shows leads to the same file when it is asked for.
  const auto again = ArtifactPath::Parse(path->text());
  Require(again.ok() && *again == *path);
  const auto joined = ArtifactPath::Parse("1/run")->Join(*path);
  Require(!joined.ok() || joined->canonical().starts_with("1/run"));
  return 0;
}
