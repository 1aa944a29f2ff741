#include "auth/sealed_text.h"

#include <memory>

#include "absl/strings/escaping.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "openssl/evp.h"
#include "openssl/rand.h"

namespace millstream::auth {
namespace {

// Keeps the key apart from whatever else is made from such a secret.
constexpr std::string_view kPurpose = "millstream sealed text 1:";
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kPadTo = 256;
// Where the text ends and the padding begins.
constexpr char kEnd = '\x80';

using Context =
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* Bytes(std::string* text, size_t from) {
  return reinterpret_cast<unsigned char*>(text->data()) + from;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Sealer::Sealer(std::string_view secret) : key_{} {
  const std::string text = StrCat(kPurpose, secret);
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), key_.data(), &size, EVP_sha256(),
             nullptr);
}

std::string Sealer::Seal(std::string_view text) const {
  std::string padded(text);
  padded.push_back(kEnd);
  padded.resize((padded.size() + kPadTo - 1) / kPadTo * kPadTo, '\0');
  std::string sealed(kNonceBytes + padded.size() + kTagBytes, '\0');
  const size_t tag = sealed.size() - kTagBytes;
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int size = 0, rest = 0;
  if (RAND_bytes(Bytes(&sealed, 0), kNonceBytes) != 1 ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr,
                         key_.data(), Bytes(sealed)) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(&sealed, kNonceBytes), &size,
                        Bytes(padded),
                        static_cast<int>(padded.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(&sealed, tag), &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                          Bytes(&sealed, tag)) != 1) {
    return "";
  }
  return absl::WebSafeBase64Escape(sealed);
}

std::optional<std::string> Sealer::Open(std::string_view text) const {
  std::string sealed;
  if (text.size() > limits::kSealedTextBytesMax ||
      !absl::WebSafeBase64Unescape(AbslView(text), &sealed) ||
      sealed.size() <= kNonceBytes + kTagBytes) {
    return std::nullopt;
  }
  const size_t tag = sealed.size() - kTagBytes;
  std::string padded(tag - kNonceBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int size = 0, rest = 0;
  if (EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr,
                         key_.data(), Bytes(sealed)) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(&padded, 0), &size,
                        Bytes(sealed) + kNonceBytes,
                        static_cast<int>(padded.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                          Bytes(&sealed, tag)) != 1 ||
      EVP_DecryptFinal_ex(context.get(), Bytes(&padded, padded.size()),
                          &rest) != 1) {
    return std::nullopt;
  }
  const size_t end = padded.rfind(kEnd);
  if (end == std::string::npos) return std::nullopt;
  padded.resize(end);
  return padded;
}

}  // namespace millstream::auth
