#include "gateway/error_body.h"

#include "base/error.h"
#include "gateway/json/json_writer.h"

namespace millstream::gateway {

HttpReply ErrorReply(const absl::Status& error) {
  const v1::ErrorCode code = GetErrorCode(error);
  const v1::ErrorTraits& traits = GetErrorTraits(code);
  std::string body = "{\"error_code\":";
  WriteJsonString(GetErrorName(code), &body);
  body += ",\"message\":";
  WriteJsonString(GetPublicMessage(error), &body);
  if (!traits.sqlstate().empty()) {
    body += ",\"sqlstate\":";
    WriteJsonString(traits.sqlstate(), &body);
  }
  if (!traits.error_class().empty()) {
    body += ",\"error_class\":";
    WriteJsonString(traits.error_class(), &body);
  }
  body += '}';
  HttpReply reply = JsonReply(traits.http_status(), std::move(body));
  if (reply.status == 429 || reply.status == 503) {
    reply.AddHeader("Retry-After", "1");
  }
  return reply;
}

}  // namespace millstream::gateway
