#include "gateway/security.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

constexpr std::string_view kMethods = "GET, POST, PUT, DELETE, OPTIONS, PATCH";

bool ChangesState(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// Without charset, as the reference sends it.
HttpReply Refusal(std::string message) {
  HttpReply reply;
  reply.status = 403;
  reply.content_type = "text/plain";
  reply.body = std::move(message);
  return reply;
}

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(AbslView(text));
}

// Header values of callers that come back to them: one line, printable.
bool IsPlainValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace

absl::StatusOr<Security::HostPattern> Security::ParsePattern(
    std::string_view text) {
  HostPattern pattern;
  if (text.find('/') != std::string_view::npos) {
    pattern.network = ParseNetwork(text);
    if (pattern.network.has_value()) return pattern;
    return absl::InvalidArgumentError(
        StrCat("--allowed-hosts: \"", text, "\" is no network."));
  }
  std::string name = Lower(text);
  // "name:*" is "name": ports make no difference unless one is given.
  const size_t colon = name.rfind(':');
  if (colon != std::string::npos && name.find(':') == colon) {
    pattern.port = name.substr(colon + 1);
    if (pattern.port == "*") pattern.port.clear();
    name.resize(colon);
  } else if (name.size() > 1 && name.front() == '[') {
    const size_t end = name.find(']');
    if (end == std::string::npos) {
      return absl::InvalidArgumentError(
          StrCat("--allowed-hosts: \"", text, "\" lacks a \"]\"."));
    }
    if (end + 2 < name.size()) pattern.port = name.substr(end + 2);
    if (pattern.port == "*") pattern.port.clear();
    name = name.substr(1, end - 1);
  }
  if (name.empty()) {
    return absl::InvalidArgumentError("--allowed-hosts: a name is empty.");
  }
  pattern.numeric = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isdigit(c) || c == '.' || c == '*';
  });
  pattern.name = std::move(name);
  return pattern;
}

absl::StatusOr<std::unique_ptr<Security>> Security::Create(
    const RestOptions& options) {
  auto security = std::make_unique<Security>();
  security->enabled_ = !options.disable_security_middleware;
  // Files of users are never to be taken for anything but what we say.
  security->fixed_headers_ = "X-Content-Type-Options: nosniff\r\n";
  if (!security->enabled_) return security;
  for (const std::string& text : options.allowed_hosts) {
    if (text == "*") {
      security->any_host_ = true;
      continue;
    }
    absl::StatusOr<HostPattern> pattern = ParsePattern(text);
    if (!pattern.ok()) return std::move(pattern).status();
    security->hosts_.push_back(*std::move(pattern));
  }
  security->anybody_ = security->any_host_ && !options.asks_for_credentials;
  for (const std::string& text : options.cors_allowed_origins) {
    if (text == "*") {
      security->any_origin_ = true;
    } else if (text.find("://") == std::string::npos) {
      return absl::InvalidArgumentError(
          StrCat("--cors-allowed-origins: \"", text,
                 "\" is no origin, such as https://example.com."));
    } else {
      security->origins_.push_back(Lower(text));
    }
  }
  const std::string frames = absl::AsciiStrToUpper(options.x_frame_options);
  if (frames == "SAMEORIGIN" || frames == "DENY") {
    StrAppend(&security->fixed_headers_, "X-Frame-Options: ", frames, "\r\n");
  } else if (frames != "NONE" && !frames.empty()) {
    return absl::InvalidArgumentError(
        StrCat("--x-frame-options: \"", options.x_frame_options,
               "\" is none of SAMEORIGIN, DENY and NONE."));
  }
  security->fixed_headers_ += "Vary: Origin\r\n";
  return security;
}

bool Security::IsAllowedHost(const Host& host) const {
  if (any_host_) return true;
  if (hosts_.empty()) return IsThisMachine(host) || IsPrivate(host);
  for (const HostPattern& pattern : hosts_) {
    if (pattern.network.has_value()) {
      if (host.address.has_value() &&
          pattern.network->Contains(*host.address)) {
        return true;
      }
      continue;
    }
    // "10.*" is meant for addresses: "10.example.com" is none.
    if (pattern.numeric && !host.address.has_value()) continue;
    if (!pattern.port.empty() && pattern.port != host.port) continue;
    if (MatchesWildcard(host.name, pattern.name)) return true;
  }
  return false;
}

