#include "gateway/graphql/execute.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/graphql/introspect.h"
#include "gateway/graphql/requests.h"
#include "gateway/graphql/root_fields.h"
#include "gateway/graphql/run_lookups.h"
#include "gateway/json/json_writer.h"
#include "google/protobuf/arena.h"

namespace millstream::gateway::graphql {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The selections that say which fields of one object to show.
using Wanted = std::vector<const std::vector<Selection>*>;
// The fields of one key, which Validate() found to be one field.
using Same = std::vector<const Selection*>;

class Executor {
 public:
  Executor(const Schema& schema, const Document& document,
           const Variables& variables, server::CallContext* context,
           server::Dispatcher* dispatcher, std::vector<std::string>* errors)
      : schema_(schema),
        document_(document),
        variables_(variables),
        context_(*context),
        dispatcher_(*dispatcher),
        errors_(*errors),
        lookups_(context, dispatcher) {}

  std::string Run(const Operation& operation) {
    const Type& root = *schema_.Root(operation.kind);
    Object(root, {&operation.selections},
           [&](const Field& field, const Same& same) {
             RootValue(root, field, same);
           });
    return std::move(out_);
  }

 private:
  // Writes an object of `type`; `write` writes the value of one field.
  template <typename WriteField>
  void Object(const Type& type, const Wanted& wanted, WriteField write) {
    std::vector<std::pair<std::string_view, Same>> fields;
    std::set<std::string_view> spread;
    for (const std::vector<Selection>* selections : wanted) {
      Collect(type, *selections, &spread, &fields);
    }
    out_ += '{';
    for (const auto& [key, same] : fields) {
      if (out_.back() != '{') out_ += ',';
      WriteJsonString(key, &out_);
      out_ += ':';
      const std::string& name = same.front()->name;
      const Field* field = type.FindField(name);
      if (field == nullptr) field = schema_.FindMetaField(name);
      if (name == "__typename") {
        WriteJsonString(type.name, &out_);
      } else if (field != nullptr) {
        write(*field, same);
      } else {
        out_ += "null";
      }
    }
    out_ += '}';
  }

  void Collect(const Type& type, const std::vector<Selection>& selections,
               std::set<std::string_view>* spread,
               std::vector<std::pair<std::string_view, Same>>* fields) {
    for (const Selection& selection : selections) {
      if (selection.kind == Selection::Kind::kInline) {
        Collect(type, selection.selections, spread, fields);
      } else if (selection.kind == Selection::Kind::kSpread) {
        const Fragment* fragment = document_.FindFragment(selection.name);
        if (fragment != nullptr && spread->insert(selection.name).second) {
          Collect(type, fragment->selections, spread, fields);
        }
      } else {
        Same* same = nullptr;
        for (auto& [key, found] : *fields) {
          if (key == selection.key()) same = &found;
        }
        if (same == nullptr) {
          same = &fields->emplace_back(selection.key(), Same()).second;
        }
        same->push_back(&selection);
      }
    }
  }

  static Wanted Below(const Same& same) {
    Wanted wanted;
    for (const Selection* field : same) wanted.push_back(&field->selections);
    return wanted;
  }

  void Fail(std::string_view problem) {
    errors_.emplace_back(problem);
    out_ += "null";
  }

  void RootValue(const Type& root, const Field& field, const Same& same);
  absl::Status RpcValue(const RootField& root, const Type& type,
                        const Value& input, const Same& same);
  void TestValue(const Field& field, const Value* given, const Same& same);
  // Null stands for a message that is not there: its fields' defaults.
  void MessageObject(const Type& type, const Message* message,
                     const Same& same);
  void MessageValue(const Type& type, const Field& field,
                    const Message* message, const Same& same);
  void RunValue(const Field& field, const v1::Run& run, const Same& same);
  void Default(const Field& field, const Same& same);
  void ListValue(const Field& field, const Message& message, const Same& same);
  void LeafValue(const Type& owner, const Field& field, const Message& message);
  void MetaObject(const Type& type, const MetaNode& node, const Same& same);
  void MetaFieldValue(const Field& field, const MetaValue& value,
                      const Same& same);

