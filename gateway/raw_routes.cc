#include "gateway/raw_routes.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/str_cat.h"
#include "gateway/error_body.h"
#include "gateway/ui_files.h"
#include "monitoring/monitor.h"

namespace millstream::gateway {
namespace {

// Answers the same whatever it is asked.
class FixedHandler final : public Handler {
 public:
  FixedHandler(std::string name, std::function<HttpReply()> answer,
               bool open = false)
      : name_(std::move(name)), answer_(std::move(answer)), open_(open) {}

  bool is_instant() const override { return true; }
  bool is_open() const override { return open_; }
  HttpReply Answer(const Request&, std::string*) const override {
    return answer_();
  }
  std::string name() const override { return name_; }

 private:
  const std::string name_;
  const std::function<HttpReply()> answer_;
  const bool open_;
};

HttpReply HtmlText(int status, std::string text) {
  HttpReply reply = TextReply(status, std::move(text));
  reply.content_type = "text/html; charset=utf-8";
  return reply;
}

// Administrators make users with it. Its script calls the API, as programs do:
// what it may do is what the browser's user may.
constexpr char kSignupPage[] = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>New user</title>
<style>
body { font: 16px sans-serif; max-width: 24em; margin: 4em auto }
label, input, button { display: block; width: 100%; margin: .5em 0 }
input, button { font: inherit; padding: .5em; box-sizing: border-box }
</style></head><body><h1>New user</h1>
<form id="form">
<label for="username">Username</label>
<input id="username" required autocomplete="off">
<label for="password">Password (at least 12 characters)</label>
<input id="password" type="password" required minlength="12"
 autocomplete="new-password">
<button>Sign up</button></form><p id="said" role="status"></p>
<script>
document.getElementById('form').onsubmit = async (event) => {
  event.preventDefault();
  const said = document.getElementById('said');
  const value = (id) => document.getElementById(id).value;
  const answer = await fetch('ajax-api/2.0/mlflow/users/create', {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({username: value('username'),
                          password: value('password')})});
  said.textContent = answer.ok ? `User ${value('username')} was made.`
                               : (await answer.json()).message;
  if (answer.ok) event.target.reset();
};
</script></body></html>
)html";

// Where a route of the table below lies; "2.0" and "3.0" are versions.
struct Absent {
  std::string_view methods;
  // Below /ajax-api/<version>/mlflow, and below /api/... too unless the UI
  // alone asks for it.
  std::string_view version;
  std::string_view path;
  // What a server answers that has none of the things asked for; empty for
  // writes, which are refused.
  std::string_view none;
  bool ui_only = false;
};

// Parts of MLflow that are not here (yet). The UI reads them on its pages, and
// shows that there are none; whoever wants to write is told that it cannot be.
constexpr Absent kAbsent[] = {
    // The UI's own switches: nothing is reported to anybody.
    {"GET", "3.0", "ui-telemetry",
     R"({"disable_ui_events":[],"disable_ui_telemetry":true,)"
     R"("ui_rollout_percentage":0})",
     true},
    {"POST", "3.0", "ui-telemetry", R"({"status":"disabled"})", true},
    {"GET", "3.0", "assistant/config",
     R"({"providers":{},"projects":{},"remote_access_allowed":false})", true},
    {"GET", "3.0", "assistant/providers",
     R"({"providers":[],"resolved":null,"gateway_vendor_options":{}})", true},
    {"GET", "2.0", "gateway-proxy", R"({"endpoints":[]})", true},
    {"POST", "2.0", "gateway-proxy", "", true},
    // Traces.
    {"POST", "3.0", "traces/search", "{}"},
    {"POST", "3.0", "traces/metrics", "{}"},
    {"GET", "2.0", "traces", "{}"},
    {"POST", "2.0", "traces", ""},
    {"POST", "3.0", "traces", ""},
    {"POST", "2.0", "traces/delete-traces", ""},
    {"POST", "3.0", "traces/delete-traces", ""},
    // Evaluation.
    {"GET", "3.0", "scorers/list", "{}"},
    {"POST", "3.0", "scorers/register", ""},
    {"POST", "3.0", "datasets/search", "{}"},
    {"POST", "3.0", "datasets/create", ""},
    {"GET", "3.0", "label-schemas/list", "{}"},
    {"GET", "3.0", "review-queues/list", "{}"},
    {"GET", "3.0", "review-queues/items/list", "{}"},
    {"POST", "3.0", "review-queues/get-or-create-user", ""},
    {"POST", "2.0", "runs/create-promptlab-run", "", true},
    // Administration.
    {"GET", "2.0", "webhooks", "{}"},
    {"POST", "2.0", "webhooks", ""},
    {"GET", "3.0", "gateway/endpoints/list", "{}"},
    {"GET", "3.0", "gateway/endpoints/bindings/list", "{}"},
    {"GET", "3.0", "gateway/model-definitions/list", "{}"},
    {"GET", "3.0", "gateway/secrets/list", "{}"},
    {"GET", "3.0", "gateway/secrets/config",
     R"({"secrets_available":false,"using_default_passphrase":false})"},
    {"POST", "3.0", "gateway/endpoints/create", ""},
    {"POST", "3.0", "gateway/secrets/create", ""},
    {"GET", "3.0", "mcp-servers",
     R"({"mcp_servers":[],"next_page_token":null})"},
    {"POST", "3.0", "mcp-servers", ""},
};

HttpReply AbsentReply(const Absent& row) {
  if (!row.none.empty()) return JsonReply(200, std::string(row.none));
  return ErrorReply(MakeError(
      v1::NOT_IMPLEMENTED,
      StrCat("This server does not have ", row.path, " of MLflow's API.")));
}

void AddAbsent(std::string_view prefix, RouteTableBuilder* routes) {
  for (const Absent& row : kAbsent) {
    const auto handler = std::make_shared<FixedHandler>(
        row.none.empty() ? "not implemented" : "none of them",
        [&row] { return AbsentReply(row); });
    for (const std::string_view root : {"/api/", "/ajax-api/"}) {
      if (row.ui_only && root == "/api/") continue;
      routes->Add(row.methods,
                  StrCat(prefix, root, row.version, "/mlflow/", row.path),
                  handler);
    }
  }
}

// Workspaces are off, and say so.
void AddWorkspaces(std::string_view prefix, RouteTableBuilder* routes) {
  const auto handler = std::make_shared<FixedHandler>("workspaces off", [] {
    return HtmlText(503, "This server has no workspaces.");
  });
  for (const std::string_view root : {"/api/", "/ajax-api/"}) {
    const std::string all = StrCat(prefix, root, "3.0/mlflow/workspaces");
    const std::string one = StrCat(all, "/{workspace_name}");
    for (const std::string_view method : {"GET", "POST"}) {
      routes->Add(method, all, handler);
    }
    for (const std::string_view method : {"GET", "PATCH", "DELETE"}) {
      routes->Add(method, one, handler);
    }
  }
}

}  // namespace

