#include "server/method_table.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.pb.h"
#include "server/message_fields.h"
#include "server/required_fields.h"

namespace millstream::server {

using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::MethodDescriptorProto;
using google::protobuf::ServiceDescriptor;

namespace {

bool FitsShape(const MethodDescriptor& rpc, const Method& method) {
  // Of requests, a stream may take one or many.
  if (method.stream != nullptr) return rpc.server_streaming();
  return rpc.server_streaming() == (method.download != nullptr) &&
         rpc.client_streaming() == (method.upload != nullptr);
}

// What is wrong with what the rpc says of who may call it; nothing if it is
// right.
std::string AccessFault(const MethodDescriptor& rpc) {
  const v1::Access& access = rpc.options().GetExtension(v1::access);
  if (!access.open() && !access.user() && !access.admin() &&
      !access.manager() && !access.oneself() && access.demands().empty()) {
    return " does not say who may call it (option access)";
  }
  const auto missing = [&](const std::string& field) {
    return absl::StrCat(" demands something of a field ", field,
                        " that there is not");
  };
  for (const v1::Demand& demand : access.demands()) {
    for (const std::string& field : demand.fields()) {
      if (!HasStringsAt(*rpc.input_type(), field)) return missing(field);
    }
  }
  if (access.oneself() && !HasStringsAt(*rpc.input_type(), "username")) {
    return missing("username");
  }
  const v1::Rows& rows = access.rows();
  if (!rows.experiments().empty() &&
      !HasStringsAt(*rpc.input_type(), rows.experiments())) {
    return missing(rows.experiments());
  }
  if (!rows.list().empty() &&
      rpc.output_type()->FindFieldByName(rows.list()) == nullptr) {
    return missing(rows.list());
  }
  return "";
}

}  // namespace

Method& MethodTable::Add(std::string_view rpc, const Message& request,
                         const Message& response) {
  const MethodDescriptor* descriptor =
      service_ == nullptr ? nullptr
                          : service_->FindMethodByName(std::string(rpc));
  if (descriptor == nullptr) {
    faults_.push_back(absl::StrCat(std::string(rpc), " is no rpc"));
  } else if (descriptor->input_type() != request.GetDescriptor() ||
             descriptor->output_type() != response.GetDescriptor()) {
    faults_.push_back(
        absl::StrCat(descriptor->full_name(), " has other message types"));
  }
  std::unique_ptr<Method>& method = methods_[descriptor];
  if (method != nullptr && descriptor != nullptr) {
    faults_.push_back(
        absl::StrCat(descriptor->full_name(), " has two handlers"));
  }
  method = std::make_unique<Method>();
  method->descriptor = descriptor;
  method->request_type = &request;
  method->response_type = &response;
  if (descriptor != nullptr) {
    method->access = &descriptor->options().GetExtension(v1::access);
  }
  method->has_required_fields = HasRequiredFields(request.GetDescriptor());
  return *method;
}

Method& MethodTable::AddStreaming(std::string_view rpc,
                                  const Message& request) {
  const MethodDescriptor* descriptor =
      service_ == nullptr ? nullptr
                          : service_->FindMethodByName(std::string(rpc));
  const Message* response =
      descriptor == nullptr
          ? &request
          : MessageFactory::generated_factory()->GetPrototype(
                descriptor->output_type());
  return Add(rpc, request, *response);
}

const Message& MethodTable::RequestOf(std::string_view rpc) const {
  const MethodDescriptor* descriptor =
      service_ == nullptr ? nullptr
                          : service_->FindMethodByName(std::string(rpc));
  return *MessageFactory::generated_factory()->GetPrototype(
      descriptor == nullptr ? MethodDescriptorProto::descriptor()
                            : descriptor->input_type());
}

void MethodTable::Ingests(std::string_view rpc) {
  const MethodDescriptor* descriptor =
      service_ == nullptr ? nullptr
                          : service_->FindMethodByName(std::string(rpc));
  auto found = methods_.find(descriptor);
  if (descriptor == nullptr || found == methods_.end()) {
    faults_.push_back(absl::StrCat(std::string(rpc), " is no rpc"));
    return;
  }
  found->second->ingests = true;
}

absl::Status MethodTable::Check() const {
  std::vector<std::string> faults = faults_;
  for (const ServiceDescriptor* service : services_) {
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* rpc = service->method(i);
      const Method* method = Find(rpc);
      if (method == nullptr) {
        faults.push_back(absl::StrCat(rpc->full_name(), " has no handler"));
      } else if (!FitsShape(*rpc, *method)) {
        faults.push_back(
            absl::StrCat(rpc->full_name(), " is of another shape"));
      } else if (const std::string fault = AccessFault(*rpc); !fault.empty()) {
        faults.push_back(absl::StrCat(rpc->full_name(), fault));
      }
    }
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("method table: ", absl::StrJoin(faults, "; ")));
}

const Method* MethodTable::Find(const MethodDescriptor* descriptor) const {
  auto it = methods_.find(descriptor);
  return it == methods_.end() ? nullptr : it->second.get();
}

std::vector<const Method*> MethodTable::methods() const {
  std::vector<const Method*> methods;
  for (const ServiceDescriptor* service : services_) {
    for (int i = 0; i < service->method_count(); ++i) {
      if (const Method* method = Find(service->method(i))) {
        methods.push_back(method);
      }
    }
  }
  return methods;
}

}  // namespace millstream::server
