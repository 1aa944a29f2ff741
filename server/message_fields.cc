#include "server/message_fields.h"

namespace millstream::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

// The field of that name and kind, or null.
const FieldDescriptor* Find(const Descriptor& type, const std::string& name,
                            FieldDescriptor::CppType kind) {
  const FieldDescriptor* field = type.FindFieldByName(name);
  return field != nullptr && field->cpp_type() == kind ? field : nullptr;
}

const FieldDescriptor* FindString(const Message& message, const char* name) {
  const FieldDescriptor* field = Find(*message.GetDescriptor(), name,
                                      FieldDescriptor::CPPTYPE_STRING);
  return field != nullptr && !field->is_repeated() ? field : nullptr;
}

}  // namespace

std::string StringIn(const Message& message, const char* name) {
  const FieldDescriptor* field = FindString(message, name);
  if (field == nullptr) return "";
  return message.GetReflection()->GetString(message, field);
}

void SetString(Message* message, const char* name, const std::string& value) {
  const FieldDescriptor* field = FindString(*message, name);
  if (field != nullptr) {
    message->GetReflection()->SetString(message, field, value);
  }
}

void ClearField(Message* message, const char* name) {
  const FieldDescriptor* field =
      message->GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) message->GetReflection()->ClearField(message, field);
}

void SetInt64(Message* message, const FieldDescriptor* field, int64_t value) {
  if (field == nullptr) return;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    message->GetReflection()->SetInt64(message, field, value);
  } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
    message->GetReflection()->SetInt32(message, field,
                                       static_cast<int32_t>(value));
  }
}

void ForEachMessage(const Message& message, const char* name,
                    absl::FunctionRef<void(const Message&)> body) {
  const FieldDescriptor* field = Find(*message.GetDescriptor(), name,
                                      FieldDescriptor::CPPTYPE_MESSAGE);
  if (field == nullptr || !field->is_repeated()) return;
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    body(reflection->GetRepeatedMessage(message, field, i));
  }
}

int KeepRows(Message* message, const FieldDescriptor* list,
             absl::FunctionRef<bool(const Message&)> keep) {
  const Reflection* reflection = message->GetReflection();
  const int count = reflection->FieldSize(*message, list);
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    if (!keep(reflection->GetRepeatedMessage(*message, list, i))) continue;
    if (kept != i) reflection->SwapElements(message, list, kept, i);
    ++kept;
  }
  for (int i = count; i > kept; --i) reflection->RemoveLast(message, list);
  return count;
}

std::vector<std::string> StringsAt(const Message& message,
                                   std::string_view path) {
  std::vector<std::string> found;
  const size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  const Descriptor& type = *message.GetDescriptor();
  const Reflection* reflection = message.GetReflection();
  if (dot != std::string_view::npos) {
    const FieldDescriptor* field =
        Find(type, name, FieldDescriptor::CPPTYPE_MESSAGE);
    if (field == nullptr) return found;
    const auto take = [&](const Message& nested) {
      for (std::string& each : StringsAt(nested, path.substr(dot + 1))) {
        found.push_back(std::move(each));
      }
    };
    if (!field->is_repeated()) {
      take(reflection->GetMessage(message, field));
    } else {
      ForEachMessage(message, name.c_str(), take);
    }
    return found;
  }
  const FieldDescriptor* field =
      Find(type, name, FieldDescriptor::CPPTYPE_STRING);
  if (field == nullptr) return found;
  const int count =
      field->is_repeated() ? reflection->FieldSize(message, field) : 1;
  for (int i = 0; i < count; ++i) {
    std::string value = field->is_repeated()
                            ? reflection->GetRepeatedString(message, field, i)
                            : reflection->GetString(message, field);
    if (!value.empty()) found.push_back(std::move(value));
  }
  return found;
}

bool HasStringsAt(const Descriptor& type, std::string_view path) {
  const size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  if (dot == std::string_view::npos) {
    return Find(type, name, FieldDescriptor::CPPTYPE_STRING) != nullptr;
  }
  const FieldDescriptor* field =
      Find(type, name, FieldDescriptor::CPPTYPE_MESSAGE);
  return field != nullptr &&
         HasStringsAt(*field->message_type(), path.substr(dot + 1));
}

}  // namespace millstream::server
