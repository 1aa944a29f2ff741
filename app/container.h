// `millstream container`: the server, told by the environment.
#ifndef MILLSTREAM_APP_CONTAINER_H_
#define MILLSTREAM_APP_CONTAINER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "app/flags.h"

namespace millstream::app {

// Gives flags that were not given the values that this process's environment
// asks for (app/container_environment.h), asking AWS for a secret if it names
// one and the database was not given. Where callers must say who they are, any
// Host is answered: names of load balancers are not known beforehand, and no
// page of another site knows a password. As FlagsOfContainer.
absl::Status ReadContainer(ParsedFlags* flags);

// How to ask for the password of the database again, which a rotated secret
// changes; null if no secret tells it, or if the database was given. May be
// called by any thread.
std::function<absl::StatusOr<std::string>()> PasswordOfContainer(
    const ParsedFlags& flags);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CONTAINER_H_
