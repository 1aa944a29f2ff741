#include "auth/password_hash.h"

#include <string>

#include "auth/apr1.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

struct Vector {
  const char* password;
  const char* hash;
};

// Made by `htpasswd -nb`, `openssl passwd` and Werkzeug.
constexpr Vector kVectors[] = {
    {"tr0ub&dor é:3",
     "$2y$04$WB93ZKAk6LzCYYaVpuDZlO4rMN3PRQMcrzQFkcBTrIL8zC/K5bEs."},
    {"tr0ub&dor é:3", "$apr1$Uh2rSAYG$X3zWJxYVUcuUog/LS63bR."},
    {"tr0ub&dor é:3", "{SHA}AJkZoWY7xEJLjJOPDA4WEFciROY="},
    {"secret", "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM."},
    {"secret",
     "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVA"
     "CtLtip/cZ/1GM/O6IND4WQhG."},
    {"x",
     "$6$rounds=5000$saltsalt$8RWsOfwR6M6PpnoeQiEiWzNTPo1f0HjVYjDnLZhGx16aBFRke"
     "qiHAzfXP/LgrOWMBMXqiU2pLrXsSOHNUyUm91"},
    {"secret", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"},
    {"", "$apr1$xy$43..WIhbfuznGvwoCyUek/"},
    {"a rather long password that is more than one block of the hash, and then "
     "some more",
     "$apr1$abcdefgh$94SnGqXCNcCl74A6EkFln/"},
    {"secret",
     "scrypt:32768:8:1$3hchIJPaiAmBmRDy$"
     "c5aa8c33e73a449907afcff6749525f38d820e03b905e6b03abb16c5cf237abe"
     "af2825937cb1d7515384eec31cde728e41c9139e023e1c2c8e825a8dcb72aecc"},
    {"sécret",
     "pbkdf2:sha256:1000$cK6uRgHTd4bwcSnZ$"
     "e805ce9b1cc998844bee571d023d7e424a496d5ea236946dd8ac3c27954bf145"},
    {"secret",
     "pbkdf2:sha512:1000$BJBHLg6CxZ7bueKF$"
     "3d031f95bb8b15e7bb0a5ea6df3b2687d142157842f649588a20a653ecccadea"
     "97c53d710374f040515b269868a8aa9d058807afe7e71f202e0c9cdf5429644e"},
};

TEST(PasswordHashTest, KnowsHashesOfOthers) {
  for (const Vector& vector : kVectors) {
    EXPECT_TRUE(CheckHash(vector.hash).ok()) << vector.hash;
    EXPECT_TRUE(Matches(vector.password, vector.hash)) << vector.hash;
  }
}

TEST(PasswordHashTest, WrongPasswordsDoNotMatch) {
  for (const Vector& vector : kVectors) {
    EXPECT_FALSE(Matches(std::string(vector.password) + "x", vector.hash))
        << vector.hash;
    EXPECT_FALSE(Matches("", vector.hash) && vector.password[0] != '\0');
  }
}

TEST(PasswordHashTest, NulEndsNoPassword) {
  const std::string password("secret\0x", 8);
  EXPECT_FALSE(Matches(password, kVectors[3].hash));
}

TEST(PasswordHashTest, RefusesWhatIsNoHash) {
  for (const char* hash :
       {"", "secret", "rqXexS6ZhobKA", "$2y$", "$2y$10$short", "$apr1$x", "$1$",
        "$apr1$abcdefghi$h9FWgUz3n9YxylKLlR5SQ/", "{SHA}x", "$6$nothing",
        "{PLAIN}secret", "scrypt:32768:8:1$salt", "scrypt:1:x:1$salt$00ff",
        "pbkdf2:md5:1000$salt$00ff", "pbkdf2:sha256:0$salt$00ff",
        "scrypt:32768:8:1$salt$0g"}) {
    EXPECT_FALSE(CheckHash(hash).ok()) << hash;
    EXPECT_FALSE(Matches("secret", hash)) << hash;
  }
  EXPECT_FALSE(
      CheckHash(std::string(limits::kPasswordHashBytesMax + 1, '$')).ok());
}

// A file of hashes must not be able to keep the server busy.
TEST(PasswordHashTest, RefusesHashesThatTakeTooLong) {
  const std::string bcrypt(53, 'a'), sha(43, 'a');
  const auto scrypt = [](uint64_t n, uint64_t p) {
    return "scrypt:" + std::to_string(n) + ":8:" + std::to_string(p) +
           "$salt$00ff";
  };
  const auto pbkdf2 = [](int rounds) {
    return "pbkdf2:sha256:" + std::to_string(rounds) + "$salt$00ff";
  };
  const auto sha_crypt = [&](int rounds) {
    return "$5$rounds=" + std::to_string(rounds) + "$salt$" + sha;
  };
  const auto cost = [&](int number) {
    return "$2y$" + std::to_string(number) + "$" + bcrypt;
  };
  constexpr uint64_t kNMax = limits::kScryptBytesMax / 8 / 128;
  for (const std::string& hash :
       {cost(limits::kBcryptCostMax), sha_crypt(limits::kShaCryptRoundsMax),
        pbkdf2(limits::kPbkdf2RoundsMax),
        scrypt(kNMax, limits::kScryptParallelMax)}) {
    EXPECT_TRUE(CheckHash(hash).ok()) << hash;
  }
  for (const std::string& hash :
       {cost(limits::kBcryptCostMax + 1),
        sha_crypt(limits::kShaCryptRoundsMax + 1), scrypt(2 * kNMax, 1),
        scrypt(kNMax, limits::kScryptParallelMax + 1), scrypt(~uint64_t{0}, 1),
        pbkdf2(limits::kPbkdf2RoundsMax + 1)}) {
    const absl::Status status = CheckHash(hash);
    EXPECT_NE(status.message().find("too long to check"),
              absl::string_view::npos)
        << hash << status;
  }
}

TEST(PasswordHashTest, LongPasswordsMatchNothing) {
  const std::string longest(limits::kPasswordBytesMax, 'p');
  const std::string hash = HashPassword(longest);
  EXPECT_TRUE(Matches(longest, hash));
  EXPECT_FALSE(Matches(longest + "p", HashPassword(longest + "p")));
}

TEST(PasswordHashTest, MakesMlflowsHash) {
  const std::string hash = HashPassword("secret");
  EXPECT_EQ(hash.substr(0, 17), "scrypt:32768:8:1$");
  EXPECT_EQ(hash.size(), 17u + 16 + 1 + 128);
  EXPECT_TRUE(Matches("secret", hash));
  EXPECT_NE(hash, HashPassword("secret"));
}

}  // namespace
}  // namespace millstream::auth
