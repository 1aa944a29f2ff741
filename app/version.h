// Versions that the server tells.
#ifndef MILLSTREAM_APP_VERSION_H_
#define MILLSTREAM_APP_VERSION_H_

namespace millstream::app {

// Our own.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_VERSION_H_
