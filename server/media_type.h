// What kind of file a name promises.
#ifndef MILLSTREAM_SERVER_MEDIA_TYPE_H_
#define MILLSTREAM_SERVER_MEDIA_TYPE_H_

#include <string>
#include <string_view>

namespace millstream::server {

// Media type of a file by its name, as MLflow tells it: source text and
// settings of all kinds are text/plain, so that browsers and the UI show them;
// of the rest the system's list (/etc/mime.types) knows most, and a list of our
// own what every system should; what is unknown is application/octet-stream.
// Thread-safe.
std::string MediaTypeOf(std::string_view file_name);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_MEDIA_TYPE_H_
