#include "storage/sql/database_uri.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::sql {
namespace {

struct DialectName {
  std::string_view name;
  Engine engine;
};
constexpr DialectName kDialects[] = {
    {"postgresql", Engine::kPostgres}, {"postgres", Engine::kPostgres},
    {"mysql", Engine::kMysql},         {"mariadb", Engine::kMysql},
    {"sqlite", Engine::kSqlite},
};

// Drivers of Python; whichever is named, the backend is the same.
struct DriverName {
  Engine engine;
  std::string_view name;
};
constexpr DriverName kDrivers[] = {
    {Engine::kPostgres, "psycopg2"},      {Engine::kPostgres, "psycopg"},
    {Engine::kPostgres, "psycopg2cffi"},  {Engine::kPostgres, "asyncpg"},
    {Engine::kPostgres, "pg8000"},        {Engine::kMysql, "pymysql"},
    {Engine::kMysql, "mysqldb"},          {Engine::kMysql, "mysqlconnector"},
    {Engine::kMysql, "aiomysql"},         {Engine::kMysql, "asyncmy"},
    {Engine::kMysql, "mariadbconnector"}, {Engine::kSqlite, "pysqlite"},
};

std::string_view NameOf(Engine engine) {
  for (const DialectName& dialect : kDialects) {
    if (dialect.engine == engine) return dialect.name;
  }
  return "";
}

std::string DriversOf(Engine engine) {
  std::vector<std::string> names;
  for (const DriverName& driver : kDrivers) {
    if (driver.engine == engine) names.emplace_back(driver.name);
  }
  return absl::StrJoin(names, ", ");
}

template <typename... Args>
absl::Status Wrong(std::string_view flag, const Args&... what) {
  return absl::InvalidArgumentError(StrCat(flag, ": ", what...));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent-decoded; a "%" that begins no code stands for itself, as in Python.
// None: it has a NUL, which ends texts in libraries of databases.
std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        c = static_cast<char>(high * 16 + low);
        i += 2;
      }
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

// The text before `mark`, which is taken off `text` with the mark; all of it
// if there is no mark.
std::string_view TakeUpTo(std::string_view* text, char mark) {
  const size_t at = text->find(mark);
  const std::string_view before = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return before;
}

class Parser {
 public:
  Parser(std::string_view flag, DatabaseUri* uri) : flag_(flag), uri_(*uri) {}

  absl::Status Parse(std::string_view text) {
    if (text.size() > kDatabaseUriBytesMax) {
      return Wrong(flag_, "a URI has at most ", kDatabaseUriBytesMax,
                   " bytes.");
    }
    const size_t colon = text.find("://");
    if (colon == std::string_view::npos) {
      return Wrong(flag_, "the URI of a database begins like postgresql://.");
    }
    RETURN_IF_ERROR(Scheme(text.substr(0, colon)));
    text.remove_prefix(colon + 3);
    ASSIGN_OR_RETURN(const size_t end, AuthorityEnd(text));
    RETURN_IF_ERROR(Authority(text.substr(0, end)));
    text.remove_prefix(std::min(end, text.size()));
    const std::string_view path = TakeUpTo(&text, '?');
    if (!path.empty()) {
      // SQLAlchemy takes the name as it is written.
      uri_.database = std::string(path.substr(1));
      if (uri_.database.find('\0') != std::string::npos) return HasNul();
    }
    return Query(text);
  }

 private:
  absl::Status HasNul() const {
    return Wrong(flag_, "the URI holds the character U+0000.");
  }

  // Where the hosts end. As SQLAlchemy reads it, a user ends with the first ":"
  // or "@" if no "/" comes before, and a password with "@": it may hold "/" and
  // "?". What may as well be read otherwise is refused: one of the two readings
  // would show a part of the password as a host or a key.
  absl::StatusOr<size_t> AuthorityEnd(std::string_view text) const {
    constexpr size_t kNone = std::string_view::npos;
    const size_t first = text.find_first_of(":@/");
    const size_t at = text.find('@');
    if (at == kNone || text[first] == '/') return text.find_first_of("/?");
    const size_t slash = text.find('/');
    if (slash < at && text.find('?') < at &&
        (text.front() == '[' || EndsInPort(text.substr(0, slash)))) {
      return IsOpen();  // "host:5432/name?key=a@b"
    }
    const size_t end = text.find_first_of("/?", at);
    if (text[first] == ':' && end != kNone && text.find('@', end) != kNone) {
      return IsOpen();  // "user:a@b/c@host/name"
    }
    return end;
  }

  static bool EndsInPort(std::string_view text) {
    const std::string_view port = text.substr(text.rfind(':') + 1);
    return !port.empty() && std::all_of(port.begin(), port.end(), [](char c) {
      return c >= '0' && c <= '9';
    });
  }

  absl::Status IsOpen() const {
    return Wrong(flag_, "the URI can be read in two ways. Write %40 for each "
                 "'@' but the one before the host, and in a password %2F for "
                 "'/' and %3F for '?'.");
  }

  absl::Status Scheme(std::string_view scheme) {
    const std::string_view dialect = TakeUpTo(&scheme, '+');
    const DialectName* found = nullptr;
    for (const DialectName& known : kDialects) {
      if (known.name == dialect) found = &known;
    }
    if (found == nullptr) {
      return Wrong(flag_,
                   "there is no such kind of database; use postgresql://, "
                   "mysql:// or sqlite:///.");
    }
    uri_.engine = found->engine;
    if (scheme.empty()) return absl::OkStatus();
    for (const DriverName& known : kDrivers) {
      if (known.engine == uri_.engine && known.name == scheme) {
        uri_.driver = std::string(scheme);
        return absl::OkStatus();
      }
    }
    return Wrong(flag_, "the driver after '+' is not known; leave it out, or "
                 "name one of ", DriversOf(uri_.engine), ".");
  }

