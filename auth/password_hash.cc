#include "auth/password_hash.h"

#include <crypt.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "auth/apr1.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "openssl/crypto.h"
#include "openssl/evp.h"
#include "openssl/rand.h"

namespace millstream::auth {
namespace {

constexpr std::string_view kApr1Prefix = "$apr1$";
constexpr std::string_view kShaPrefix = "{SHA}";

// Numbers of the hash that HashPassword makes.
constexpr uint64_t kScryptN = 32768;
constexpr uint64_t kScryptR = 8;
constexpr uint64_t kScryptP = 1;
constexpr size_t kScryptBytes = 64;
constexpr size_t kSaltLength = 16;

// crypt's, where a hash names none.
constexpr int kShaCryptRounds = 5000;

// Milliseconds, as docs/access.md has them: of bcrypt with cost 0, of a round,
// and of 128 bytes of scrypt's memory.
constexpr double kBcryptMs = 0.05;
constexpr double kShaCryptRoundMs = 1.9 / kShaCryptRounds;
constexpr double kApr1Ms = 0.6;
constexpr double kShaMs = 0.001;
constexpr double kScryptMs = 109.0 / (kScryptN * kScryptR * kScryptP);
constexpr double kPbkdf2RoundMs = 0.0005;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool IsBcrypt(std::string_view hash) {
  return StartsWith(hash, "$2y$") || StartsWith(hash, "$2a$") ||
         StartsWith(hash, "$2b$");
}

bool IsShaCrypt(std::string_view hash) {
  return StartsWith(hash, "$5$") || StartsWith(hash, "$6$");
}

absl::Status TooCostly() {
  return absl::InvalidArgumentError(
      "a hash that takes too long to check; make it with a smaller cost");
}

absl::Status Malformed(std::string_view kind) {
  return absl::InvalidArgumentError(StrCat("a ", kind, " hash that is none"));
}

// --- Werkzeug's

// What stands before, between and behind the two "$" of a Werkzeug hash.
struct Werkzeug {
  std::vector<std::string> method;
  std::string salt;
  std::string digest;
};

std::optional<Werkzeug> Split(std::string_view hash) {
  const std::vector<std::string> parts =
      absl::StrSplit(AbslView(hash), absl::MaxSplits('$', 2));
  if (parts.size() != 3 || parts[1].empty() || parts[2].empty() ||
      parts[2].size() % 2 != 0) {
    return std::nullopt;
  }
  for (const char c : parts[2]) {
    if (!absl::ascii_isxdigit(c)) return std::nullopt;
  }
  Werkzeug werkzeug;
  werkzeug.method = absl::StrSplit(parts[0], ':');
  werkzeug.salt = parts[1];
  werkzeug.digest = absl::HexStringToBytes(parts[2]);
  return werkzeug;
}

struct Scrypt {
  uint64_t n = 0, r = 0, p = 0;
};

std::optional<Scrypt> ScryptOf(const Werkzeug& werkzeug) {
  Scrypt scrypt;
  if (werkzeug.method.size() != 4 || werkzeug.method[0] != "scrypt" ||
      !absl::SimpleAtoi(werkzeug.method[1], &scrypt.n) ||
      !absl::SimpleAtoi(werkzeug.method[2], &scrypt.r) ||
      !absl::SimpleAtoi(werkzeug.method[3], &scrypt.p)) {
    return std::nullopt;
  }
  return scrypt;
}

bool IsCostly(const Scrypt& scrypt) {
  const auto over = [](uint64_t value, uint64_t max) {
    return value < 1 || value > max;
  };
  return over(scrypt.n, limits::kScryptBytesMax) || over(scrypt.r, 64) ||
         over(scrypt.p, limits::kScryptParallelMax) ||
         128 * scrypt.n * scrypt.r > limits::kScryptBytesMax;
}

struct Pbkdf2 {
  const EVP_MD* digest = nullptr;
  int rounds = 0;
};

std::optional<Pbkdf2> Pbkdf2Of(const Werkzeug& werkzeug) {
  Pbkdf2 pbkdf2;
  if (werkzeug.method.size() != 3 || werkzeug.method[0] != "pbkdf2" ||
      !absl::SimpleAtoi(werkzeug.method[2], &pbkdf2.rounds) ||
      pbkdf2.rounds < 1) {
    return std::nullopt;
  }
  if (werkzeug.method[1] == "sha256") pbkdf2.digest = EVP_sha256();
  if (werkzeug.method[1] == "sha512") pbkdf2.digest = EVP_sha512();
  if (pbkdf2.digest == nullptr) return std::nullopt;
  return pbkdf2;
}

std::string ScryptDigest(std::string_view password, std::string_view salt,
                         const Scrypt& scrypt, size_t size) {
  std::string digest(size, '\0');
  if (EVP_PBE_scrypt(password.data(), password.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()),
                     salt.size(), scrypt.n, scrypt.r, scrypt.p,
                     2 * limits::kScryptBytesMax,
                     reinterpret_cast<unsigned char*>(digest.data()),
                     digest.size()) != 1) {
    digest.clear();
  }
  return digest;
}

std::string Pbkdf2Digest(std::string_view password, std::string_view salt,
                         const Pbkdf2& pbkdf2, size_t size) {
  std::string digest(size, '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), pbkdf2.rounds,
                        pbkdf2.digest, static_cast<int>(size),
                        reinterpret_cast<unsigned char*>(digest.data())) != 1) {
    digest.clear();
  }
  return digest;
}

