// Apache's "apr1" password hash: MD5 a thousand times over.
#ifndef MILLSTREAM_AUTH_APR1_H_
#define MILLSTREAM_AUTH_APR1_H_

#include <string>
#include <string_view>

namespace millstream::auth {

// The last part of "$apr1$<salt>$<22 characters>", as `htpasswd -m` and
// `openssl passwd -apr1` make it. No more than eight bytes of `salt` count.
// Thread-safe.
std::string Apr1(std::string_view password, std::string_view salt);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_APR1_H_
