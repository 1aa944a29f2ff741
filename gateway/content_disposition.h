// The header that names a download.
#ifndef MILLSTREAM_GATEWAY_CONTENT_DISPOSITION_H_
#define MILLSTREAM_GATEWAY_CONTENT_DISPOSITION_H_

#include <string>
#include <string_view>

namespace millstream::gateway {

// "attachment; filename=a.txt". A name beyond ASCII comes twice, as RFC 6266
// has it: once without its accents, once whole and encoded. Thread-safe.
std::string AttachmentDisposition(std::string_view file_name);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_CONTENT_DISPOSITION_H_
