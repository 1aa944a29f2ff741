#include "auth/token_file.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "openssl/evp.h"

namespace millstream::auth {
namespace {

// How often the file is looked at.
constexpr int64_t kLookMs = 1000;
constexpr size_t kDigestDigits = 64;

std::string DigestOf(std::string_view token) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(token.data(), token.size(), digest.data(), &size, EVP_sha256(),
             nullptr);
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), size));
}

bool IsDigest(absl::string_view text) {
  if (text.size() != kDigestDigits) return false;
  for (const char c : text) {
    if (!absl::ascii_isxdigit(c)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Tokens> ParseTokens(std::string_view text) {
  Tokens tokens;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const auto fault = [&](std::string_view what) {
      return absl::InvalidArgumentError(
          StrCat("line ", number, " has ", what));
    };
    const std::vector<std::string> parts = absl::StrSplit(line, ':');
    if (parts.size() != 3 || parts[0].empty() ||
        parts[0].size() > limits::kUserNameBytesMax || parts[1] != "sha256" ||
        !IsDigest(parts[2])) {
      return fault(
          "no \"user:sha256:<64 hexadecimal digits>\"; make one with `printf "
          "%s TOKEN | sha256sum`");
    }
    if (tokens.size() == limits::kUserFileUsersMax) {
      return fault(StrCat("one token more than the ",
                          limits::kUserFileUsersMax, " there may be"));
    }
    if (!tokens.emplace(absl::AsciiStrToLower(parts[2]), parts[0]).second) {
      return fault("a token that is there already");
    }
  }
  return tokens;
}

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(std::string path,
                                                           const Clock* clock) {
  auto file = std::make_unique<TokenFile>(std::move(path), clock);
  absl::MutexLock lock(&file->mutex_);
  file->looked_ms_ = clock->NowMs();
  if (absl::Status status = file->Read(); !status.ok()) {
    return absl::InvalidArgumentError(
        StrCat("--token-file: ", status.message(), "."));
  }
  return file;
}

TokenFile::TokenFile(std::string path, const Clock* clock)
    : clock_(clock), file_(std::move(path), limits::kUserFileBytesMax) {}

Verdict TokenFile::Find(std::string_view token) {
  const std::string digest = DigestOf(token);
  absl::MutexLock lock(&mutex_);
  const auto found = tokens_.find(digest);
  if (found == tokens_.end()) {
    return MakeError(v1::UNAUTHENTICATED, "The token is not known here.");
  }
  return std::make_shared<Identity>(Identity{found->second, digest});
}

bool TokenFile::Holds(const Identity& identity) {
  absl::MutexLock lock(&mutex_);
  const auto found = tokens_.find(identity.proof);
  return found != tokens_.end() && found->second == identity.user;
}

uint64_t TokenFile::generation() {
  const int64_t now_ms = clock_->NowMs();
  if (now_ms - looked_ms_.load(std::memory_order_relaxed) >= kLookMs) {
    absl::MutexLock lock(&mutex_);
    if (now_ms - looked_ms_ >= kLookMs) {
      looked_ms_ = now_ms;
      if (file_.HasChanged()) {
        if (absl::Status status = Read(); !status.ok()) {
          LogError("--token-file: ", status.message(),
                   "; the tokens stay as they were.");
        }
      }
    }
  }
  return generation_.load(std::memory_order_acquire);
}

absl::Status TokenFile::Read() {
  ASSIGN_OR_RETURN(const std::string text, file_.Read());
  absl::StatusOr<Tokens> tokens = ParseTokens(text);
  if (!tokens.ok()) {
    return absl::InvalidArgumentError(
        StrCat("'", file_.path(), "' ", tokens.status().message()));
  }
  tokens_ = *std::move(tokens);
  generation_.fetch_add(1, std::memory_order_release);
  return absl::OkStatus();
}

}  // namespace millstream::auth
