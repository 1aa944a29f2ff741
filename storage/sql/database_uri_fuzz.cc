// Whatever is configured: a URI that can be shown without its secrets, or a
// refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/sql/database_uri.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace sql = millstream::storage::sql;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto uri = sql::ParseDatabaseUri(text, "--flag");
  if (!uri.ok()) {
    Require(uri.status().message().find("--flag: ") == 0);
    return 0;
  }
  Require(sql::IsDatabaseUri(text));
  for (const auto& host : uri->hosts) {
    Require(host.name.find('\0') == std::string::npos);
  }
  Require(uri->user.find('\0') == std::string::npos);
  Require(uri->password.find('\0') == std::string::npos);
  // The shown form is of the same kind and has lost what is secret.
  const auto again = sql::ParseDatabaseUri(uri->Redacted(), "--flag");
  if (again.ok()) {
    Require(again->engine == uri->engine && again->query.empty());
  }
  return 0;
}
