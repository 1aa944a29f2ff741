#include "gateway/transfer_handlers.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/content_disposition.h"
#include "gateway/error_body.h"
#include "gateway/file_range.h"
#include "gateway/http_writer.h"
#include "gateway/json/json_writer.h"
#include "gateway/json/message_table.h"
#include "gateway/rpc_binding.h"
#include "gateway/url.h"

namespace millstream::gateway {
namespace {

using google::protobuf::Message;

// What the reference does differently from route to route.
struct Form {
  // An error that says so is shown as {"detail": message}.
  bool shows_details;
  // A Range header that is none: 400, else 416.
  bool bad_range_is_bad_request;
  // Several ranges are answered with the whole file, else 416.
  bool sends_whole_for_several;
  // An empty file is sent whatever range is asked for, else 416.
  bool empty_has_no_ranges;
  // Errors of ranges come as text, else as a page.
  bool range_errors_are_text;
  // Handler::takes_leading_slash().
  bool takes_leading_slash;
};
constexpr Form kOrdinaryForm = {.shows_details = false,
                                .bad_range_is_bad_request = false,
                                .sends_whole_for_several = false,
                                .empty_has_no_ranges = true,
                                .range_errors_are_text = false,
                                .takes_leading_slash = false};
constexpr Form kNativeForm = {.shows_details = true,
                              .bad_range_is_bad_request = true,
                              .sends_whole_for_several = true,
                              .empty_has_no_ranges = false,
                              .range_errors_are_text = true,
                              .takes_leading_slash = true};

// What a finished upload is answered with.
enum class UploadAnswer {
  // The response as JSON.
  kJson,
  // Nothing, of no type.
  kNothing,
  // Nothing, said to be JSON.
  kEmptyJson,
};

// Artifacts are whatever somebody uploaded: nothing in them may run as if it
// were a page of ours.
constexpr char kArtifactPolicy[] = "sandbox; default-src 'none'";

const Form& FormOf(RouteForm form) {
  return form == RouteForm::kNative ? kNativeForm : kOrdinaryForm;
}

HttpReply TransferError(const absl::Status& error, const Form& form) {
  HttpReply reply = ErrorReply(error);
  if (form.shows_details && HasDetailBody(error)) {
    reply.body = "{\"detail\":";
    WriteJsonString(GetPublicMessage(error), &reply.body);
    reply.body += '}';
  }
  return reply;
}

// Whether the body is one that browsers make of a <form>.
bool IsForm(const RequestHead& head) {
  std::string_view type = head.Header("content-type").value_or("");
  type = type.substr(0, type.find(';'));
  return absl::EqualsIgnoreCase(AbslView(type), "multipart/form-data") ||
         absl::EqualsIgnoreCase(AbslView(type),
                                "application/x-www-form-urlencoded");
}

// The first or only request of the rpc.
absl::Status BindRequest(const Request& request, const MessageTable& table,
                         Message* message) {
  ASSIGN_OR_RETURN(const QueryParameters parameters,
                   ParseQuery(request.head.query));
  RETURN_IF_ERROR(BindQuery(parameters, table, message));
  return BindVariables(request.variables, table, message);
}

class DownloadHandler final : public Handler {
 public:
  DownloadHandler(server::Dispatcher* dispatcher,
                  const server::Method& method, const v1::Endpoint& endpoint,
                  RouteForm form)
      : dispatcher_(dispatcher),
        method_(method),
        table_(MessageTable::Of(method.request_type->GetDescriptor())),
        // Links in pages lead here: one without a path is answered as a page.
        path_(endpoint.prefix() == v1::ROOT ? table_.FindByName("path")
                                            : nullptr),
        form_(FormOf(form)) {}

  bool is_transfer() const override { return true; }
  bool takes_leading_slash() const override {
    return form_.takes_leading_slash;
  }
  std::string name() const override { return RpcName(method_); }

  HttpReply Answer(const Request& request, std::string*) const override {
    const std::unique_ptr<Message> message(method_.request_type->New());
    if (absl::Status status = BindRequest(request, table_, message.get());
        !status.ok()) {
      return ErrorReply(status);
    }
    if (path_ != nullptr && !message->GetReflection()->HasField(
                                *message, path_->descriptor)) {
      return HtmlError(400, "The address names no file: it lacks \"path=\".");
    }
    server::CallContext context(server::Door::kRest);
    FillContext(request, &context);
    absl::StatusOr<server::Download> download =
        dispatcher_->OpenDownload(context, method_, *message);
    if (!download.ok()) return TransferError(download.status(), form_);
    return Send(request.head, *std::move(download));
  }

 private:
  HttpReply Send(const RequestHead& head, server::Download download) const {
    HttpReply reply;
    std::string etag;
    if (download.size.has_value() && download.modified_ms.has_value()) {
      etag = StrCat("\"", *download.modified_ms, "-", *download.size, "\"");
      reply.AddHeader("ETag", etag);
      reply.AddHeader("Last-Modified", HttpDate(*download.modified_ms));
    }
    reply.AddHeader("Cache-Control", "no-cache");
    reply.AddHeader("Content-Security-Policy", kArtifactPolicy);
    if (IsUnchanged(head, etag, download.modified_ms)) {
      reply.status = 304;
      return reply;
    }
    reply.content_type = download.content_type;
    reply.AddHeader("Content-Disposition",
                    AttachmentDisposition(download.file_name));
    reply.source_bytes = download.size;
    if (download.size.has_value()) {
      if (std::optional<HttpReply> refusal =
              SelectRange(head, etag, download, &reply)) {
        return *std::move(refusal);
      }
    }
    reply.source = std::move(download.source);
    return reply;
  }

