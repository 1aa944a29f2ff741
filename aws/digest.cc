#include "aws/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

std::string Digest(const EVP_MD* kind, std::string_view data) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), bytes, &size, kind, nullptr);
  return std::string(reinterpret_cast<char*>(bytes), size);
}

}  // namespace

struct Sha256Stream::State {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr);
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Add(std::string_view data) {
  EVP_DigestUpdate(state_->context, data.data(), data.size());
}

std::string Sha256Stream::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, bytes, &size);
  return std::string(reinterpret_cast<char*>(bytes), size);
}

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(AbslView(bytes));
}

std::string Sha256(std::string_view data) { return Digest(EVP_sha256(), data); }

std::string HmacSha256(std::string_view key, std::string_view data) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), bytes,
       &size);
  return std::string(reinterpret_cast<char*>(bytes), size);
}

std::string Md5(std::string_view data) { return Digest(EVP_md5(), data); }

std::string Md5Base64(std::string_view data) {
  return absl::Base64Escape(Md5(data));
}

}  // namespace millstream::aws
