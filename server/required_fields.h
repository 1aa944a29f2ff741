// The check of fields marked (millstream.v1.required) in the .proto files.
#ifndef MILLSTREAM_SERVER_REQUIRED_FIELDS_H_
#define MILLSTREAM_SERVER_REQUIRED_FIELDS_H_

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace millstream::server {

// Whether `type` or a message in it has a required field. Thread-safe.
bool HasRequiredFields(const google::protobuf::Descriptor* type);

// INVALID_PARAMETER_VALUE naming the first required field, in field number
// order, that is absent or an empty string or list, in `message` or in any
// message within it ("datasets[2].dataset.name"). Thread-safe.
absl::Status CheckRequiredFields(const google::protobuf::Message& message);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_REQUIRED_FIELDS_H_