  absl::Status Authority(std::string_view authority) {
    const size_t at = authority.rfind('@');
    if (at != std::string_view::npos) {
      std::string_view password = authority.substr(0, at);
      const std::string_view user = TakeUpTo(&password, ':');
      const auto decoded_user = Decode(user, false);
      const auto decoded_password = Decode(password, false);
      if (!decoded_user || !decoded_password) return HasNul();
      uri_.user = *decoded_user;
      uri_.password = *decoded_password;
      authority.remove_prefix(at + 1);
    }
    if (authority.empty()) return absl::OkStatus();
    if (uri_.engine == Engine::kSqlite) {
      return Wrong(flag_, "a SQLite URI names no host: sqlite:///file.db is in "
                   "the working folder, sqlite:////folder/file.db elsewhere.");
    }
    for (absl::string_view host : absl::StrSplit(AbslView(authority), ',')) {
      RETURN_IF_ERROR(AddHost(StdView(host)));
    }
    return absl::OkStatus();
  }

  absl::Status AddHost(std::string_view text) {
    DatabaseUri::Host host;
    std::string_view port;
    if (text.starts_with('[')) {
      const size_t end = text.find(']');
      if (end == std::string_view::npos) {
        return Wrong(flag_, "an address in the URI lacks its ']'.");
      }
      host.name = std::string(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
      if (!text.empty() && text.front() != ':') {
        return Wrong(flag_, "after the ']' of an address comes ':' and a "
                     "port.");
      }
      port = text.empty() ? text : text.substr(1);
    } else {
      port = text;
      const auto name = Decode(TakeUpTo(&port, ':'), false);
      if (!name) return HasNul();
      host.name = *name;
    }
    if (!port.empty()) {
      ASSIGN_OR_RETURN(host.port, Port(port));
    }
    uri_.hosts.push_back(std::move(host));
    return absl::OkStatus();
  }

  absl::StatusOr<uint16_t> Port(std::string_view text) const {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(AbslView(text), &port) || port == 0 ||
        port > 65535) {
      return Wrong(flag_, "a port in the URI is not a number from 1 to 65535.");
    }
    return static_cast<uint16_t>(port);
  }

  absl::Status Query(std::string_view query) {
    std::vector<std::string> hosts, ports;
    while (!query.empty()) {
      std::string_view pair = TakeUpTo(&query, '&');
      if (pair.empty()) continue;
      const auto key = Decode(TakeUpTo(&pair, '='), true);
      const auto value = Decode(pair, true);
      if (!key || !value) return HasNul();
      if (*key == "host" && uri_.engine != Engine::kSqlite) {
        AddList(*value, &hosts);
      } else if (*key == "port" && uri_.engine != Engine::kSqlite) {
        AddList(*value, &ports);
      } else {
        uri_.query.emplace_back(*key, *value);
      }
    }
    return HostsOfQuery(hosts, ports);
  }

  static void AddList(const std::string& value,
                      std::vector<std::string>* list) {
    for (absl::string_view item : absl::StrSplit(value, ',')) {
      list->emplace_back(item);
    }
  }

  absl::Status HostsOfQuery(const std::vector<std::string>& hosts,
                            const std::vector<std::string>& ports) {
    if (!hosts.empty()) {
      if (!uri_.hosts.empty()) {
        return Wrong(flag_, "the URI names hosts both before the database and "
                     "in its query.");
      }
      for (const std::string& host : hosts) {
        // A folder, or a bare IPv6 address, has no port behind a colon.
        const bool is_bare =
            host.starts_with('/') || (!host.starts_with('[') &&
                                      host.find(':') != host.rfind(':'));
        if (is_bare) {
          uri_.hosts.push_back({.name = host});
        } else {
          RETURN_IF_ERROR(AddHost(host));
        }
      }
    }
    if (ports.empty()) return absl::OkStatus();
    if (uri_.hosts.empty()) uri_.hosts.emplace_back();
    if (ports.size() != 1 && ports.size() != uri_.hosts.size()) {
      return Wrong(flag_, "'port' in the URI's query gives one port, or one "
                   "for each host.");
    }
    for (size_t i = 0; i < uri_.hosts.size(); ++i) {
      ASSIGN_OR_RETURN(uri_.hosts[i].port,
                       Port(ports[ports.size() == 1 ? 0 : i]));
    }
    return absl::OkStatus();
  }

  const std::string_view flag_;
  DatabaseUri& uri_;
};

}  // namespace

std::string DatabaseUri::Redacted() const {
  std::string out = StrCat(NameOf(engine), "://");
  std::string_view separator;
  for (const Host& host : hosts) {
    const bool is_ipv6 = host.name.find(':') != std::string::npos;
    StrAppend(&out, separator, is_ipv6 ? "[" : "", host.name,
              is_ipv6 ? "]" : "");
    if (host.port != 0) StrAppend(&out, ":", host.port);
    separator = ",";
  }
  StrAppend(&out, "/", database);
  return out;
}

absl::StatusOr<DatabaseUri> ParseDatabaseUri(std::string_view text,
                                             std::string_view flag) {
  DatabaseUri uri;
  RETURN_IF_ERROR(Parser(flag, &uri).Parse(text));
  return uri;
}

bool IsDatabaseUri(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return false;
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view dialect = scheme.substr(0, scheme.find('+'));
  for (const DialectName& known : kDialects) {
    if (known.name == dialect) return true;
  }
  return false;
}

}  // namespace millstream::storage::sql
