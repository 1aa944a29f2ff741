// What the JSON reader, the JSON writer and the query binder know of a message
// type: its fields by name, worked out once.
#ifndef MILLSTREAM_GATEWAY_JSON_MESSAGE_TABLE_H_
#define MILLSTREAM_GATEWAY_JSON_MESSAGE_TABLE_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/json/field_access.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"

namespace millstream::gateway {

class MessageTable;

struct FieldInfo {
  const google::protobuf::FieldDescriptor* descriptor;
  // Position in MessageTable::fields().
  int index;
  // "run_id" and "runId".
  std::string name;
  std::string camel_name;
  // `"run_id":`, ready to be written.
  std::string json_key;
  google::protobuf::FieldDescriptor::CppType type;
  bool bytes;
  bool repeated;
  bool map;
  // Marked (millstream.v1.in_body).
  bool in_body;
  // Whether camel_name means nothing in requests.
  bool exact_name;
  // Marked (millstream.v1.not_null).
  bool not_null;
  v1::Misfit misfit;
  // Marked (millstream.v1.always_shown).
  bool always_shown;
  // Of the field's message type, or null.
  const MessageTable* message;
  FieldAccess access;
};

// Immutable and thread-safe; lives as long as the program.
class MessageTable {
 public:
  // REQUIRES: `type` has at most 64 fields, with names of less than 64
  // characters, and lives as long as the program.
  static const MessageTable& Of(const google::protobuf::Descriptor* type);

  const std::vector<FieldInfo>& fields() const { return fields_; }

  // The field that `key` spells in either way, or null. `*hint` is where to
  // look first, and becomes the place after the field found: objects of one
  // kind tend to have their members in one order.
  const FieldInfo* Find(std::string_view key, size_t* hint) const {
    const size_t count = fields_.size();
    for (size_t i = 0, at = *hint; i < count; ++i, ++at) {
      if (at >= count) at = 0;
      const FieldInfo& field = fields_[at];
      if (field.name == key || field.camel_name == key) {
        *hint = at + 1;
        return &field;
      }
    }
    return nullptr;
  }
  // The field at `*hint` if it is the one that `raw` names: its name, then a
  // quote. Null if it is not; the caller then has to look for it.
  // REQUIRES: 64 bytes may be read at `raw`.
  const FieldInfo* Guess(const char* raw, size_t* hint) const {
    if (*hint >= fields_.size()) return nullptr;
    const FieldInfo& field = fields_[*hint];
    const size_t length = field.name.size();
    if (std::memcmp(raw, field.name.data(), length) != 0 ||
        raw[length] != '"') {
      return nullptr;
    }
    ++*hint;
    return &field;
  }
  // The field called exactly `name`, or null.
  const FieldInfo* FindByName(std::string_view name) const;

 private:
  friend class MessageTables;
  std::vector<FieldInfo> fields_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_MESSAGE_TABLE_H_
