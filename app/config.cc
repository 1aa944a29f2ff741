#include "app/config.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<uint16_t> Port(const ParsedFlags& flags, const char* name) {
  const std::string& text = flags.values.at(name);
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", name, " takes a port, 0 to 65535, and not '", text, "'."));
  }
  return static_cast<uint16_t>(port);
}

std::vector<std::string> List(const std::string& text) {
  std::vector<std::string> items;
  for (absl::string_view item : absl::StrSplit(text, ',')) {
    item = absl::StripAsciiWhitespace(item);
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

absl::StatusOr<std::string> Absolute(const char* name,
                                     const std::string& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error || path.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " takes a folder, and not '", path, "'."));
  }
  return absolute.string();
}

// Whether a URI names a folder of this machine: a path or a file: URI.
bool IsFolder(const std::string& uri) {
  return absl::StartsWith(uri, "file:") ||
         (uri.find("://") == std::string::npos &&
          !absl::StartsWith(uri, "mlflow-artifacts:"));
}

bool IsBucket(const std::string& uri) {
  return absl::StartsWithIgnoreCase(uri, "s3://");
}

// A path from a path or a file: URI.
absl::StatusOr<std::string> Folder(const char* name, std::string uri) {
  if (absl::StartsWith(uri, "file://")) {
    uri = uri.substr(7);
    if (!absl::StartsWith(uri, "/")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--", name, " names another machine; use file:///path."));
    }
  } else if (absl::StartsWith(uri, "file:")) {
    uri = uri.substr(5);
  } else if (uri.find("://") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", name, " takes a local folder or s3://bucket/prefix; '",
        uri.substr(0, uri.find("://")), "' stores cannot be used yet."));
  }
  return Absolute(name, uri);
}

// The UI lies beside the program in an installation, and two folders up from
// it in the tree that it is built in.
std::string FindUi() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  fs::path folder = program.parent_path();
  for (int up = 0; up < 8 && folder.has_relative_path(); ++up) {
    const fs::path ui = folder / "ui" / "build";
    if (fs::exists(ui / "index.html", error)) return ui.string();
    folder = folder.parent_path();
  }
  return "";
}

absl::Status CheckStaticPrefix(const std::string& prefix) {
  if (prefix.empty()) return absl::OkStatus();
  if (prefix.front() != '/' || prefix.back() == '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "--static-prefix must start with / and not end with one, as in "
        "/tracking, and not be '",
        prefix, "'."));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Whole(const ParsedFlags& flags, const char* name, int least,
                          int most) {
  const std::string& text = flags.values.at(name);
  int number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < least || number > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " takes a number from ", least, " to ", most,
                     ", and not '", text, "'."));
  }
  return number;
}

absl::Status FillBackendLimits(const ParsedFlags& flags, Config* config) {
  using storage::sql::kPoolConnectionsMax;
  constexpr int kSecondsMax = 1'000'000;
  storage::sql::PoolOptions& pool = config->backend_pool;
  ASSIGN_OR_RETURN(pool.size, Whole(flags, "backend-pool-size", 0,
                                    kPoolConnectionsMax));
  // As with MLflow, 0 is as if nothing was said.
  if (pool.size == 0) pool.size = storage::sql::kPoolSizeDefault;
  ASSIGN_OR_RETURN(pool.overflow, Whole(flags, "backend-max-overflow", -1,
                                        kPoolConnectionsMax));
  if (pool.overflow == -1 || pool.overflow > kPoolConnectionsMax - pool.size) {
    pool.overflow = kPoolConnectionsMax - pool.size;
  }
  ASSIGN_OR_RETURN(const int recycle,
                   Whole(flags, "backend-pool-recycle", -1, kSecondsMax));
  if (recycle > 0) pool.recycle = absl::Seconds(recycle);
  ASSIGN_OR_RETURN(const int wait,
                   Whole(flags, "backend-wait", 0, kSecondsMax));
  config->backend_wait = absl::Seconds(wait);
  ASSIGN_OR_RETURN(const int timeout, Whole(flags, "backend-statement-timeout",
                                            0, kSecondsMax));
  config->backend_statement_timeout = absl::Seconds(timeout);
  return absl::OkStatus();
}

