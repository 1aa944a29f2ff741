// Any text as basic_auth.ini: settings that hold together, or a refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "app/auth_config.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = millstream::app::ParseAuthConfig(text);
  if (!config.ok()) {
    Require(!config.status().message().empty());
    return 0;
  }
  Require(config->default_permission != millstream::auth::Permission::kDeny);
  Require(!config->database.database.empty());
  Require(config->admin_username.find('\n') == std::string::npos);
  Require(config->admin_password.find('\n') == std::string::npos);
  return 0;
}
