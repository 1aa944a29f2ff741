#include "storage/mysql/mysql_options.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::mysql {
namespace {

constexpr int64_t kConnectSecondsMax = 3600;

absl::Status Refused(std::string_view flag, std::string_view key,
                     std::string_view why) {
  return absl::InvalidArgumentError(StrCat(flag, ": '", key, "' ", why));
}

absl::StatusOr<bool> Truth(std::string_view flag, std::string_view key,
                           std::string_view value) {
  bool truth = false;
  if (absl::SimpleAtob(AbslView(value), &truth)) return truth;
  return Refused(flag, key, "takes true or false.");
}

// mysqlclient's and MySQL's own names.
absl::Status SetTlsMode(std::string_view flag, std::string_view key,
                        std::string_view value, MysqlOptions* options) {
  const std::string mode = absl::AsciiStrToUpper(AbslView(value));
  if (mode == "DISABLED") {
    options->tls = Tls::kDisabled;
  } else if (mode == "PREFERRED") {
    options->tls = Tls::kPreferred;
  } else if (mode == "REQUIRED") {
    options->tls = Tls::kRequired;
  } else if (mode == "VERIFY_CA") {
    options->tls = Tls::kVerifiedCa;
  } else if (mode == "VERIFY_IDENTITY") {
    options->tls = Tls::kVerified;
  } else {
    return Refused(flag, key,
                   "takes DISABLED, PREFERRED, REQUIRED, VERIFY_CA or "
                   "VERIFY_IDENTITY.");
  }
  return absl::OkStatus();
}

// True: `key` names a file or folder of TLS.
bool SetTlsFile(std::string_view key, const std::string& value,
                MysqlOptions* options) {
  if (key == "ssl_ca") {
    options->tls_ca = value;
  } else if (key == "ssl_capath") {
    options->tls_ca_folder = value;
  } else if (key == "ssl_cert") {
    options->tls_certificate = value;
  } else if (key == "ssl_key") {
    options->tls_key = value;
  } else if (key == "ssl_key_password") {
    options->tls_key_password = value;
  } else if (key == "ssl_cipher" || key == "tls_ciphersuites") {
    options->tls_ciphers = value;
  } else {
    return false;
  }
  return true;
}

absl::Status SetConnectTimeout(std::string_view flag, std::string_view key,
                               std::string_view value, MysqlOptions* options) {
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(AbslView(value), &seconds) || seconds < 1 ||
      seconds > kConnectSecondsMax) {
    return Refused(
        flag, key,
        StrCat("takes seconds, from 1 to ", kConnectSecondsMax, "."));
  }
  options->connect_timeout = absl::Seconds(seconds);
  return absl::OkStatus();
}

// What to verify, as several drivers say it.
struct Verify {
  std::optional<bool> certificate, host;
  bool by_mode = false;  // ssl_mode has said it
};

// True: `key` is about what is verified.
absl::StatusOr<bool> SetVerify(std::string_view flag, std::string_view key,
                               std::string_view value, Verify* verify) {
  if (key == "ssl_verify_cert") {
    ASSIGN_OR_RETURN(verify->certificate, Truth(flag, key, value));
    return true;
  }
  if (key == "ssl_verify_identity" || key == "ssl_check_hostname") {
    ASSIGN_OR_RETURN(verify->host, Truth(flag, key, value));
    return true;
  }
  return false;
}

// What all that was said of TLS comes to.
absl::Status SettleTls(std::string_view flag, const Verify& verify,
                       MysqlOptions* options) {
  if (options->tls_certificate.empty() != options->tls_key.empty()) {
    return Refused(flag, "ssl_cert", "and 'ssl_key' belong together.");
  }
  if (options->tls == Tls::kDisabled) return absl::OkStatus();
  const bool trusts =
      !options->tls_ca.empty() || !options->tls_ca_folder.empty();
  Tls least = Tls::kPreferred;
  if (verify.host.value_or(false)) {
    least = Tls::kVerified;
  } else if (verify.certificate.has_value()) {
    least = *verify.certificate ? Tls::kVerifiedCa : Tls::kRequired;
  } else if (trusts && !verify.by_mode) {
    least = verify.host.value_or(true) ? Tls::kVerified : Tls::kVerifiedCa;
  } else if (!options->tls_certificate.empty() && !verify.by_mode) {
    least = Tls::kRequired;
  }
  options->tls = std::max(options->tls, least);
  // By the system's authorities anybody has a certificate: of some host.
  if (!trusts && options->tls == Tls::kVerifiedCa) {
    options->tls = Tls::kVerified;
  }
  return absl::OkStatus();
}

absl::Status SetKey(std::string_view flag, const std::string& key,
                    const std::string& value, MysqlOptions* options,
                    Verify* verify) {
  if (SetTlsFile(key, value, options)) return absl::OkStatus();
  if (key == "unix_socket") {
    options->unix_socket = value;
    return absl::OkStatus();
  }
  if (key == "connect_timeout" || key == "connection_timeout") {
    return SetConnectTimeout(flag, key, value, options);
  }
  if (key == "ssl_mode") {
    verify->by_mode = true;
    return SetTlsMode(flag, key, value, options);
  }
  if (key == "ssl_disabled") {
    ASSIGN_OR_RETURN(const bool disabled, Truth(flag, key, value));
    if (disabled) options->tls = Tls::kDisabled;
    return absl::OkStatus();
  }
  if (key == "ssl") {
    ASSIGN_OR_RETURN(const bool wanted, Truth(flag, key, value));
    options->tls = wanted ? Tls::kRequired : Tls::kDisabled;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const bool is_verify, SetVerify(flag, key, value, verify));
  if (is_verify) return absl::OkStatus();
  // Text is UTF-8 in four bytes whatever they say, and numbers and errors are
  // read our way.
  for (const std::string_view other :
       {"charset", "collation", "use_unicode", "binary_prefix", "read_timeout",
        "write_timeout", "auth_plugin", "autocommit", "raise_on_warnings",
        "buffered", "use_pure", "local_infile", "allow_local_infile",
        "consume_results"}) {
    if (key == other) return absl::OkStatus();
  }
  return Refused(flag, key,
                 "is no key of a MySQL URI's query; there are unix_socket, "
                 "connect_timeout, ssl_ca, ssl_capath, ssl_cert, ssl_key, "
                 "ssl_key_password, ssl_cipher, ssl_mode, ssl_verify_cert, "
                 "ssl_check_hostname, ssl_disabled, charset.");
}

}  // namespace

absl::StatusOr<MysqlOptions> MysqlOptionsOf(const sql::DatabaseUri& uri,
                                            std::string_view flag) {
  MysqlOptions options;
  options.hosts = uri.hosts;
  options.user = uri.user;
  options.password = uri.password;
  options.database = uri.database;
  options.name = uri.Redacted();
  options.fresh_password = uri.fresh_password;
  Verify verify;
  for (const auto& [key, value] : uri.query) {
    RETURN_IF_ERROR(SetKey(flag, key, value, &options, &verify));
  }
  RETURN_IF_ERROR(SettleTls(flag, verify, &options));
  return options;
}

}  // namespace millstream::storage::mysql
