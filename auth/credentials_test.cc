#include "auth/credentials.h"

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

TEST(CredentialsTest, ReadsBasicAndBearer) {
  // "alice:a:b", "bob:".
  auto basic = ParseAuthorization("Basic YWxpY2U6YTpi");
  ASSERT_TRUE(basic.has_value());
  EXPECT_EQ(basic->user, "alice");
  EXPECT_EQ(basic->secret, "a:b");
  EXPECT_FALSE(basic->is_token);
  EXPECT_EQ(ParseAuthorization("bAsIc  Ym9iOg==")->user, "bob");
  auto bearer = ParseAuthorization("Bearer abc.def");
  ASSERT_TRUE(bearer.has_value());
  EXPECT_TRUE(bearer->is_token);
  EXPECT_EQ(bearer->secret, "abc.def");
}

TEST(CredentialsTest, RefusesTheRest) {
  for (const char* header :
       {"", "Basic", "Basic ", "Basic ???", "Basic YWxpY2U=", "Basic Ong=",
        "Bearer ", "Digest x", "YWxpY2U6YTpi", "Basicx YWxpY2U6YTpi"}) {
    EXPECT_FALSE(ParseAuthorization(header).has_value()) << header;
  }
  EXPECT_FALSE(ParseAuthorization(
                   "Bearer " +
                   std::string(limits::kAuthorizationBytesMax, 'x'))
                   .has_value());
}

TEST(CredentialsTest, PeersHaveAddresses) {
  EXPECT_EQ(AddressOf("1.2.3.4:567"), "1.2.3.4");
  EXPECT_EQ(AddressOf("ipv4:1.2.3.4:567"), "1.2.3.4");
  EXPECT_EQ(AddressOf("2001:db8::1:5000"), AddressOf("2001:db8::2:5000"));
  EXPECT_EQ(AddressOf("ipv6:%5B2001:db8::1%5D:567"), "2001:db8::");
  EXPECT_EQ(AddressOf("[2001:db8::1]:567"), "2001:db8::");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8:1::1]:567"), "2001:db8:1::");
  EXPECT_EQ(AddressOf("::ffff:1.2.3.4:567"), "1.2.3.4");
  EXPECT_EQ(AddressOf("unix:/x"), "unix");
  // As proxies tell them, without ports.
  EXPECT_EQ(AddressOf("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(AddressOf("2001:db8::1"), "2001:db8::");
  EXPECT_EQ(AddressOf("2001:db8:0:0:1:2:3:4"), "2001:db8::");
  EXPECT_EQ(HostOf("ipv6:%5B2001:db8::1%5D:567"), "2001:db8::1");
  EXPECT_EQ(HostOf("ipv4:1.2.3.4:567"), "1.2.3.4");
}

TEST(CredentialsTest, FingerprintsTellTextsApart) {
  EXPECT_EQ(FingerprintOf("a"), FingerprintOf("a"));
  EXPECT_NE(FingerprintOf("a"), FingerprintOf("b"));
  EXPECT_NE(FingerprintOf(""), FingerprintOf("b"));
}

}  // namespace
}  // namespace millstream::auth
