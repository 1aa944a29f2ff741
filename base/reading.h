// A number that a part of the server knows about itself, for whoever watches
// it. Parts hand these out without knowing where they are shown.
#ifndef MILLSTREAM_BASE_READING_H_
#define MILLSTREAM_BASE_READING_H_

#include <string_view>
#include <vector>

namespace millstream {

// Plain data. All text is constant: it lives as long as the program.
struct Reading {
  // kGauge goes up and down; kCounter only up, from the server's start.
  enum class Kind { kGauge, kCounter };

  // As Prometheus wants it: lower case with "_", ending in the unit, and in
  // "_total" if it is a counter.
  std::string_view name;
  // One sentence. Readings of one name have the same.
  std::string_view help;
  Kind kind = Kind::kGauge;
  double value = 0;
  // Tells readings of one name apart; empty if there is but one.
  std::string_view label_name = {};
  std::string_view label_value = {};
};

using Readings = std::vector<Reading>;

}  // namespace millstream

#endif  // MILLSTREAM_BASE_READING_H_
