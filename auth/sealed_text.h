// Text that passes through the hands of a user who must not read it.
#ifndef MILLSTREAM_AUTH_SEALED_TEXT_H_
#define MILLSTREAM_AUTH_SEALED_TEXT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millstream::auth {

// Immutable, so thread-safe. AES-256-GCM under a key made from a secret: who
// has the secret, on any machine, opens what another sealed; nobody else reads
// or changes it, or sees how long it is but for steps of 256 bytes.
class Sealer {
 public:
  explicit Sealer(std::string_view secret);

  // In the letters of web-safe base64; another text each time. Empty if the
  // system has no random numbers.
  std::string Seal(std::string_view text) const;

  // Nothing if `sealed` was not made by Seal() with the same secret, or has
  // more than limits::kSealedTextBytesMax.
  std::optional<std::string> Open(std::string_view sealed) const;

 private:
  std::array<uint8_t, 32> key_;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_SEALED_TEXT_H_
