// How much an encoded request would grow into.
#ifndef MILLSTREAM_SERVER_REQUEST_ITEMS_H_
#define MILLSTREAM_SERVER_REQUEST_ITEMS_H_

#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/zero_copy_stream.h"

namespace millstream::server {

// Whether a message of `type`, read from `bytes`, has more than
// limits::kRequestItemsMax items in its lists, or of fields we do not know:
// two bytes each on the wire, some dozens in memory. What is no message is
// left to the parser. Thread-safe.
bool HasTooManyItems(const google::protobuf::Descriptor& type,
                     google::protobuf::io::ZeroCopyInputStream* bytes);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_REQUEST_ITEMS_H_
