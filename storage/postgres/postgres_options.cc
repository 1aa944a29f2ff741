#include "storage/postgres/postgres_options.h"

#include <postgresql/libpq-fe.h>

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::postgres {
namespace {

// Keys of libpq that are said otherwise, or that would change what statements
// mean.
constexpr std::string_view kNotTaken[] = {"dbname", "host", "port",
                                          "replication", "client_encoding",
                                          "service"};

// In effect unless the URI says otherwise.
constexpr std::pair<std::string_view, std::string_view> kDefaults[] = {
    {"application_name", "millstream"},
    // Seconds, for each host.
    {"connect_timeout", "5"},
    // A network that goes away without a word is noticed after about a minute
    // while nothing is sent, and after half of one when something is.
    {"keepalives", "1"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "30000"},
    // Asking for a Kerberos ticket that nobody has can take seconds.
    {"gssencmode", "disable"},
};

bool IsKeyword(std::string_view key) {
  for (const std::string_view other : kNotTaken) {
    if (key == other) return false;
  }
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> all(
      PQconndefaults(), &PQconninfoFree);
  for (const PQconninfoOption* option = all.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (key == option->keyword) return true;
  }
  return false;
}

// Keys whose numbers libpq reads when it has reached a server.
constexpr std::string_view kNumbers[] = {
    "connect_timeout",     "keepalives",       "keepalives_idle",
    "keepalives_interval", "keepalives_count", "tcp_user_timeout"};

bool IsNumber(std::string_view key) {
  return std::find(std::begin(kNumbers), std::end(kNumbers), key) !=
         std::end(kNumbers);
}

class Keywords {
 public:
  // The last word counts.
  void Set(std::string_view key, std::string_view value) {
    for (auto& [known, old] : list_) {
      if (known == key) {
        old = std::string(value);
        return;
      }
    }
    list_.emplace_back(key, value);
  }
  bool Has(std::string_view key) const {
    for (const auto& [known, value] : list_) {
      if (known == key) return true;
    }
    return false;
  }
  // Whether libpq would try to connect, whoever was there.
  bool Make() const {
    // No socket can be below this, so libpq asks nobody; only its own check of
    // what it was told can end earlier than that.
    std::vector<const char*> keys = {"host", "user"};
    std::vector<const char*> values = {"/dev/null", "nobody"};
    for (const auto& [key, value] : list_) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    return PQpingParams(keys.data(), values.data(), /*expand_dbname=*/0) !=
           PQPING_NO_ATTEMPT;
  }
  std::vector<std::pair<std::string, std::string>> Take() {
    return std::move(list_);
  }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

absl::Status AddQuery(const sql::DatabaseUri& uri, std::string_view flag,
                      Keywords* keywords) {
  for (const auto& [key, value] : uri.query) {
    if (key == "client_encoding") continue;  // It is always UTF-8.
    if (key == "ssl") {
      // asyncpg's and pg8000's word for it.
      keywords->Set("sslmode", value == "true" || value == "True" ? "require"
                               : value == "false" || value == "False"
                                   ? "disable"
                                   : std::string_view(value));
      continue;
    }
    if (!IsKeyword(key)) {
      return absl::InvalidArgumentError(
          StrCat(flag, ": '", key, "' is no key of a PostgreSQL URI's query; "
                 "there are those of libpq, such as sslmode, sslrootcert, "
                 "options, application_name, connect_timeout."));
    }
    keywords->Set(key, value);
  }
  return absl::OkStatus();
}

// What no server can mend is told at once, and not waited for.
absl::Status CheckValues(const sql::DatabaseUri& uri, std::string_view flag) {
  Keywords tried;
  if (!tried.Make()) {
    return absl::InvalidArgumentError(
        "One of libpq's variables, such as PGSSLMODE, has a value that libpq "
        "does not take.");
  }
  for (const auto& [key, value] : uri.query) {
    sql::DatabaseUri one;
    one.query = {{key, value}};
    int number = 0;
    bool takes = !IsNumber(key) || value.empty() ||
                 absl::SimpleAtoi(value, &number);
    // These are about hosts.
    if (key != "hostaddr" && key != "user") {
      RETURN_IF_ERROR(AddQuery(one, flag, &tried));
      takes = takes && tried.Make();
    }
    if (!takes) {
      return absl::InvalidArgumentError(
          StrCat(flag, ": libpq does not take the value of '", key, "'."));
    }
  }
  return absl::OkStatus();
}

void AddHosts(const sql::DatabaseUri& uri, Keywords* keywords) {
  if (uri.hosts.empty()) return;
  std::vector<std::string> names, ports;
  for (const sql::DatabaseUri::Host& host : uri.hosts) {
    names.push_back(host.name);
    ports.push_back(host.port == 0 ? "" : StrCat(host.port));
  }
  keywords->Set("host", absl::StrJoin(names, ","));
  keywords->Set("port", absl::StrJoin(ports, ","));
  // Of several servers one takes writes.
  if (uri.hosts.size() > 1 && !keywords->Has("target_session_attrs")) {
    keywords->Set("target_session_attrs", "read-write");
  }
}

}  // namespace

absl::StatusOr<PostgresOptions> PostgresOptionsOf(const sql::DatabaseUri& uri,
                                                  std::string_view flag) {
  Keywords keywords;
  for (const auto& [key, value] : kDefaults) keywords.Set(key, value);
  if (!uri.user.empty()) keywords.Set("user", uri.user);
  if (!uri.password.empty()) keywords.Set("password", uri.password);
  RETURN_IF_ERROR(AddQuery(uri, flag, &keywords));
  RETURN_IF_ERROR(CheckValues(uri, flag));
  AddHosts(uri, &keywords);
  if (!uri.database.empty()) keywords.Set("dbname", uri.database);
  keywords.Set("client_encoding", "UTF8");
  PostgresOptions options;
  options.keywords = keywords.Take();
  options.name = uri.Redacted();
  options.fresh_password = uri.fresh_password;
  return options;
}

void PostgresOptions::SetPassword(std::string_view password) {
  for (auto& [key, value] : keywords) {
    if (key == "password") value = std::string(password);
  }
}

}  // namespace millstream::storage::postgres
