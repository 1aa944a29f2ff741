#include "server/random_name.h"

#include <cstdint>
#include <iterator>
#include <string_view>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

// No word has more than seven letters: "adjective-noun-1000" fits 20.
constexpr std::string_view kAdjectives[] = {
    "airy",   "alert",  "amber",  "ample",  "apt",    "azure",  "balmy",
    "bold",   "brave",  "breezy", "bright", "brisk",  "bronze", "calm",
    "candid", "clean",  "clear",  "clever", "coral",  "cosy",   "crisp",
    "daring", "deep",   "deft",   "dewy",   "eager",  "early",  "easy",
    "fair",   "fancy",  "fine",   "firm",   "fleet",  "fresh",  "frosty",
    "gentle", "giddy",  "glad",   "golden", "grand",  "green",  "happy",
    "hardy",  "hazel",  "hidden", "humble", "ivory",  "jolly",  "keen",
    "kind",   "late",   "light",  "lively", "lucid",  "lunar",  "mellow",
    "merry",  "mild",   "mossy",  "neat",   "nimble", "noble",  "olive",
    "open",   "patient", "placid", "plain",  "polite", "prime",  "proud",
    "pure",   "quick",  "quiet",  "rapid",  "ready",  "rosy",   "royal",
    "ruby",   "rustic", "sandy",  "serene", "sharp",  "silent", "silver",
    "simple", "sleek",  "smooth", "snowy",  "solar",  "solid",  "spry",
    "steady", "still",  "stormy", "sturdy", "sunny",  "swift",  "tidy",
    "vivid",  "warm",   "whole",  "windy",  "wise",   "witty",  "young",
    "zesty"};
constexpr std::string_view kNouns[] = {
    "acorn",  "alder",  "anchor", "apple",  "arch",   "aspen",  "badger",
    "barley", "basin",  "bay",    "beacon", "beech",  "birch",  "bloom",
    "brook",  "canyon", "cedar",  "cliff",  "cloud",  "clover", "cobalt",
    "comet",  "copper", "cove",   "crater", "creek",  "dale",   "dawn",
    "delta",  "dune",   "dusk",   "ember",  "falcon", "fern",   "field",
    "finch",  "fjord",  "flame",  "flint",  "forest", "fox",    "garnet",
    "glade",  "gorge",  "grain",  "grove",  "gulf",   "harbor", "hare",
    "heron",  "hill",   "inlet",  "island", "jade",   "kelp",   "lagoon",
    "lake",   "larch",  "lark",   "leaf",   "lichen", "lotus",  "lynx",
    "maple",  "marble", "marsh",  "meadow", "mesa",   "mill",   "mist",
    "moon",   "moor",   "oak",    "oasis",  "onyx",   "opal",   "orchid",
    "osprey", "otter",  "owl",    "peak",   "pebble", "pine",   "plum",
    "pond",   "poplar", "quarry", "quartz", "rain",   "raven",  "reed",
    "reef",   "ridge",  "river",  "robin",  "sage",   "shore",  "slate",
    "spring", "spruce", "star",   "stone",  "stream", "summit", "tern",
    "thyme",  "tide",   "trail",  "tundra", "valley", "vine",   "wave",
    "willow", "wren"};
constexpr int kNumberMax = 1000;

absl::BitGen& Random() {
  thread_local absl::BitGen random;
  return random;
}

template <size_t n>
std::string_view OneOf(const std::string_view (&words)[n]) {
  return words[absl::Uniform<size_t>(Random(), 0, n)];
}

}  // namespace

std::string NewRunId() {
  // Version 4, variant 1, as in RFC 4122.
  const uint64_t high =
      (absl::Uniform<uint64_t>(Random()) & ~0xf000ull) | 0x4000ull;
  const uint64_t low =
      (absl::Uniform<uint64_t>(Random()) >> 2) | (uint64_t{1} << 63);
  return absl::StrCat(absl::Hex(high, absl::kZeroPad16),
                      absl::Hex(low, absl::kZeroPad16));
}

std::string RandomRunName() {
  return StrCat(OneOf(kAdjectives), "-", OneOf(kNouns), "-",
                absl::Uniform<int>(absl::IntervalClosed, Random(), 0,
                                   kNumberMax));
}

}  // namespace millstream::server
