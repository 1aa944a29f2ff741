// `millstream container`: the server, told by the environment.
#ifndef MILLSTREAM_APP_CONTAINER_H_
#define MILLSTREAM_APP_CONTAINER_H_

#include "absl/status/status.h"
#include "app/flags.h"

namespace millstream::app {

// Gives flags that were not given the values that this process's environment
// asks for (app/container_environment.h), asking AWS for a secret if it names
// one. Where callers must say who they are, any Host is answered: names of load
// balancers are not known beforehand, and no page of another site knows a
// password. As FlagsOfContainer.
absl::Status ReadContainer(ParsedFlags* flags);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CONTAINER_H_
