// Hashes as AWS's signatures want them, by OpenSSL.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_AWS_DIGEST_H_
#define MILLSTREAM_AWS_DIGEST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millstream::aws {

// Lower-case hexadecimal digits of `bytes`.
std::string Hex(std::string_view bytes);

// 32 bytes.
std::string Sha256(std::string_view data);
std::string HmacSha256(std::string_view key, std::string_view data);

// 16 bytes; and as the header Content-MD5 has them. Some requests of S3 want it
// and etags are made of it; nobody's safety rests on it.
std::string Md5(std::string_view data);
std::string Md5Base64(std::string_view data);

// A hash of data that comes in pieces. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();

  void Add(std::string_view data);
  // 32 bytes. No call may follow.
  std::string Finish();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_DIGEST_H_