  const Schema& schema_;
  const Document& document_;
  const Variables& variables_;
  server::CallContext& context_;
  server::Dispatcher& dispatcher_;
  std::vector<std::string>& errors_;
  RunLookups lookups_;
  std::string out_;
};

// --- Root

void Executor::RootValue(const Type& root, const Field& field,
                         const Same& same) {
  const auto arguments =
      CoerceArguments(field, same.front()->arguments, variables_);
  const Value* given = arguments.empty() ? nullptr : &arguments[0].second;
  if (field.name == "__schema") {
    MetaObject(*field.base, SchemaNode(), same);
  } else if (field.name == "__type") {
    const Type* type =
        given == nullptr ? nullptr : schema_.FindType(given->text);
    if (type == nullptr) {
      out_ += "null";
    } else {
      MetaObject(*field.base, TypeNode{&type->self}, same);
    }
  } else if (const RootField* rpc = FindRootField(root.name, field.name)) {
    if (given == nullptr || given->is_null()) {
      Fail(StrCat("Field '", field.name, "' needs its argument 'input'."));
      return;
    }
    const absl::Status status = RpcValue(*rpc, *field.base, *given, same);
    if (!status.ok()) Fail(GetPublicMessage(status));
  } else if (field.name == "test") {
    TestValue(field, given, same);
  } else {
    out_ += "null";  // testMutation has nothing to tell
  }
}

absl::Status Executor::RpcValue(const RootField& root, const Type& type,
                                const Value& input, const Same& same) {
  const server::Method* method = dispatcher_.methods().Find(root.rpc());
  if (method == nullptr) {
    return absl::InternalError(StrCat("GraphQL: no rpc ", root.method));
  }
  google::protobuf::Arena arena;
  Message* request = method->request_type->New(&arena);
  Message* response = method->response_type->New(&arena);
  RETURN_IF_ERROR(FillRequest(input, request));
  if (!IsAnsweredByNothing(*request)) {
    absl::Status status =
        dispatcher_.Call(context_, *method, *request, response);
    if (GetErrorCode(status) == v1::PERMISSION_DENIED &&
        lookups_.KeepReadable(request)) {
      status = dispatcher_.Call(context_, *method, *request, response);
    }
    // As the reference: what may not be seen is nothing, and no error.
    if (GetErrorCode(status) == v1::PERMISSION_DENIED) {
      out_ += "null";
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(status);
  }
  if (const auto* runs = dynamic_cast<v1::SearchRunsResponse*>(response)) {
    lookups_.Announce(runs->runs());
  }
  MessageObject(type, response, same);
  return absl::OkStatus();
}

void Executor::TestValue(const Field& field, const Value* given,
                         const Same& same) {
  if (given == nullptr) {
    Fail("Field 'test' needs its argument 'inputString'.");
    return;
  }
  Object(*field.base, Below(same), [&](const Field&, const Same&) {
    if (given->is_null()) {
      out_ += "null";
    } else {
      WriteJsonString(given->text, &out_);
    }
  });
}

// --- Messages

void Executor::MessageObject(const Type& type, const Message* message,
                             const Same& same) {
  Object(type, Below(same), [&](const Field& field, const Same& fields) {
    MessageValue(type, field, message, fields);
  });
}

void Executor::MessageValue(const Type& type, const Field& field,
                            const Message* message, const Same& same) {
  if (field.source == nullptr || message == nullptr) {
    const auto* run = dynamic_cast<const v1::Run*>(message);
    if (run != nullptr) {
      RunValue(field, *run, same);
    } else {
      Default(field, same);
    }
    return;
  }
  if (field.source->is_repeated()) {
    ListValue(field, *message, same);
  } else if (field.source->message_type() != nullptr) {
    const Reflection& reflection = *message->GetReflection();
    MessageObject(*field.base, &reflection.GetMessage(*message, field.source),
                  same);
  } else {
    LeafValue(type, field, *message);
  }
}

void Executor::RunValue(const Field& field, const v1::Run& run,
                        const Same& same) {
  if (field.name == "experiment") {
    absl::StatusOr<const v1::Experiment*> experiment =
        lookups_.ExperimentOf(run);
    if (!experiment.ok()) return Fail(GetPublicMessage(experiment.status()));
    MessageObject(*field.base, *experiment, same);
    return;
  }
  if (field.name != "modelVersions") return Default(field, same);
  absl::StatusOr<const RunLookups::Versions*> versions =
      lookups_.ModelVersionsOf(run);
  if (!versions.ok()) return Fail(GetPublicMessage(versions.status()));
  out_ += '[';
  for (const v1::ModelVersion* version : **versions) {
    if (version != (*versions)->front()) out_ += ',';
    MessageObject(*field.base, version, same);
  }
  out_ += ']';
}

// A field that nothing holds, as protocol buffers would have it.
void Executor::Default(const Field& field, const Same& same) {
  if (field.name == "apiError" || field.base->name == "ApiError") {
    out_ += "null";  // errors are told beside the data
  } else if (field.type.item != nullptr) {
    out_ += "[]";
  } else if (field.base->kind == Type::Kind::kObject) {
    MessageObject(*field.base, nullptr, same);
  } else if (field.base->kind == Type::Kind::kEnum) {
    const std::string& first = field.base->values.front();
    if (first.ends_with("_UNSPECIFIED")) {
      Fail(StrCat("Enum '", field.base->name, "' cannot represent value: 0"));
    } else {
      WriteJsonString(first, &out_);
    }
  } else if (field.base->name == "String") {
    out_ += "\"\"";
  } else if (field.base->name == "LongString") {
    out_ += "\"0\"";
  } else if (field.base->name == "Boolean") {
    out_ += "false";
  } else {
    out_ += field.base->name == "Float" ? "0.0" : "0";
  }
}

void Executor::ListValue(const Field& field, const Message& message,
                         const Same& same) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, field.source);
  std::string scratch;
  out_ += '[';
  for (int i = 0; i < size; ++i) {
    if (i > 0) out_ += ',';
    if (field.source->message_type() != nullptr) {
      MessageObject(*field.base,
                    &reflection.GetRepeatedMessage(message, field.source, i),
                    same);
    } else {
      WriteJsonString(reflection.GetRepeatedStringReference(
                          message, field.source, i, &scratch),
                      &out_);
    }
  }
  out_ += ']';
}