absl::Status CheckWerkzeug(std::string_view hash) {
  const std::optional<Werkzeug> werkzeug = Split(hash);
  if (!werkzeug.has_value() || werkzeug->digest.size() > kScryptBytes) {
    return Malformed("scrypt or pbkdf2");
  }
  if (const auto scrypt = ScryptOf(*werkzeug)) {
    return IsCostly(*scrypt) ? TooCostly() : absl::OkStatus();
  }
  if (const auto pbkdf2 = Pbkdf2Of(*werkzeug)) {
    return pbkdf2->rounds > limits::kPbkdf2RoundsMax ? TooCostly()
                                                     : absl::OkStatus();
  }
  return Malformed("scrypt or pbkdf2");
}

bool MatchesWerkzeug(std::string_view password, std::string_view hash) {
  const std::optional<Werkzeug> werkzeug = Split(hash);
  if (!werkzeug.has_value()) return false;
  const size_t size = werkzeug->digest.size();
  std::string digest;
  if (const auto scrypt = ScryptOf(*werkzeug)) {
    digest = ScryptDigest(password, werkzeug->salt, *scrypt, size);
  } else if (const auto pbkdf2 = Pbkdf2Of(*werkzeug)) {
    digest = Pbkdf2Digest(password, werkzeug->salt, *pbkdf2, size);
  }
  return !digest.empty() && SameBytes(digest, werkzeug->digest);
}

// --- crypt(3)'s

// "$2y$10$" and 53 characters.
int BcryptCost(std::string_view hash) {
  int cost = -1;
  if (hash.size() == 60 && hash[6] == '$' &&
      absl::SimpleAtoi(AbslView(hash.substr(4, 2)), &cost)) {
    return cost;
  }
  return -1;
}

absl::Status CheckBcrypt(std::string_view hash) {
  const int cost = BcryptCost(hash);
  if (cost < 0) return Malformed("bcrypt");
  return cost > limits::kBcryptCostMax ? TooCostly() : absl::OkStatus();
}

// Takes "rounds=N$" off what follows "$5$"; nothing if it is malformed.
std::optional<int> TakeRounds(std::string_view* rest) {
  constexpr std::string_view kRounds = "rounds=";
  int rounds = kShaCryptRounds;
  if (!StartsWith(*rest, kRounds)) return rounds;
  const size_t end = rest->find('$');
  if (end == std::string_view::npos ||
      !absl::SimpleAtoi(
          AbslView(rest->substr(kRounds.size(), end - kRounds.size())),
          &rounds) ||
      rounds < 0) {
    return std::nullopt;
  }
  rest->remove_prefix(end + 1);
  return rounds;
}

absl::Status CheckShaCrypt(std::string_view hash) {
  std::string_view rest = hash.substr(3);
  const std::optional<int> rounds = TakeRounds(&rest);
  if (!rounds.has_value()) return Malformed("SHA-crypt");
  if (*rounds > limits::kShaCryptRoundsMax) return TooCostly();
  const size_t end = rest.find('$');
  const size_t length = hash[1] == '5' ? 43 : 86;
  if (end == std::string_view::npos || rest.size() - end - 1 != length) {
    return Malformed("SHA-crypt");
  }
  return absl::OkStatus();
}

bool MatchesCrypt(std::string_view password, std::string_view hash) {
  // Half a page of state, cleared when it goes.
  const auto clear = [](crypt_data* data) {
    OPENSSL_cleanse(data, sizeof(*data));
    delete data;
  };
  const std::unique_ptr<crypt_data, decltype(clear)> data(new crypt_data(),
                                                          clear);
  const std::string phrase(password);
  const std::string setting(hash);
  const char* made = crypt_r(phrase.c_str(), setting.c_str(), data.get());
  return made != nullptr && SameBytes(made, hash);
}

