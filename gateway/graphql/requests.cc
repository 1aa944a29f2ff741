#include "gateway/graphql/requests.h"

#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gateway/graphql/schema.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway::graphql {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The integer of a value that was coerced to Int or LongString: written as an
// integer or as one with a fraction of zero.
int64_t IntegerOf(const Value& value) {
  int64_t integer = 0;
  double number = 0;
  if (!absl::SimpleAtoi(value.text, &integer) &&
      absl::SimpleAtod(value.text, &number)) {
    integer = static_cast<int64_t>(number);
  }
  return integer;
}

absl::Status FillList(const Value& list, const FieldDescriptor* field,
                      Message* request) {
  for (const Value& item : list.items) {
    if (item.is_null()) {
      return InvalidParameter("Field '", field->camelcase_name(),
                              "' cannot hold null.");
    }
    request->GetReflection()->AddString(request, field, item.text);
  }
  return absl::OkStatus();
}

// As the reference: the history is sampled by its own defaults, whatever else
// is asked for here, and runs are found by the default view alone.
bool IsIgnored(const FieldDescriptor* field) {
  return field->containing_type() ==
             v1::GetMetricHistoryBulkIntervalRequest::descriptor() &&
         field->name() != "run_ids" && field->name() != "metric_key";
}

}  // namespace

absl::Status FillRequest(const Value& input, Message* request) {
  const Reflection& reflection = *request->GetReflection();
  for (const auto& [name, value] : input.fields) {
    const FieldDescriptor* field =
        request->GetDescriptor()->FindFieldByName(SnakeCase(name));
    if (field == nullptr || value.is_null() || IsIgnored(field)) continue;
    if (field->is_repeated()) {
      RETURN_IF_ERROR(FillList(value, field, request));
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(request, field, value.text);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(request, field, IntegerOf(value));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.SetInt32(request, field,
                            static_cast<int32_t>(IntegerOf(value)));
        break;
      default:
        return InvalidParameter("Field '", name,
                                "' is not supported over GraphQL; use the "
                                "REST API.");
    }
  }
  // As the reference: the experiment without an id is the default one.
  if (auto* get = dynamic_cast<v1::GetExperimentRequest*>(request);
      get != nullptr && get->experiment_id().empty()) {
    get->set_experiment_id("0");
  }
  return absl::OkStatus();
}

bool IsAnsweredByNothing(const Message& request) {
  const auto* history =
      dynamic_cast<const v1::GetMetricHistoryBulkIntervalRequest*>(&request);
  return history != nullptr &&
         (history->run_ids().empty() || history->metric_key().empty());
}

}  // namespace millstream::gateway::graphql
