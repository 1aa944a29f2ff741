#include "gateway/http_tls.h"

#include <string>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "boost/asio/buffer.hpp"
#include "boost/asio/ssl/context.hpp"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "openssl/x509.h"

namespace millstream::gateway {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

// How often the files are looked at.
constexpr int64_t kLookMs = 1000;

absl::Status Unusable(std::string_view flag, std::string_view path,
                      std::string_view why) {
  return absl::InvalidArgumentError(
      StrCat(flag, ": '", path, "' cannot be used: ", why, "."));
}

// Takes HTTP/1.1 where callers offer it among others.
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp, sizeof(kHttp) - 1, in,
                            in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// All certificates of a file.
absl::Status TrustAll(const std::string& pem, std::string_view path,
                      SSL_CTX* context) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  int count = 0;
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one);
    SSL_CTX_add_client_CA(context, one);
    X509_free(one);
    ++count;
  }
  ERR_clear_error();
  if (count == 0) {
    return Unusable("--tls-client-ca", path, "no certificate in PEM");
  }
  return absl::OkStatus();
}

}  // namespace

HttpTls::HttpTls(const TlsFiles& files, const Clock* clock)
    : clock_(clock),
      certificate_(files.certificate, limits::kTlsFileBytesMax),
      key_(files.key, limits::kTlsFileBytesMax),
      client_ca_(files.client_ca, limits::kTlsFileBytesMax) {}

HttpTls::~HttpTls() = default;

absl::StatusOr<std::unique_ptr<HttpTls>> HttpTls::Open(const TlsFiles& files,
                                                       const Clock* clock) {
  auto tls = std::make_unique<HttpTls>(files, clock);
  absl::MutexLock lock(&tls->mutex_);
  tls->looked_ms_ = clock->NowMs();
  ASSIGN_OR_RETURN(tls->current_, tls->Load());
  return tls;
}

HttpTls::Context HttpTls::Current() {
  absl::MutexLock lock(&mutex_);
  const int64_t now_ms = clock_->NowMs();
  if (now_ms - looked_ms_ < kLookMs) return current_;
  looked_ms_ = now_ms;
  if (!certificate_.HasChanged() && !key_.HasChanged() &&
      (client_ca_.path().empty() || !client_ca_.HasChanged())) {
    return current_;
  }
  absl::StatusOr<Context> loaded = Load();
  if (loaded.ok()) {
    current_ = *std::move(loaded);
    LogInfo("--tls-cert: read again.");
  } else {
    LogError(loaded.status().message(), " The one before stays in use.");
  }
  return current_;
}

absl::StatusOr<HttpTls::Context> HttpTls::Load() {
  const auto read = [](std::string_view flag, auth::WatchedFile* file)
      -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> text = file->Read();
    if (text.ok()) return text;
    return absl::InvalidArgumentError(
        StrCat(flag, ": ", text.status().message(), "."));
  };
  // All are read, so that each is compared with what it was this time.
  const absl::StatusOr<std::string> certificate =
      read("--tls-cert", &certificate_);
  const absl::StatusOr<std::string> key = read("--tls-key", &key_);
  absl::StatusOr<std::string> client_ca = std::string();
  if (!client_ca_.path().empty()) {
    client_ca = read("--tls-client-ca", &client_ca_);
  }
  if (!certificate.ok()) return certificate.status();
  if (!key.ok()) return key.status();
  if (!client_ca.ok()) return client_ca.status();

  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_alpn_select_cb(native, ChooseProtocol, nullptr);
  error_code error;
  // Else OpenSSL would ask the terminal.
  context->set_password_callback(
      [](size_t, ssl::context::password_purpose) { return std::string(); },
      error);
  context->use_certificate_chain(boost::asio::buffer(*certificate), error);
  if (error) {
    return Unusable("--tls-cert", certificate_.path(), error.message());
  }
  context->use_private_key(boost::asio::buffer(*key), ssl::context::pem,
                           error);
  if (error) return Unusable("--tls-key", key_.path(), error.message());
  if (SSL_CTX_check_private_key(native) != 1) {
    ERR_clear_error();
    return Unusable("--tls-key", key_.path(),
                    "it is not the key of --tls-cert");
  }
  if (!client_ca->empty()) {
    RETURN_IF_ERROR(TrustAll(*client_ca, client_ca_.path(), native));
    SSL_CTX_set_verify(
        native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    static constexpr unsigned char kSessions[] = "millstream";
    SSL_CTX_set_session_id_context(native, kSessions, sizeof(kSessions) - 1);
  }
  return context;
}

}  // namespace millstream::gateway
