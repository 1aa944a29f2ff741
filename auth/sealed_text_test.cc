#include "auth/sealed_text.h"

#include <string>

#include "absl/strings/escaping.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

TEST(SealerTest, WhoHasTheSecretOpensWhatAnotherSealed) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("a\0b\x80\0", 5),
        std::string(255, 'y'), std::string(256, 'z'),
        std::string(limits::kPageTokenBytesMax, 't')}) {
    const std::string sealed = Sealer("secret").Seal(text);
    EXPECT_EQ(Sealer("secret").Open(sealed), text);
    EXPECT_EQ(Sealer("another").Open(sealed), std::nullopt);
    EXPECT_LE(sealed.size(), limits::kSealedTextBytesMax);
  }
}

TEST(SealerTest, ShowsNothing) {
  const Sealer sealer("secret");
  const std::string sealed = sealer.Seal("merger-2027");
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(sealed, &bytes));
  EXPECT_EQ(bytes.find("merger"), std::string::npos);
  EXPECT_NE(sealed, sealer.Seal("merger-2027"));
  EXPECT_EQ(sealed.size(), sealer.Seal("m").size());
}

TEST(SealerTest, OpensNothingElse) {
  const Sealer sealer("secret");
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(sealer.Seal("text"), &bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] ^= 1;
    EXPECT_EQ(sealer.Open(absl::WebSafeBase64Escape(changed)), std::nullopt);
    EXPECT_EQ(sealer.Open(absl::WebSafeBase64Escape(bytes.substr(0, i))),
              std::nullopt);
  }
  EXPECT_EQ(sealer.Open("?"), std::nullopt);
  EXPECT_EQ(sealer.Open(sealer.Seal(
                std::string(limits::kSealedTextBytesMax, 'x'))),
            std::nullopt);
}

}  // namespace
}  // namespace millstream::auth
