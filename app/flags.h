// The command line of millstream: for the server, and for each command beside
// it, one table of flags, their environment variables, and what we make of
// each. --help, parsing and docs/flags.md all come from them.
#ifndef MILLSTREAM_APP_FLAGS_H_
#define MILLSTREAM_APP_FLAGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace millstream::app {

// What becomes of a flag of `mlflow server`.
enum class Policy {
  // Does what it does there.
  kSupported,
  // Taken, and put into effect in our own way; the note says how.
  kMapped,
  // Taken with a warning: it has nothing to act on here.
  kIgnored,
  // The server does not start: what it asks for would silently be missing.
  kRefused,
  // Ours; mlflow has no such flag.
  kOwn,
};

struct Flag {
  // Group in --help.
  std::string_view topic;
  // Without dashes; `letter` is the short form or empty.
  std::string_view name;
  std::string_view letter;
  // Environment variable that sets it; the flag wins.
  std::string_view environment;
  // What to call its value in --help; empty for one that is on or off. An
  // on/off flag has a "no-" form if `negatable`.
  std::string_view value;
  std::string_view fallback;
  Policy policy;
  std::string_view help;
  // For all policies but kSupported and kOwn: why, and what to do instead.
  std::string_view note;
  bool negatable = false;
};

// In the order of --help. Lives for ever.
absl::Span<const Flag> ServerFlags();

// A command that does one thing and ends.
struct Tool {
  std::string_view name;
  std::string_view help;
  // Behind the flags in its --help: how to use it.
  std::string_view footer;
  absl::Span<const Flag> flags;
};

// In the order of --help. Lives for ever.
absl::Span<const Tool> Tools();

// What a command line came to.
struct ParsedFlags {
  // Name of a tool; empty: the server. `values` has the flags of that alone.
  std::string tool;
  // By flag name; fallbacks included. On/off flags are "true" or "false".
  absl::flat_hash_map<std::string, std::string> values;
  // Names of those that the command line or the environment set.
  absl::flat_hash_set<std::string> given;
  // Flags that were set, and set to nothing: by flag name, how whoever did it
  // knows it (the flag, or its variable).
  absl::flat_hash_map<std::string, std::string> set_to_nothing;
  // The command was "container": what is not given is told by the environment
  // in other ways (app/container.h).
  bool container = false;
  // Flags of policy kIgnored that were given, as sentences for the log.
  std::vector<std::string> warnings;
  // If not empty: print this and end well (--help, --version).
  std::string print;
};

// Reads `arguments` (without the program's name) and the environment.
// INVALID_ARGUMENT, naming the flag and what to do: an unknown flag or
// command, a missing value, a refused flag.
absl::StatusOr<ParsedFlags> ParseFlags(
    const std::vector<std::string>& arguments);

// The table as Markdown, for docs/flags.md.
std::string FlagsAsMarkdown();

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_FLAGS_H_
