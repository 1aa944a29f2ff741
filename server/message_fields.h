// Fields of messages by name: for what is the same for many rpcs.
#ifndef MILLSTREAM_SERVER_MESSAGE_FIELDS_H_
#define MILLSTREAM_SERVER_MESSAGE_FIELDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace millstream::server {

using google::protobuf::Message;

// All functions are thread-safe.

// The string in a field; empty if there is none.
std::string StringIn(const Message& message, const char* field);
// Where there is such a field.
void SetString(Message* message, const char* field, const std::string& value);
void ClearField(Message* message, const char* field);
// Of any width; `field` may be null.
void SetInt64(Message* message, const google::protobuf::FieldDescriptor* field,
              int64_t value);

// The messages of a list; none if there is no such list.
void ForEachMessage(const Message& message, const char* field,
                    absl::FunctionRef<void(const Message&)> body);

// Drops the rows of `list` that `keep` is false for. Returns how many there
// were.
int KeepRows(Message* message, const google::protobuf::FieldDescriptor* list,
             absl::FunctionRef<bool(const Message&)> keep);

// The strings that field `path` ("a.b"; lists all along) of `message` holds,
// without empty ones.
std::vector<std::string> StringsAt(const Message& message,
                                   std::string_view path);
// Whether there is such a field of strings.
bool HasStringsAt(const google::protobuf::Descriptor& type,
                  std::string_view path);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_MESSAGE_FIELDS_H_
