// Hashes of passwords as others write them.
#ifndef MILLSTREAM_AUTH_PASSWORD_HASH_H_
#define MILLSTREAM_AUTH_PASSWORD_HASH_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace millstream::auth {

// All functions are thread-safe.
//
// Forms: of htpasswd bcrypt ($2y$, $2a$, $2b$), apr1 ($apr1$), {SHA}, and
// crypt's SHA-256 and SHA-512 ($5$, $6$); of MLflow's users, which are
// Werkzeug's, scrypt:N:r:p$salt$hex and pbkdf2:sha256:rounds$salt$hex.

// INVALID_ARGUMENT, saying what is wrong and not repeating the hash: it is of
// no such form, or checking a password against it would take too long.
absl::Status CheckHash(std::string_view hash);

// Whether `hash` is that of `password`; false for hashes that CheckHash
// refuses. Takes as long as the hash demands, whatever the password; how long
// does not tell how nearly it was right.
bool Matches(std::string_view password, std::string_view hash);

// What checking a password against a hash that CheckHash takes costs, roughly
// in milliseconds: to compare hashes by.
double CostOf(std::string_view hash);

// A new hash, "scrypt:32768:8:1$salt$hex", as MLflow writes it.
std::string HashPassword(std::string_view password);

// Whether both are the same; takes as long wherever they differ.
bool SameBytes(std::string_view left, std::string_view right);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_PASSWORD_HASH_H_
