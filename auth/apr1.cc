#include "auth/apr1.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "openssl/evp.h"

// The scheme is Poul-Henning Kamp's for FreeBSD's crypt(3), with a prefix of
// Apache's own: https://httpd.apache.org/docs/2.4/misc/password_encryptions.html
namespace millstream::auth {
namespace {

constexpr std::string_view kPrefix = "$apr1$";
constexpr size_t kSaltBytesMax = 8;
constexpr int kRounds = 1000;
constexpr std::string_view kAlphabet =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

using Digest = std::array<unsigned char, 16>;

class Md5 {
 public:
  Md5() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr);
  }
  void Add(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  void Add(const Digest& digest, size_t size = sizeof(Digest)) {
    EVP_DigestUpdate(context_.get(), digest.data(), size);
  }
  Digest Finish() {
    Digest digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Digest FirstDigest(std::string_view password, std::string_view salt) {
  Md5 inner;
  inner.Add(password);
  inner.Add(salt);
  inner.Add(password);
  const Digest mixed = inner.Finish();
  Md5 outer;
  outer.Add(password);
  outer.Add(kPrefix);
  outer.Add(salt);
  for (size_t left = password.size(); left > 0;) {
    const size_t size = std::min(left, mixed.size());
    outer.Add(mixed, size);
    left -= size;
  }
  for (size_t bits = password.size(); bits > 0; bits >>= 1) {
    outer.Add((bits & 1) != 0 ? std::string_view("\0", 1)
                              : password.substr(0, 1));
  }
  return outer.Finish();
}

// The bytes of a digest in the scheme's order, six bits a character.
std::string Encode(const Digest& digest) {
  std::string text;
  const auto add = [&](uint32_t value, int characters) {
    for (; characters > 0; --characters, value >>= 6) {
      text.push_back(kAlphabet[value & 0x3F]);
    }
  };
  for (int i = 0; i < 5; ++i) {
    const int last = i == 4 ? 5 : i + 12;
    add(uint32_t{digest[i]} << 16 | uint32_t{digest[i + 6]} << 8 |
            digest[last],
        4);
  }
  add(digest[11], 2);
  return text;
}

}  // namespace

std::string Apr1(std::string_view password, std::string_view salt) {
  salt = salt.substr(0, kSaltBytesMax);
  Digest digest = FirstDigest(password, salt);
  for (int round = 0; round < kRounds; ++round) {
    const bool odd = (round & 1) != 0;
    Md5 next;
    odd ? next.Add(password) : next.Add(digest);
    if (round % 3 != 0) next.Add(salt);
    if (round % 7 != 0) next.Add(password);
    odd ? next.Add(digest) : next.Add(password);
    digest = next.Finish();
  }
  return Encode(digest);
}

}  // namespace millstream::auth