void AddRawRoutes(const RestOptions& options, RouteTableBuilder* routes) {
  const std::string& prefix = options.static_prefix;
  routes->Add("GET", StrCat(prefix, "/health"),
              std::make_shared<FixedHandler>(
                  "health", [] { return TextReply(200, "OK"); },
                  /*open=*/true));
  routes->Add("GET", StrCat(prefix, "/version"),
              std::make_shared<FixedHandler>(
                  "version", [] { return HtmlText(200, kMlflowVersion); }));
  if (monitoring::Monitor* const monitor = options.monitor;
      monitor != nullptr) {
    // As the reference does, whatever the prefix.
    routes->Add("GET", kMonitorPath,
                std::make_shared<FixedHandler>("metrics", [monitor] {
                  HttpReply reply = TextReply(200, monitor->Text());
                  reply.content_type = monitoring::kTextFormat;
                  return reply;
                }));
  }
  routes->Add("GET", StrCat(prefix, "/"),
              MakeUiPageHandler(options.ui_dir));
  routes->Add("GET", StrCat(prefix, "/static-files/{path=**}"),
              MakeUiFileHandler(options.ui_dir));
  if (options.signup_page) {
    routes->Add("GET", StrCat(prefix, "/signup"),
                std::make_shared<FixedHandler>("signup page", [] {
                  return HtmlText(200, std::string(kSignupPage));
                }));
  }
  AddAbsent(prefix, routes);
  AddWorkspaces(prefix, routes);
}

}  // namespace millstream::gateway
