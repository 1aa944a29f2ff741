#include "app/flags.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "app/version.h"

namespace millstream::app {
namespace {

constexpr char kDescription[] =
    "millstream: an experiment tracking server that speaks MLflow's API.";

constexpr char kServer[] = "server";
constexpr char kServerHelp[] = "Run the server (REST API, UI, gRPC API).";
constexpr char kContainer[] = "container";
constexpr char kContainerHelp[] =
    "Run the server in a container: with the database and the bucket that the "
    "environment names (docs/deployment.md).";

constexpr char kFooter[] = R"(
Start, and log a run with the mlflow client you have:
  millstream server
  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py

For others on your network:
  millstream server --host 0.0.0.0 --allowed-hosts tracking.example.com

Every flag can be set by its environment variable; the flag wins.
Flags of `mlflow server` that differ here: docs/flags.md)";

constexpr char kContainerFooter[] = R"(
What flags do not say is read as published images of mlflow read it. The
database, by the first of these that is set:
  MLFLOW_BACKEND_URI    a whole URI
  SECRET_NAME           a secret of AWS Secrets Manager
  MLFLOW_DB_DATABASE    with MLFLOW_DB_USERNAME, _PASSWORD, _HOST, _PORT, and
                        MLFLOW_DB_DIALECT (mysql+pymysql)
  RDS_HOSTNAME          with RDS_PORT, RDS_DB_NAME, RDS_USERNAME, RDS_PASSWORD
  DATABASE              of PostgreSQL, with HOST, PORT, USERNAME, PASSWORD
Artifacts: MLFLOW_ARTIFACT_URI, or the S3 bucket BUCKET. It listens on all
interfaces unless --host says otherwise.

  docker run -e DATABASE=mlflow -e HOST=db -e USERNAME=me -e PASSWORD=... \
    -e BUCKET=models IMAGE container

Every flag can be set by its environment variable; the flag wins. More in
docs/deployment.md)";

// Where CLI11 puts what it read for one flag.
struct Slot {
  const Flag* flag = nullptr;
  std::string text;
  bool on = false;
  CLI::Option* option = nullptr;
};

std::string Spelling(const Flag& flag) {
  std::string names = absl::StrCat("--", std::string(flag.name));
  if (flag.negatable)
    absl::StrAppend(&names, ",!--no-", std::string(flag.name));
  if (!flag.letter.empty()) {
    names = absl::StrCat("-", std::string(flag.letter), ",", names);
  }
  return names;
}

std::string HelpText(const Flag& flag) {
  std::string help(flag.help);
  if (flag.policy == Policy::kIgnored) {
    help = absl::StrCat("No effect: ", std::string(flag.note), ".");
  } else if (flag.policy == Policy::kRefused) {
    help = absl::StrCat("Refused: ", std::string(flag.note), ".");
  }
  if (!flag.fallback.empty() && (!flag.value.empty() || flag.negatable)) {
    absl::StrAppend(&help, " [", std::string(flag.fallback), "]");
  }
  return help;
}

// CLI11 calls an on/off flag's other form "--no-x{false}".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option,
                               bool is_positional) const override {
    return absl::StrReplaceAll(
        Formatter::make_option_name(option, is_positional), {{"{false}", ""}});
  }
};

// What is wrong with a command line, to somebody who mistyped it.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  // As they were given: `app` keeps those before a command, or without one.
  const std::vector<std::string> extra = app.remaining(true);
  if (extra.empty()) return error.what();
  if (absl::StartsWith(extra[0], "-")) {
    // Without its value, which may be a password.
    return absl::StrCat("There is no flag ",
                        extra[0].substr(0, extra[0].find('=')));
  }
  if (app.get_subcommands().empty()) {
    return absl::StrCat("There is no command '", extra[0], "'");
  }
  return absl::StrCat("'", extra[0], "' belongs to no flag");
}

// Which --help somebody who mistyped a command line should read.
std::string WhatToRead(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  if (commands.empty()) return "`millstream --help` lists the commands";
  return absl::StrCat("`millstream ", commands.front()->get_name(),
                      " --help` lists the flags");
}

void Add(CLI::App* app, Slot* slot) {
  const Flag& flag = *slot->flag;
  const std::string help = HelpText(flag);
  if (flag.value.empty()) {
    slot->on = flag.fallback == "true";
    slot->option = app->add_flag(Spelling(flag), slot->on, help);
  } else {
    slot->option = app->add_option(Spelling(flag), slot->text, help)
                       ->type_name(std::string(flag.value));
  }
  slot->option->group(std::string(flag.topic));
  if (!flag.environment.empty()) {
    slot->option->envname(std::string(flag.environment));
  }
}

// Where a flag was set to nothing, its variable or itself; else empty.
std::string SetToNothing(const Slot& slot) {
  const Flag& flag = *slot.flag;
  if (flag.value.empty() || !slot.text.empty()) return "";
  if (slot.option->count() > 0) {
    return absl::StrCat("--", std::string(flag.name));
  }
  // CLI11 passes such a variable over.
  const bool is_set = !flag.environment.empty() &&
                      std::getenv(flag.environment.data()) != nullptr;
  return is_set ? std::string(flag.environment) : "";
}

// The slots stay where they are while the vector lives or is moved.
std::vector<Slot> AddAll(CLI::App* app, absl::Span<const Flag> flags) {
  std::vector<Slot> slots(flags.size());
  for (size_t i = 0; i < flags.size(); ++i) {
    slots[i].flag = &flags[i];
    Add(app, &slots[i]);
  }
  return slots;
}