bool Security::MayRead(std::string_view origin) const {
  if (any_origin_) return true;
  const std::optional<Origin> parsed = ParseOrigin(origin);
  if (parsed.has_value() && parsed->scheme == "http" &&
      IsThisMachine(parsed->host)) {
    return true;
  }
  const std::string lower = Lower(origin);
  return std::any_of(
      origins_.begin(), origins_.end(),
      [&](const std::string& one) { return MatchesWildcard(lower, one); });
}

bool Security::MayChange(std::string_view origin,
                         const std::string& host) const {
  if (MayRead(origin)) return true;
  const std::optional<Origin> parsed = ParseOrigin(origin);
  if (!parsed.has_value()) return false;
  if (IsThisMachine(parsed->host)) return true;
  // The server's own pages, unless anybody's name is taken for the server's.
  const std::optional<Host> own = ParseHost(host);
  return !anybody_ && own.has_value() && parsed->host.name == own->name &&
         parsed->host.port == own->port;
}

std::optional<HttpReply> Security::Check(const RequestHead& head,
                                         const std::string& host,
                                         Path path) const {
  if (!enabled_) return std::nullopt;
  if (path == Path::kOrdinary && !any_host_) {
    const std::optional<Host> parsed = ParseHost(host);
    if (!parsed.has_value() || !IsAllowedHost(*parsed)) {
      return Refusal(
          "Invalid Host header: this server does not go by that name. If it "
          "should, start it with --allowed-hosts and the name (and localhost, "
          "if that is used too).");
    }
  }
  const std::string_view origin = head.Header("origin").value_or("");
  if (!origin.empty() && ChangesState(head.method) &&
      !MayChange(origin, host)) {
    return Refusal(
        "Cross-origin request blocked: pages of that origin may not change "
        "anything here. If they should, start the server with "
        "--cors-allowed-origins and the origin.");
  }
  return std::nullopt;
}

std::optional<HttpReply> Security::Preflight(const RequestHead& head) const {
  if (!enabled_ || head.method != "OPTIONS") return std::nullopt;
  const std::optional<std::string_view> origin = head.Header("origin");
  const std::optional<std::string_view> method =
      head.Header("access-control-request-method");
  if (!origin.has_value() || !method.has_value()) return std::nullopt;
  HttpReply reply = TextReply(200, "OK");
  if (!MayRead(*origin)) {
    reply = TextReply(400,
                      "Disallowed CORS origin. Start the server with "
                      "--cors-allowed-origins and the origin to allow it.");
  } else if (kMethods.find(*method) == std::string_view::npos) {
    reply = TextReply(400, "Disallowed CORS method.");
  }
  reply.AddHeader("Access-Control-Allow-Methods", std::string(kMethods));
  reply.AddHeader("Access-Control-Max-Age", "600");
  reply.AddHeader("Vary",
                  "Access-Control-Request-Method, "
                  "Access-Control-Request-Headers, "
                  "Access-Control-Request-Private-Network");
  if (const auto headers = head.Header("access-control-request-headers");
      headers.has_value() && IsPlainValue(*headers)) {
    reply.AddHeader("Access-Control-Allow-Headers", std::string(*headers));
  }
  return reply;
}

void Security::AppendHeaders(const RequestHead& head, std::string* out) const {
  out->append(fixed_headers_);
  if (!enabled_) return;
  const std::optional<std::string_view> origin = head.Header("origin");
  if (!origin.has_value()) return;
  out->append("Access-Control-Expose-Headers: *\r\n");
  if (any_origin_) {
    // Any origin, but none with the user's cookies or passwords.
    out->append("Access-Control-Allow-Origin: *\r\n");
    return;
  }
  out->append("Access-Control-Allow-Credentials: true\r\n");
  if (IsPlainValue(*origin) && MayRead(*origin)) {
    StrAppend(out, "Access-Control-Allow-Origin: ", *origin, "\r\n");
  }
}

}  // namespace millstream::gateway
