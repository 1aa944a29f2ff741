// Environment variables, or what a test says that they are.
#ifndef MILLSTREAM_AWS_ENVIRONMENT_H_
#define MILLSTREAM_AWS_ENVIRONMENT_H_

#include <cstdlib>
#include <functional>
#include <string>

namespace millstream::aws {

// The value of a variable; empty if it is not set. Thread-safe.
using Environment = std::function<std::string(const char* name)>;

inline std::string ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_ENVIRONMENT_H_