std::string Name(const Slot& slot) {
  std::string name = absl::StrCat("--", std::string(slot.flag->name));
  // The same rule as CLI11's: the flag wins where both are given.
  const char* env = slot.flag->environment.empty()
                        ? nullptr
                        : std::getenv(slot.flag->environment.data());
  if (env != nullptr) {
    absl::StrAppend(&name, " (or ", std::string(slot.flag->environment), ")");
  }
  return name;
}

absl::Status Collect(const Slot& slot, ParsedFlags* parsed) {
  const Flag& flag = *slot.flag;
  const bool given = slot.option->count() > 0;
  std::string value(flag.fallback);
  if (flag.value.empty()) {
    value = slot.on ? "true" : "false";
  } else if (given) {
    value = slot.text;
  }
  // An on/off flag set to what holds anyway asks for nothing.
  const bool asks =
      given && !(flag.value.empty() && value == std::string(flag.fallback));
  if (asks && flag.policy == Policy::kRefused) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(slot), " is not supported: ", std::string(flag.note), "."));
  }
  if (asks && flag.policy == Policy::kIgnored) {
    parsed->warnings.push_back(absl::StrCat(
        Name(slot), " has no effect: ", std::string(flag.note), "."));
  }
  if (given) parsed->given.insert(std::string(flag.name));
  if (std::string by = SetToNothing(slot); !by.empty()) {
    parsed->set_to_nothing[std::string(flag.name)] = std::move(by);
  }
  parsed->values[std::string(flag.name)] = std::move(value);
  return absl::OkStatus();
}

const char* PolicyName(Policy policy) {
  switch (policy) {
    case Policy::kSupported:
      return "supported";
    case Policy::kMapped:
      return "mapped";
    case Policy::kIgnored:
      return "accepted, no effect";
    case Policy::kRefused:
      return "refused";
    case Policy::kOwn:
      return "ours";
  }
  return "";
}

void AppendTable(absl::Span<const Flag> flags, std::string* text) {
  absl::StrAppend(text,
                  "| flag | environment | default | here | what it does |\n"
                  "|---|---|---|---|---|\n");
  for (const Flag& flag : flags) {
    std::string name = absl::StrCat("`--", std::string(flag.name), "`");
    if (!flag.letter.empty()) {
      name = absl::StrCat("`-", std::string(flag.letter), "`, ", name);
    }
    if (flag.negatable) {
      absl::StrAppend(&name, ", `--no-", std::string(flag.name), "`");
    }
    std::string what(flag.help);
    if (!flag.note.empty()) {
      absl::StrAppend(&what, " Here: ", std::string(flag.note), ".");
    }
    std::string environment =
        flag.environment.empty()
            ? ""
            : absl::StrCat("`", std::string(flag.environment), "`");
    absl::StrAppend(
        text, "| ", name, " | ", environment, " | ",
        std::string(flag.fallback), " | ", PolicyName(flag.policy), " | ",
        absl::StrReplaceAll(what, {{"<", "&lt;"}, {"|", "\\|"}}), " |\n");
  }
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(
    const std::vector<std::string>& arguments) {
  CLI::App app(kDescription, "millstream");
  app.set_help_flag("--help", "Show this and end.");
  app.set_version_flag("--version", std::string(kVersion),
                       "Show the version and end.");
  // Commands inherit it.
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  ParsedFlags parsed;
  parsed.container = !arguments.empty() && arguments.front() == kContainer;
  // Two commands with the same flags, of which one is used.
  CLI::App* server = app.add_subcommand(kServer, kServerHelp);
  server->alias("ui");
  server->footer(kFooter);
  CLI::App* container = app.add_subcommand(kContainer, kContainerHelp);
  container->footer(kContainerFooter);
  std::vector<Slot> slots =
      AddAll(parsed.container ? container : server, ServerFlags());
  std::vector<std::vector<Slot>> tool_slots;
  for (const Tool& tool : Tools()) {
    CLI::App* command = app.add_subcommand(std::string(tool.name),
                                           std::string(tool.help));
    command->footer(std::string(tool.footer));
    tool_slots.push_back(AddAll(command, tool.flags));
  }

  try {
    // CLI11 takes them from the back.
    app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    parsed.print = app.help();
    return parsed;
  } catch (const CLI::CallForVersion&) {
    parsed.print = absl::StrCat("millstream ", kVersion, "\n");
    return parsed;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(Explain(app, error), " (", WhatToRead(app), ")"));
  }
  for (size_t i = 0; i < Tools().size(); ++i) {
    const std::string name(Tools()[i].name);
    if (!app.got_subcommand(name)) continue;
    parsed.tool = name;
    slots = std::move(tool_slots[i]);
  }
  for (const Slot& slot : slots) {
    if (absl::Status status = Collect(slot, &parsed); !status.ok()) {
      return status;
    }
  }
  return parsed;
}

std::string FlagsAsMarkdown() {
  std::string text =
      "# Flags\n\n"
      "Made by `bazel run //app:flags_doc > docs/flags.md` from "
      "app/flag_table.cc; a test holds them together.\n\n"
      "\"supported\" does what `mlflow server` does; \"refused\" keeps the "
      "server from starting, because what the flag asks for would silently be "
      "missing; \"ours\" are not in mlflow.\n\n";
  AppendTable(ServerFlags(), &text);
  for (const Tool& tool : Tools()) {
    absl::StrAppend(&text, "\n## millstream ", std::string(tool.name), "\n\n",
                    std::string(tool.help),
                    " `--help` says more, [backup.md](backup.md) all.\n\n");
    AppendTable(tool.flags, &text);
  }
  return text;
}

}  // namespace millstream::app