void Executor::LeafValue(const Type& owner, const Field& field,
                         const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* source = field.source;
  std::string scratch;
  switch (source->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      WriteJsonString(reflection.GetStringReference(message, source, &scratch),
                      &out_);
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      StrAppend(&out_, "\"", reflection.GetInt64(message, source), "\"");
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      StrAppend(&out_, reflection.GetInt32(message, source));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      out_ += reflection.GetBool(message, source) ? "true" : "false";
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = reflection.GetDouble(message, source);
      if (std::isfinite(value)) {
        WriteJsonDouble(value, &out_);
      } else if (owner.name == "MlflowMetricExtension") {
        out_ += "null";  // a run may well have logged it
      } else {
        Fail("Float cannot represent a value that is not finite.");
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::string& name = reflection.GetEnum(message, source)->name();
      WriteJsonString(
          field.base->HasValue(name) ? name : field.base->values.front(),
          &out_);
      break;
    }
    default:
      out_ += "null";
  }
}

// --- Introspection

void Executor::MetaObject(const Type& type, const MetaNode& node,
                          const Same& same) {
  Object(type, Below(same), [&](const Field& field, const Same& fields) {
    MetaFieldValue(field, Introspect(schema_, node, field.name), fields);
  });
}

void Executor::MetaFieldValue(const Field& field, const MetaValue& value,
                              const Same& same) {
  switch (value.kind) {
    case MetaValue::Kind::kNull:
      out_ += "null";
      return;
    case MetaValue::Kind::kString:
    case MetaValue::Kind::kEnum:
      WriteJsonString(value.text, &out_);
      return;
    case MetaValue::Kind::kBoolean:
      out_ += value.boolean ? "true" : "false";
      return;
    case MetaValue::Kind::kNode:
      MetaObject(*field.base, value.nodes.front(), same);
      return;
    case MetaValue::Kind::kNodes:
      out_ += '[';
      for (size_t i = 0; i < value.nodes.size(); ++i) {
        if (i > 0) out_ += ',';
        MetaObject(*field.base, value.nodes[i], same);
      }
      out_ += ']';
      return;
    case MetaValue::Kind::kEnums:
      out_ += '[';
      for (size_t i = 0; i < value.texts.size(); ++i) {
        if (i > 0) out_ += ',';
        WriteJsonString(value.texts[i], &out_);
      }
      out_ += ']';
      return;
  }
}

}  // namespace

std::string Execute(const Schema& schema, const Document& document,
                    const Operation& operation, const Variables& variables,
                    server::CallContext& context,
                    server::Dispatcher* dispatcher,
                    std::vector<std::string>* errors) {
  return Executor(schema, document, variables, &context, dispatcher, errors)
      .Run(operation);
}

}  // namespace millstream::gateway::graphql
