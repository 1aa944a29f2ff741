#include "gateway/answer_notes.h"

#include "base/log.h"
#include "gateway/http_monitor.h"

namespace millstream::gateway {

void AnswerNotes::Note(const RequestHead& head, int status, int64_t bytes,
                       std::chrono::steady_clock::time_point begun,
                       std::string_view peer,
                       std::string_view request_id) const {
  if (monitor == nullptr && !access_log) return;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun)
          .count();
  if (monitor != nullptr) monitor->Answered(head.method, status, seconds);
  if (!access_log) return;
  LogEvent(Severity::kInfo, "request",
           {{"method", head.method},
            {"path", head.raw_path},
            {"status", status},
            {"bytes", bytes},
            {"ms", seconds * 1000},
            {"peer", peer},
            {"request_id", request_id}});
}

}  // namespace millstream::gateway
