// TLS of the REST door: its certificate, which may change while it is open.
#ifndef MILLSTREAM_GATEWAY_HTTP_TLS_H_
#define MILLSTREAM_GATEWAY_HTTP_TLS_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "auth/watched_file.h"
#include "base/clock.h"
#include "gateway/rest_options.h"

namespace boost::asio::ssl {
class context;
}

namespace millstream::gateway {

// Thread-safe. TLS 1.2 and later. The files are looked at once a second and
// read again when they change; connections that are open go on with what they
// began with. What cannot be used (a key of another certificate, half a file)
// is told in the log, and what was used before stays.
class HttpTls {
 public:
  // INVALID_ARGUMENT, naming the flag, for files that cannot be used.
  // `clock` must outlive the result.
  static absl::StatusOr<std::unique_ptr<HttpTls>> Open(const TlsFiles& files,
                                                       const Clock* clock);

  HttpTls(const TlsFiles& files, const Clock* clock);
  ~HttpTls();

  // For a connection that begins.
  std::shared_ptr<boost::asio::ssl::context> Current();

 private:
  using Context = std::shared_ptr<boost::asio::ssl::context>;

  absl::StatusOr<Context> Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  absl::Mutex mutex_;
  auth::WatchedFile certificate_ ABSL_GUARDED_BY(mutex_);
  auth::WatchedFile key_ ABSL_GUARDED_BY(mutex_);
  // Its path may be empty: callers need no certificate.
  auth::WatchedFile client_ca_ ABSL_GUARDED_BY(mutex_);
  int64_t looked_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  Context current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_TLS_H_