  // Makes `reply` a part of the file if `head` asks for one; returns the
  // refusal if there is no such part.
  std::optional<HttpReply> SelectRange(const RequestHead& head,
                                       std::string_view etag,
                                       server::Download& download,
                                       HttpReply* reply) const {
    const int64_t size = *download.size;
    ByteRange range{0, size};
    RangeKind kind = ReadRange(head, size, etag, download.modified_ms, &range);
    if (!form_.sends_whole_for_several && kind == RangeKind::kSeveral) {
      kind = RangeKind::kOutside;
    }
    if (form_.empty_has_no_ranges && size == 0) kind = RangeKind::kWhole;
    if (kind == RangeKind::kMalformed && form_.bad_range_is_bad_request) {
      return TextReply(400, "The Range header is malformed.");
    }
    if (kind == RangeKind::kMalformed || kind == RangeKind::kOutside) {
      HttpReply refusal = form_.range_errors_are_text
                              ? TextReply(416, "")
                              : HtmlError(416, "The file is not that long.");
      refusal.AddHeader("Content-Range", ContentRangeOutside(size));
      return refusal;
    }
    if (kind == RangeKind::kPart && download.source->Seek(range.begin).ok()) {
      reply->status = 206;
      reply->AddHeader("Content-Range", ContentRange(range, size));
      reply->source_bytes = range.end - range.begin;
    }
    reply->AddHeader("Accept-Ranges", "bytes");
    return std::nullopt;
  }

  server::Dispatcher* const dispatcher_;
  const server::Method& method_;
  const MessageTable& table_;
  const FieldInfo* const path_;
  const Form& form_;
};

class UploadTaker final : public BodyTaker {
 public:
  UploadTaker(server::Upload upload, const server::Method& method,
              UploadAnswer answer, const Form& form)
      : upload_(std::move(upload)),
        method_(method),
        answer_(answer),
        form_(form) {}

  std::optional<HttpReply> Take(std::string_view bytes) override {
    absl::Status status = upload_.sink->Write(bytes);
    if (status.ok()) return std::nullopt;
    return TransferError(status, form_);
  }

  HttpReply Finish() override {
    if (absl::Status status = upload_.Finish(); !status.ok()) {
      return TransferError(status, form_);
    }
    HttpReply reply;
    if (answer_ == UploadAnswer::kJson) {
      const Message& response = upload_.response != nullptr
                                    ? *upload_.response
                                    : *method_.response_type;
      WriteJson(response, MessageTable::Of(response.GetDescriptor()),
                &reply.body);
    }
    if (answer_ != UploadAnswer::kNothing) {
      reply.content_type = "application/json";
    }
    if (!upload_.etag.empty()) reply.AddHeader("ETag", upload_.etag);
    return reply;
  }

 private:
  server::Upload upload_;
  const server::Method& method_;
  const UploadAnswer answer_;
  const Form& form_;
};

class UploadHandler final : public Handler {
 public:
  UploadHandler(server::Dispatcher* dispatcher, const server::Method& method,
                const v1::Endpoint& endpoint, RouteForm form)
      : dispatcher_(dispatcher),
        method_(method),
        table_(MessageTable::Of(method.request_type->GetDescriptor())),
        // The UI's own route says JSON and sends none.
        answer_(form == RouteForm::kNative ? UploadAnswer::kNothing
                : endpoint.prefix() == v1::AJAX_API
                    ? UploadAnswer::kEmptyJson
                    : UploadAnswer::kJson),
        form_(FormOf(form)) {}

  bool streams_body() const override { return true; }
  bool is_transfer() const override { return true; }
  bool takes_leading_slash() const override {
    return form_.takes_leading_slash;
  }
  std::string name() const override { return RpcName(method_); }

  Opening Open(const Request& request) const override {
    if (answer_ == UploadAnswer::kEmptyJson && IsForm(request.head)) {
      return {.reply = ErrorReply(InvalidParameter(
                  "Request must specify data. Send the file's bytes as the "
                  "body, not as a form.")),
              .taker = nullptr};
    }
    const std::unique_ptr<Message> first(method_.request_type->New());
    if (absl::Status status = BindRequest(request, table_, first.get());
        !status.ok()) {
      return {.reply = ErrorReply(status), .taker = nullptr};
    }
    server::CallContext context(server::Door::kRest);
    FillContext(request, &context);
    absl::StatusOr<server::Upload> upload =
        dispatcher_->OpenUpload(context, method_, *first);
    if (!upload.ok()) {
      return {.reply = TransferError(upload.status(), form_),
              .taker = nullptr};
    }
    return {.reply = std::nullopt,
            .taker = std::make_unique<UploadTaker>(
                *std::move(upload), method_, answer_, form_)};
  }

 private:
  server::Dispatcher* const dispatcher_;
  const server::Method& method_;
  const MessageTable& table_;
  const UploadAnswer answer_;
  const Form& form_;
};

}  // namespace

std::shared_ptr<const Handler> MakeDownloadHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint, RouteForm form) {
  return std::make_shared<DownloadHandler>(dispatcher, method, endpoint, form);
}

std::shared_ptr<const Handler> MakeUploadHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint, RouteForm form) {
  return std::make_shared<UploadHandler>(dispatcher, method, endpoint, form);
}

}  // namespace millstream::gateway
