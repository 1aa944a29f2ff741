// Where users and their passwords come from.
#ifndef MILLSTREAM_AUTH_USER_SOURCE_H_
#define MILLSTREAM_AUTH_USER_SOURCE_H_

#include <cstdint>
#include <string_view>

#include "auth/identity.h"

namespace millstream::auth {

// Thread-safe.
class UserSource {
 public:
  virtual ~UserSource() = default;

  // UNAUTHENTICATED unless `password` is that of `user`. Takes as long as the
  // user's hash demands, some tenths of a second; for a user that does not
  // exist, as long as for one that does.
  virtual Verdict Verify(std::string_view user, std::string_view password) = 0;

  // Whether an identity that Verify() gave out would be given out still: the
  // user is there, and has the same password. Does not block.
  virtual bool Holds(const Identity& identity) = 0;

  // Another number whenever what Verify() said may no longer hold. Costs
  // nothing to speak of: asked for every call.
  virtual uint64_t generation() = 0;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_SOURCE_H_