absl::Status FillBackend(const ParsedFlags& flags, Config* config) {
  RETURN_IF_ERROR(FillBackendLimits(flags, config));
  const std::string& uri = flags.values.at("backend-store-uri");
  const std::string& registry = flags.values.at("registry-store-uri");
  if (!registry.empty() && registry != uri) {
    return absl::InvalidArgumentError(
        "--registry-store-uri names another database than "
        "--backend-store-uri; models are kept with the runs, so name the same "
        "or leave it out.");
  }
  if (uri.empty()) return absl::OkStatus();
  if (!storage::sql::IsDatabaseUri(uri)) {
    return absl::InvalidArgumentError(
        "--backend-store-uri takes a database, as in sqlite:///mlflow.db or "
        "postgresql://user:password@host/database. Folders of runs that MLflow "
        "has written cannot be opened; leave the flag out to keep runs in "
        "--data-dir.");
  }
  ASSIGN_OR_RETURN(config->backend, storage::sql::ParseDatabaseUri(
                                        uri, "--backend-store-uri"));
  if (config->backend->engine == storage::sql::Engine::kMysql) {
    for (const auto& [flag, key] : {std::pair("mysql-ssl-ca", "ssl_ca"),
                                    std::pair("mysql-ssl-cert", "ssl_cert"),
                                    std::pair("mysql-ssl-key", "ssl_key")}) {
      const std::string& file = flags.values.at(flag);
      // Stronger than the URI's, as with MLflow.
      if (!file.empty()) config->backend->query.emplace_back(key, file);
    }
  }
  std::string& path = config->backend->database;
  if (config->backend->engine == storage::sql::Engine::kSqlite &&
      !path.empty() && path != ":memory:") {
    ASSIGN_OR_RETURN(path, Absolute("backend-store-uri", path));
  }
  return absl::OkStatus();
}

absl::Status FillStorage(const ParsedFlags& flags, Config* config) {
  const auto& value = flags.values;
  ASSIGN_OR_RETURN(config->data_dir,
                   Absolute("data-dir", value.at("data-dir")));
  RETURN_IF_ERROR(FillBackend(flags, config));
  const std::string& durability = value.at("durability");
  if (durability == "machine") {
    config->durability = storage::Durability::kMachine;
  } else if (durability == "process") {
    config->durability = storage::Durability::kProcess;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--durability is 'machine' or 'process', and not '", durability, "'."));
  }
  config->serve_artifacts = value.at("serve-artifacts") == "true";
  std::string destination = value.at("artifacts-destination");
  if (absl::StartsWith(destination, "<")) {
    destination = config->data_dir + "/artifacts";
  }
  if (IsBucket(destination)) {
    config->artifacts_uri = destination;
  } else {
    ASSIGN_OR_RETURN(config->artifacts_dir,
                     Folder("artifacts-destination", destination));
  }
  config->default_artifact_root = value.at("default-artifact-root");
  if (!config->serve_artifacts &&
      absl::StartsWith(config->default_artifact_root, "mlflow-artifacts:")) {
    config->default_artifact_root = config->artifacts_dir.empty()
                                        ? config->artifacts_uri
                                        : config->artifacts_dir;
  }
  if (IsFolder(config->default_artifact_root)) {
    ASSIGN_OR_RETURN(
        config->artifact_root_dir,
        Folder("default-artifact-root", config->default_artifact_root));
    // Clients may run in other folders than the server.
    config->default_artifact_root = config->artifact_root_dir;
  }
  const std::string& seconds = value.at("presigned-download-seconds");
  if (!absl::SimpleAtoi(seconds, &config->presigned_download_seconds) ||
      config->presigned_download_seconds < 1 ||
      config->presigned_download_seconds > limits::kPresignedUrlSecondsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--presigned-download-seconds takes seconds, 1 to ",
                     limits::kPresignedUrlSecondsMax, ", and not '", seconds,
                     "'."));
  }
  return absl::OkStatus();
}

absl::Status FillNetwork(const ParsedFlags& flags, Config* config) {
  const auto& value = flags.values;
  config->host = value.at("host");
  ASSIGN_OR_RETURN(config->port, Port(flags, "port"));
  ASSIGN_OR_RETURN(config->grpc_port, Port(flags, "grpc-port"));
  if (config->port != 0 && config->port == config->grpc_port) {
    return absl::InvalidArgumentError(
        absl::StrCat("--port and --grpc-port are both ", config->port,
                     "; each door needs a port of its own."));
  }
  config->port_file = value.at("port-file");
  config->static_prefix = value.at("static-prefix");
  RETURN_IF_ERROR(CheckStaticPrefix(config->static_prefix));
  config->tls_cert = value.at("tls-cert");
  config->tls_key = value.at("tls-key");
  config->tls_client_ca = value.at("tls-client-ca");
  if (config->tls_cert.empty() != config->tls_key.empty()) {
    return absl::InvalidArgumentError(
        "--tls-cert and --tls-key go together: set both or none.");
  }
  if (!config->tls_client_ca.empty() && config->tls_cert.empty()) {
    return absl::InvalidArgumentError(
        "--tls-client-ca has no effect without --tls-cert and --tls-key.");
  }
  config->trusted_proxies = List(value.at("trusted-proxies"));
  config->ui_dir = value.at("ui-dir");
  if (absl::StartsWith(config->ui_dir, "ui/build beside")) {
    config->ui_dir = FindUi();
  } else if (!config->ui_dir.empty() &&
             !fs::exists(fs::path(config->ui_dir) / "index.html")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--ui-dir: there is no index.html in '", config->ui_dir, "'."));
  }
  return absl::OkStatus();
}

