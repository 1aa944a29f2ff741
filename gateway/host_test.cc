#include "gateway/host.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

TEST(Host, PartsAreRead) {
  const auto host = ParseHost("Example.COM:5000");
  ASSERT_TRUE(host.has_value());
  EXPECT_EQ(host->name, "example.com");
  EXPECT_EQ(host->port, "5000");
  EXPECT_FALSE(host->address.has_value());
  EXPECT_TRUE(ParseHost("10.0.0.1")->address.has_value());
  EXPECT_EQ(ParseHost("[::1]:80")->name, "::1");
  EXPECT_EQ(ParseHost("localhost.")->name, "localhost");
}

TEST(Host, OtherTextIsNone) {
  for (const char* text :
       {"", ":80", "a b", "a/b", "a@b", "a:b", "a:", "a:123456", "[::1",
        "[x]", "[1.2.3.4]", "[::1]x", "::1", "a\tb", "\u00e9", "a:80:80"}) {
    EXPECT_FALSE(ParseHost(text).has_value()) << text;
  }
}

TEST(Host, AddressesAreToldFromNames) {
  for (const char* text : {"10.1.2.3", "192.168.0.1:5000", "172.16.0.1",
                           "172.31.255.255", "0.0.0.0", "[fc00::1]:80",
                           "[fd12::1]"}) {
    EXPECT_TRUE(IsPrivate(*ParseHost(text))) << text;
  }
  for (const char* text :
       {"10.evil.example", "192.168.evil", "172.15.0.1", "172.32.0.1",
        "11.0.0.1", "1.2.3.4", "[2001:db8::1]", "10.0.0.1.example"}) {
    EXPECT_FALSE(IsPrivate(*ParseHost(text))) << text;
  }
  for (const char* text :
       {"localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3", "[::1]",
        "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(IsThisMachine(*ParseHost(text))) << text;
  }
  EXPECT_FALSE(IsThisMachine(*ParseHost("localhost.evil")));
}

TEST(Host, NetworksHoldTheirAddresses) {
  const auto contains = [](std::string_view network, std::string_view text) {
    return ParseNetwork(network)->Contains(*ParseAddress(text));
  };
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(contains("192.168.4.0/22", "192.168.7.1"));
  EXPECT_FALSE(contains("192.168.4.0/22", "192.168.8.1"));
  EXPECT_TRUE(contains("0.0.0.0/0", "1.2.3.4"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  for (const char* text : {"10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1",
                           "::/129", "10.0.0.0/"}) {
    EXPECT_FALSE(ParseNetwork(text).has_value()) << text;
  }
}

TEST(Host, OriginsAreRead) {
  const auto origin = ParseOrigin("HTTP://LocalHost:3000");
  ASSERT_TRUE(origin.has_value());
  EXPECT_EQ(origin->scheme, "http");
  EXPECT_EQ(origin->host.name, "localhost");
  for (const char* text : {"null", "", "localhost", "://x", "http://",
                           "http://a/b", "http://a@b"}) {
    EXPECT_FALSE(ParseOrigin(text).has_value()) << text;
  }
}

TEST(Host, WildcardsMatch) {
  EXPECT_TRUE(MatchesWildcard("a.example.com", "*.example.com"));
  EXPECT_TRUE(MatchesWildcard("abcabc", "*abc"));
  EXPECT_TRUE(MatchesWildcard("", "*"));
  EXPECT_TRUE(MatchesWildcard("a", "a"));
  EXPECT_FALSE(MatchesWildcard("example.com", "*.example.com"));
  EXPECT_FALSE(MatchesWildcard("aevil", "a"));
  EXPECT_FALSE(MatchesWildcard(std::string(5000, 'a'),
                               "*a*a*a*a*a*a*a*a*a*a*b"));
}

}  // namespace
}  // namespace millstream::gateway
