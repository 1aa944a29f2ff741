#include "server/required_fields.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "millstream/v1/options.pb.h"

namespace millstream::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool HasRequired(const Descriptor* type,
                 absl::flat_hash_set<const Descriptor*>& seen) {
  if (!seen.insert(type).second) return false;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->options().GetExtension(v1::required)) return true;
    if (field->message_type() != nullptr &&
        HasRequired(field->message_type(), seen)) {
      return true;
    }
  }
  return false;
}

bool IsMissing(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  if (field->is_repeated()) return reflection->FieldSize(message, field) == 0;
  if (!reflection->HasField(message, field)) return true;
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return false;
  std::string scratch;
  return reflection->GetStringReference(message, field, &scratch).empty();
}

absl::Status Check(const Message& message, const std::string& path);

absl::Status CheckNested(const Message& message, const FieldDescriptor* field,
                         const std::string& path) {
  const Reflection* reflection = message.GetReflection();
  std::string name = path.empty() ? field->name() : path + "." + field->name();
  if (!field->is_repeated()) {
    if (!reflection->HasField(message, field)) return absl::OkStatus();
    return Check(reflection->GetMessage(message, field), name);
  }
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    RETURN_IF_ERROR(Check(reflection->GetRepeatedMessage(message, field, i),
                          absl::StrCat(name, "[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status Check(const Message& message, const std::string& path) {
  const Descriptor* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->options().GetExtension(v1::required) &&
        IsMissing(message, field)) {
      return InvalidParameter("Missing value for required parameter '",
                              path.empty() ? "" : path + ".", field->name(),
                              "'. See the API docs for more information about "
                              "request parameters.");
    }
    if (field->message_type() != nullptr && !field->is_map() &&
        HasRequiredFields(field->message_type())) {
      RETURN_IF_ERROR(CheckNested(message, field, path));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool HasRequiredFields(const Descriptor* type) {
  absl::flat_hash_set<const Descriptor*> seen;
  return HasRequired(type, seen);
}

absl::Status CheckRequiredFields(const Message& message) {
  return Check(message, "");
}

}  // namespace millstream::server