absl::Status FillWatching(const ParsedFlags& flags, Config* config) {
  const auto& value = flags.values;
  config->expose_prometheus = !value.at("expose-prometheus").empty();
  config->access_log = value.at("access-log") == "true";
  const std::string& log_format = value.at("log-format");
  if (log_format != "text" && log_format != "json") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--log-format is 'text' or 'json', and not '", log_format, "'."));
  }
  config->log_format =
      log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  return absl::OkStatus();
}

// A variable that came to be empty, as compose makes it of one that is not set,
// must not open the server to everybody.
absl::Status CheckAskers(const ParsedFlags& flags) {
  constexpr const char* kAskers[] = {"auth-user", "auth-password",
                                     "htpasswd-file", "token-file"};
  if (!flags.values.at("app-name").empty()) return absl::OkStatus();
  for (const char* const name : kAskers) {
    if (!flags.values.at(name).empty()) return absl::OkStatus();
  }
  for (const char* const name : kAskers) {
    const auto found = flags.set_to_nothing.find(name);
    if (found == flags.set_to_nothing.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        found->second,
        " is set and empty. Give it a value to ask callers who they are, or do "
        "not set it to ask nobody."));
  }
  return absl::OkStatus();
}

absl::Status FillSecurity(const ParsedFlags& flags, Config* config) {
  RETURN_IF_ERROR(CheckAskers(flags));
  const auto& value = flags.values;
  config->allowed_hosts = List(value.at("allowed-hosts"));
  config->cors_allowed_origins = List(value.at("cors-allowed-origins"));
  config->x_frame_options = absl::AsciiStrToUpper(value.at("x-frame-options"));
  if (config->x_frame_options != "SAMEORIGIN" &&
      config->x_frame_options != "DENY" && config->x_frame_options != "NONE") {
    return absl::InvalidArgumentError(
        absl::StrCat("--x-frame-options is SAMEORIGIN, DENY or NONE, and not '",
                     config->x_frame_options, "'."));
  }
  config->disable_security_middleware =
      value.at("disable-security-middleware") == "true";
  config->auth_user = value.at("auth-user");
  config->auth_password = value.at("auth-password");
  config->htpasswd_file = value.at("htpasswd-file");
  config->token_file = value.at("token-file");
  config->app_name = value.at("app-name");
  config->auth_config = value.at("auth-config");
  config->auth_admin_user = value.at("auth-admin-user");
  config->auth_admin_password = value.at("auth-admin-password");
  if (!config->app_name.empty() && config->app_name != "basic-auth") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--app-name: '", config->app_name,
        "' is Python code, which does not run here; 'basic-auth' is there."));
  }
  if (config->auth_user.empty() != config->auth_password.empty()) {
    return absl::InvalidArgumentError(
        "--auth-user and --auth-password (or MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD) go together: set both or none.");
  }
  return absl::OkStatus();
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         absl::StartsWith(host, "127.");
}

// What a server starts with all the same.
void Warn(const ParsedFlags& flags, Config* config) {
  const bool asks = !config->auth_user.empty() ||
                    !config->htpasswd_file.empty() ||
                    !config->token_file.empty() || !config->app_name.empty() ||
                    !config->tls_client_ca.empty();
  if (!asks && !IsLoopback(config->host)) {
    config->warnings.push_back(absl::StrCat(
        "--host ", config->host,
        ": nobody is asked for a password, and whoever reaches this address "
        "may read, change and delete everything. Set --htpasswd-file or "
        "--app-name basic-auth (docs/access.md)."));
  }
  if (config->allowed_hosts.empty() &&
      (flags.given.contains("allowed-hosts") ||
       flags.set_to_nothing.contains("allowed-hosts"))) {
    config->warnings.push_back(
        "--allowed-hosts (or MLFLOW_SERVER_ALLOWED_HOSTS) is set and names no "
        "host, which is as if it were not set: localhost and private addresses "
        "are answered.");
  }
}

}  // namespace

absl::StatusOr<Config> MakeConfig(const ParsedFlags& flags) {
  Config config;
  RETURN_IF_ERROR(FillStorage(flags, &config));
  RETURN_IF_ERROR(FillNetwork(flags, &config));
  RETURN_IF_ERROR(FillSecurity(flags, &config));
  RETURN_IF_ERROR(FillWatching(flags, &config));
  Warn(flags, &config);
  return config;
}

}  // namespace millstream::app
