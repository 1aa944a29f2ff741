#include "app/container_environment.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

constexpr char kHost[] = "host";
constexpr char kPort[] = "port";
constexpr char kBackend[] = "backend-store-uri";
constexpr char kRoot[] = "default-artifact-root";

// What a URI is made of.
struct Database {
  std::string dialect;
  std::string user;
  std::string password;
  std::string host;
  std::string port;
  std::string name;
};

std::string Encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.' ||
        c == '~') {
      encoded.push_back(c);
    } else {
      absl::StrAppend(&encoded, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return encoded;
}

std::string UriOf(const Database& database) {
  // An IPv6 address stands in brackets.
  const bool brackets = absl::StrContains(database.host, ':') &&
                        !absl::StartsWith(database.host, "[");
  return absl::StrCat(database.dialect, "://", Encoded(database.user), ":",
                      Encoded(database.password), "@", brackets ? "[" : "",
                      database.host, brackets ? "]" : "", ":", database.port,
                      // As it is: SQLAlchemy decodes no names.
                      "/", database.name);
}

class Container {
 public:
  Container(ReadVariable read, ReadSecret read_secret)
      : read_(read), read_secret_(read_secret) {}

  absl::StatusOr<absl::flat_hash_map<std::string, std::string>> Flags(
      bool has_database) {
    flags_[kHost] = "0.0.0.0";
    const Teller teller = FindTeller();
    ReadPort(teller);
    ReadArtifacts();
    if (!has_database) RETURN_IF_ERROR(ReadDatabase(teller));
    return std::move(flags_);
  }

 private:
  // Which of the variables tell of the database.
  enum class Teller { kNone, kUri, kSecret, kParts, kRds, kPlain };

  // Not set and empty are one.
  std::optional<std::string> Get(const std::string& name) {
    const char* const value = read_(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  }
  std::string GetOr(const std::string& name, const char* fallback) {
    return Get(name).value_or(fallback);
  }

  bool AnyOf(std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [this](const char* name) {
      return Get(name).has_value();
    });
  }

  Teller FindTeller() {
    if (AnyOf({"MLFLOW_BACKEND_URI"})) return Teller::kUri;
    if (AnyOf({"SECRET_NAME"})) return Teller::kSecret;
    // With a part of them missing the rest must not be passed over: the server
    // would keep everything in the container.
    if (AnyOf({"MLFLOW_DB_DATABASE", "MLFLOW_DB_HOST", "MLFLOW_DB_USERNAME",
               "MLFLOW_DB_PASSWORD", "MLFLOW_DB_PORT", "MLFLOW_DB_DIALECT"})) {
      return Teller::kParts;
    }
    if (AnyOf({"RDS_HOSTNAME"})) return Teller::kRds;
    if (AnyOf({"DATABASE"}) ||
        (AnyOf({"HOST"}) && AnyOf({"PASSWORD", "USERNAME"}))) {
      return Teller::kPlain;
    }
    return Teller::kNone;
  }

  void ReadPort(Teller teller) {
    // It is the database's there.
    if (teller == Teller::kPlain) return;
    const bool is_http = teller == Teller::kUri || teller == Teller::kParts;
    if (std::string port = GetOr("PORT", is_http ? "80" : ""); !port.empty()) {
      flags_[kPort] = std::move(port);
    }
  }

  absl::Status ReadDatabase(Teller teller) {
    switch (teller) {
      case Teller::kNone:
        return absl::OkStatus();
      case Teller::kUri:
        flags_[kBackend] = GetOr("MLFLOW_BACKEND_URI", "");
        return absl::OkStatus();
      case Teller::kSecret:
        return TakeSecret(GetOr("SECRET_NAME", ""));
      case Teller::kParts:
        return TakeParts();
      case Teller::kRds: {
        // Which product it is, nothing but its port tells.
        const bool mysql = Get("RDS_PORT") == "3306";
        return TakeVariables(mysql ? "mysql+pymysql" : "postgresql",
                             {"RDS_USERNAME", "RDS_PASSWORD", "RDS_HOSTNAME",
                              "RDS_PORT", "RDS_DB_NAME"},
                             "5432");
      }
      case Teller::kPlain:
        return TakeVariables(
            "postgresql", {"USERNAME", "PASSWORD", "HOST", "PORT", "DATABASE"},
            "5432");
    }
    return absl::OkStatus();
  }

  absl::Status TakeParts() {
    const std::string dialect = GetOr("MLFLOW_DB_DIALECT", "mysql+pymysql");
    if (absl::StartsWith(dialect, "sqlite") && AnyOf({"MLFLOW_DB_DATABASE"})) {
      flags_[kBackend] =
          absl::StrCat("sqlite:///", GetOr("MLFLOW_DB_DATABASE", ""));
      return absl::OkStatus();
    }
    return TakeVariables(
        dialect, {"MLFLOW_DB_USERNAME", "MLFLOW_DB_PASSWORD", "MLFLOW_DB_HOST",
                  "MLFLOW_DB_PORT", "MLFLOW_DB_DATABASE"},
        "3306");
  }

  struct Names {
    const char* user;
    const char* password;
    const char* host;
    const char* port;
    const char* database;
  };

  absl::Status TakeVariables(const std::string& dialect, const Names& names,
                             const char* port) {
    Database database;
    database.dialect = dialect;
    for (const auto& [name, value] :
         {std::pair(names.user, &database.user),
          std::pair(names.password, &database.password),
          std::pair(names.host, &database.host),
          std::pair(names.database, &database.name)}) {
      std::optional<std::string> given = Get(name);
      if (!given.has_value()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "The variable ", name, " is not set, and the others that tell of "
            "the database are (", names.database, "). Set it, or tell all "
            "with --backend-store-uri."));
      }
      *value = *std::move(given);
    }
    database.port = GetOr(names.port, port);
    RETURN_IF_ERROR(CheckPort(names.port, database.port));
    flags_[kBackend] = UriOf(database);
    return absl::OkStatus();
  }

  static absl::Status CheckPort(const std::string& name,
                                const std::string& port) {
    int number = 0;
    if (absl::SimpleAtoi(port, &number) && number > 0 && number <= 0xffff) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is no port; it must be 1 to 65535."));
  }

  absl::Status TakeSecret(const std::string& name) {
    ASSIGN_OR_RETURN(const Secret secret, read_secret_(name));
    Database database;
    for (const auto& [member, value] :
         {std::pair("username", &database.user),
          std::pair("password", &database.password),
          std::pair("host", &database.host),
          std::pair("dbname", &database.name)}) {
      const auto found = secret.find(member);
      if (found == secret.end() || found->second.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "The secret that SECRET_NAME names has no '", member, "'."));
      }
      *value = found->second;
    }
    // "aurora-postgresql", "mariadb" and so on.
    const auto engine = secret.find("engine");
    const bool mysql = engine != secret.end() &&
                       (absl::StrContains(engine->second, "mysql") ||
                        absl::StrContains(engine->second, "mariadb"));
    database.dialect = mysql ? "mysql+pymysql" : "postgresql";
    const auto port = secret.find("port");
    database.port = port != secret.end() ? port->second
                    : mysql              ? "3306"
                                         : "5432";
    RETURN_IF_ERROR(CheckPort("'port' of the secret", database.port));
    flags_[kBackend] = UriOf(database);
    return absl::OkStatus();
  }

  void ReadArtifacts() {
    if (auto uri = Get("MLFLOW_ARTIFACT_URI"); uri.has_value()) {
      flags_[kRoot] = *std::move(uri);
    } else if (const auto bucket = Get("BUCKET"); bucket.has_value()) {
      flags_[kRoot] = absl::StartsWith(*bucket, "s3://")
                          ? *bucket
                          : absl::StrCat("s3://", *bucket);
    }
  }

  const ReadVariable read_;
  const ReadSecret read_secret_;
  absl::flat_hash_map<std::string, std::string> flags_;
};

}  // namespace

absl::StatusOr<absl::flat_hash_map<std::string, std::string>>
FlagsOfContainer(ReadVariable read, ReadSecret read_secret,
                 bool has_database) {
  return Container(read, read_secret).Flags(has_database);
}

}  // namespace millstream::app
