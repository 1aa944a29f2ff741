#include "gateway/http_message.h"

#include "absl/strings/match.h"
#include "base/str_cat.h"

namespace millstream::gateway {

std::optional<std::string_view> RequestHead::Header(
    std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() &&
        absl::EqualsIgnoreCase(AbslView(key), AbslView(name))) {
      return value;
    }
  }
  return std::nullopt;
}

std::string_view ReasonOf(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

HttpReply HtmlError(int status, std::string_view detail) {
  std::string escaped;
  for (const char c : detail) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/html; charset=utf-8";
  const std::string title = StrCat(status, " ", ReasonOf(status));
  reply.body = StrCat("<!DOCTYPE html>\n<html lang=\"en\"><head><title>", title,
                      "</title></head>\n<body><h1>", title, "</h1><p>",
                      escaped, "</p></body></html>\n");
  return reply;
}

HttpReply TextReply(int status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = std::move(body);
  return reply;
}

HttpReply JsonReply(int status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = std::move(body);
  return reply;
}

}  // namespace millstream::gateway
