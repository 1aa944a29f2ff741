// URIs by their parts, split as the clients' libraries split them.
//
// All functions are thread-safe and never fail: what is no URI is a path.
#ifndef MILLSTREAM_SERVER_URI_H_
#define MILLSTREAM_SERVER_URI_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millstream::server {

struct Uri {
  std::string scheme;     // lower case; empty if there is none
  std::string authority;  // between "//" and the next of "/?#"
  std::string path;       // not decoded, without query and fragment

  // The authority's host, lower case, without user and port.
  std::string Host() const;
};

// Control characters and blanks before the URI, and tabs and line ends in it,
// are dropped, as clients do. With `fragments` false a '#' is an ordinary
// character.
Uri SplitUri(std::string_view text, bool fragments = true);

// Whether the client of such a URI connects to the host that it names: the
// server must not be made to. An mlflow-artifacts URI without a host is this
// server.
bool NamesHostToCall(const Uri& uri);

// %41 becomes A; what is no escape stays. With `plus` a '+' becomes a blank.
std::string DecodePercent(std::string_view text, bool plus = false);

// The same until nothing is left to decode; nothing if that takes more than
// limits::kEncodingsMax times. What is in it however the sender encoded it: a
// ".." that any number of decodings would bring out.
std::optional<std::string> DecodePercentFully(std::string_view text,
                                              bool plus = false);

// The parts between slashes that are not empty.
std::vector<std::string_view> SplitPath(std::string_view path);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_URI_H_
