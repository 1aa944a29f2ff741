#include "gateway/handler.h"

namespace millstream::gateway {

HttpReply Handler::Answer(const Request&, std::string*) const {
  return HtmlError(501, "This route takes streams only.");
}

Handler::Opening Handler::Open(const Request&) const {
  return {.reply = HtmlError(501, "This route takes whole bodies only."),
          .taker = nullptr};
}

}  // namespace millstream::gateway