// --- Others of htpasswd

bool MatchesApr1(std::string_view password, std::string_view hash) {
  const std::string_view rest = hash.substr(kApr1Prefix.size());
  const size_t end = rest.find('$');
  if (end == std::string_view::npos) return false;
  return SameBytes(Apr1(password, rest.substr(0, end)), rest.substr(end + 1));
}

bool MatchesSha(std::string_view password, std::string_view hash) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(password.data(), password.size(), digest.data(), &size,
             EVP_sha1(), nullptr);
  return SameBytes(
      absl::Base64Escape(absl::string_view(
          reinterpret_cast<const char*>(digest.data()), size)),
      hash.substr(kShaPrefix.size()));
}

}  // namespace

absl::Status CheckHash(std::string_view hash) {
  if (hash.size() > limits::kPasswordHashBytesMax) {
    return absl::InvalidArgumentError("a hash that is too long");
  }
  if (IsBcrypt(hash)) return CheckBcrypt(hash);
  if (IsShaCrypt(hash)) return CheckShaCrypt(hash);
  if (StartsWith(hash, "scrypt:") || StartsWith(hash, "pbkdf2:")) {
    return CheckWerkzeug(hash);
  }
  if (StartsWith(hash, kApr1Prefix)) {
    const std::string_view rest = hash.substr(kApr1Prefix.size());
    const size_t end = rest.find('$');
    if (end == std::string_view::npos || end > 8 || rest.size() - end != 23) {
      return Malformed("apr1");
    }
    return absl::OkStatus();
  }
  if (StartsWith(hash, kShaPrefix)) {
    // Twenty bytes in base64.
    return hash.size() == kShaPrefix.size() + 28 ? absl::OkStatus()
                                                 : Malformed("{SHA}");
  }
  return absl::InvalidArgumentError(
      "no password hash of a known kind (bcrypt, apr1, {SHA}, $5$, $6$, "
      "scrypt: and pbkdf2: are); make one with `htpasswd -nbB`");
}

bool Matches(std::string_view password, std::string_view hash) {
  // The longest that crypt takes; and to it a NUL is the end.
  if (password.size() > limits::kPasswordBytesMax ||
      password.find('\0') != std::string_view::npos || !CheckHash(hash).ok()) {
    return false;
  }
  if (IsBcrypt(hash) || IsShaCrypt(hash)) return MatchesCrypt(password, hash);
  if (StartsWith(hash, kApr1Prefix)) return MatchesApr1(password, hash);
  if (StartsWith(hash, kShaPrefix)) return MatchesSha(password, hash);
  return MatchesWerkzeug(password, hash);
}

double CostOf(std::string_view hash) {
  if (IsBcrypt(hash)) return kBcryptMs * std::exp2(BcryptCost(hash));
  if (IsShaCrypt(hash)) {
    std::string_view rest = hash.substr(3);
    return kShaCryptRoundMs * TakeRounds(&rest).value_or(0);
  }
  if (StartsWith(hash, kApr1Prefix)) return kApr1Ms;
  if (StartsWith(hash, kShaPrefix)) return kShaMs;
  const std::optional<Werkzeug> werkzeug = Split(hash);
  if (!werkzeug.has_value()) return 0;
  if (const auto scrypt = ScryptOf(*werkzeug)) {
    return kScryptMs * static_cast<double>(scrypt->n) *
           static_cast<double>(scrypt->r) * static_cast<double>(scrypt->p);
  }
  const auto pbkdf2 = Pbkdf2Of(*werkzeug);
  return pbkdf2.has_value() ? kPbkdf2RoundMs * pbkdf2->rounds : 0;
}

std::string HashPassword(std::string_view password) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string salt;
  while (salt.size() < kSaltLength) {
    unsigned char byte = 0;
    RAND_bytes(&byte, 1);
    // All letters are as likely as one another.
    if (byte < 256 - 256 % kLetters.size()) {
      salt.push_back(kLetters[byte % kLetters.size()]);
    }
  }
  const std::string digest = ScryptDigest(
      password, salt, {kScryptN, kScryptR, kScryptP}, kScryptBytes);
  return StrCat("scrypt:", kScryptN, ":", kScryptR, ":", kScryptP, "$", salt,
                "$", absl::BytesToHexString(digest));
}

bool SameBytes(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace millstream::auth
