// A name for one request, to find it again in the logs of all that it passed.
#ifndef MILLSTREAM_GATEWAY_REQUEST_ID_H_
#define MILLSTREAM_GATEWAY_REQUEST_ID_H_

#include <string>

#include "gateway/http_message.h"

namespace millstream::gateway {

// The X-Request-Id that the request came with, if it is at most
// limits::kRequestIdLengthMax letters, digits, and "-", "_", ".", ":", "/",
// "+", "="; else one of our own that no other request of this machine has had
// lately. Thread-safe.
std::string RequestIdOf(const RequestHead& head);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_REQUEST_ID_H_
