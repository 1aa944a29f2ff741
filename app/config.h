// What the server was told to be: flags as typed, checked values.
#ifndef MILLSTREAM_APP_CONFIG_H_
#define MILLSTREAM_APP_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "app/flags.h"
#include "base/log.h"
#include "storage/durability.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database_uri.h"

namespace millstream::app {

struct Config {
  // Absolute.
  std::string data_dir;
  // The database that holds what data_dir would; none: data_dir does. The path
  // of a SQLite file is absolute.
  std::optional<storage::sql::DatabaseUri> backend;
  // Of a database that is a server.
  storage::sql::PoolOptions backend_pool;
  absl::Duration backend_wait;
  absl::Duration backend_statement_timeout;
  storage::Durability durability = storage::Durability::kMachine;
  // What proxied artifacts go to: a folder, absolute; or, where that is empty,
  // the URI of a bucket.
  std::string artifacts_dir;
  std::string artifacts_uri;
  std::string default_artifact_root;
  // The folder that default_artifact_root names; empty if it names none.
  std::string artifact_root_dir;
  bool serve_artifacts = true;
  int64_t presigned_download_seconds = 0;

  std::string host;
  uint16_t port = 0;
  uint16_t grpc_port = 0;
  // Empty for none.
  std::string port_file;
  std::string static_prefix;
  // Empty for none.
  std::string ui_dir;

  // PEM files; empty for none.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  std::vector<std::string> trusted_proxies;
  bool expose_prometheus = false;
  LogFormat log_format = LogFormat::kText;
  bool access_log = false;

  std::vector<std::string> allowed_hosts;
  std::vector<std::string> cors_allowed_origins;
  std::string x_frame_options;
  bool disable_security_middleware = false;

  // Empty for none.
  std::string auth_user;
  std::string auth_password;
  std::string htpasswd_file;
  std::string token_file;
  // "basic-auth" or empty; the rest is its.
  std::string app_name;
  std::string auth_config;
  std::string auth_admin_user;
  std::string auth_admin_password;

  // Sentences for the log: what was probably not meant.
  std::vector<std::string> warnings;
};

// INVALID_ARGUMENT naming the flag and what it takes.
absl::StatusOr<Config> MakeConfig(const ParsedFlags& flags);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CONFIG_H_
