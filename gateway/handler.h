// What stands behind a route.
#ifndef MILLSTREAM_GATEWAY_HANDLER_H_
#define MILLSTREAM_GATEWAY_HANDLER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/identity.h"
#include "base/liveness.h"
#include "gateway/http_message.h"

namespace millstream::gateway {

// What the variables of a route's template stand for in a path, decoded.
using PathVariables = std::vector<std::pair<std::string_view, std::string>>;

// A request that found its route.
struct Request {
  const RequestHead& head;
  PathVariables variables;
  // "http://host:port" plus static prefix, as the caller addressed us.
  std::string base_url;
  // As RequestIdOf().
  std::string_view id = {};
  // "address:port" of who asks, or what a proxy says it is.
  std::string peer = {};
  // Who asks; null if callers are not asked who they are.
  auth::IdentityPtr identity = nullptr;
  // Whether the caller still listens; null if nobody knows. Valid for as long
  // as a call of a handler.
  const Liveness* caller = nullptr;
};

// A body on its way in. Not thread-safe. Dropped before Finish(), what it took
// has no effect.
class BodyTaker {
 public:
  virtual ~BodyTaker() = default;

  // Takes the next bytes, or answers at once; then no call follows.
  virtual std::optional<HttpReply> Take(std::string_view bytes) = 0;

  // The body is complete.
  virtual HttpReply Finish() = 0;
};

// Immutable and thread-safe. Calls may block. A handler serves bodies whole
// (Answer) or as they come (Open), as streams_body() says.
class Handler {
 public:
  virtual ~Handler() = default;

  // Whether bodies go to Open()'s taker; else they go to Answer().
  virtual bool streams_body() const { return false; }

  // Answers at once and from memory: not counted among the handlers that may
  // be busy at a time, so it answers when everything else waits.
  virtual bool is_instant() const { return false; }

  // Whether anybody may ask, without saying who it is.
  virtual bool is_open() const { return false; }

  // Whether it is about files, whose storage may take its time.
  virtual bool is_transfer() const { return false; }

  // Whether what {name=**} stands for may start with "/"; else the caller is
  // sent to the path without "//".
  virtual bool takes_leading_slash() const { return false; }

  // `*body` is the request's, and may be changed.
  virtual HttpReply Answer(const Request& request, std::string* body) const;

  // Either the answer already or who takes the body; `request` is valid as
  // long as the taker.
  struct Opening {
    std::optional<HttpReply> reply;
    std::unique_ptr<BodyTaker> taker;
  };
  virtual Opening Open(const Request& request) const;

  // For the list of routes: "TrackingService.CreateRun", "health".
  virtual std::string name() const = 0;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HANDLER_H_
