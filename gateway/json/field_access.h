// Ways to the fields of a message: by reflection, or, for the messages that
// come by the thousand, by their own accessors, in a fraction of the time.
// Which those are is a list in field_access.cc and nowhere else.
#ifndef MILLSTREAM_GATEWAY_JSON_FIELD_ACCESS_H_
#define MILLSTREAM_GATEWAY_JSON_FIELD_ACCESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace millstream::gateway {

// Functions for one field; those that do not fit its type are null. They take
// the field's descriptor and a message of the class that is generated for its
// type. Thread-safe as the message is.
struct FieldAccess {
  using Field = google::protobuf::FieldDescriptor;
  using Message = google::protobuf::Message;

  // Fields that are not repeated.
  bool (*has)(const Message&, const Field*) = nullptr;
  double (*get_double)(const Message&, const Field*) = nullptr;
  void (*set_double)(Message*, const Field*, double) = nullptr;
  int64_t (*get_int64)(const Message&, const Field*) = nullptr;
  void (*set_int64)(Message*, const Field*, int64_t) = nullptr;
  const std::string& (*get_text)(const Message&, const Field*) = nullptr;
  void (*set_text)(Message*, const Field*, std::string_view) = nullptr;

  // Repeated messages.
  int (*count)(const Message&, const Field*) = nullptr;
  const Message& (*get_message)(const Message&, const Field*,
                                int index) = nullptr;
  Message* (*add_message)(Message*, const Field*) = nullptr;
};

// REQUIRES: `field` lives as long as the program. Thread-safe.
FieldAccess AccessTo(const google::protobuf::FieldDescriptor* field);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_FIELD_ACCESS_H_
