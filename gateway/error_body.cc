#include "gateway/error_body.h"

#include "base/error.h"
#include "gateway/json/json_writer.h"

namespace millstream::gateway {

namespace {

void AppendTrait(std::string_view name, std::string_view value,
                 std::string* body) {
  if (value.empty()) return;
  *body += ",\"";
  *body += name;
  *body += "\":";
  WriteJsonString(value, body);
}

}  // namespace

HttpReply ErrorReply(const absl::Status& error) {
  const v1::ErrorCode code = GetErrorCode(error);
  const v1::ErrorTraits& traits = GetErrorTraits(code);
  std::string body = "{\"error_code\":";
  WriteJsonString(GetErrorName(code), &body);
  body += ",\"message\":";
  WriteJsonString(GetPublicMessage(error), &body);
  if (IsAttributeNotFound(error)) {
    body += R"(,"sqlstate":"KAM04","error_class":"ATTRIBUTE_NOT_FOUND")";
  } else {
    AppendTrait("sqlstate", traits.sqlstate(), &body);
    AppendTrait("error_class", traits.error_class(), &body);
  }
  body += '}';
  HttpReply reply = JsonReply(traits.http_status(), std::move(body));
  // The realm is the reference's: browsers keep what they know of it.
  if (reply.status == 401) {
    reply.AddHeader("WWW-Authenticate", "Basic realm=\"mlflow\"");
  }
  if (reply.status == 429 || reply.status == 503) {
    reply.AddHeader("Retry-After", "1");
  }
  return reply;
}

HttpReply BusyReply() {
  return ErrorReply(
      MakeError(v1::TEMPORARILY_UNAVAILABLE,
                "The server has more requests than it can take; try again."));
}

}  // namespace millstream::gateway
