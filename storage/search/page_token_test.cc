#include "storage/search/page_token.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "gtest/gtest.h"

namespace millstream::storage::search {
namespace {

const std::vector<CursorColumn> kColumns = {{CursorType::kInteger, true},
                                            {CursorType::kReal, true},
                                            {CursorType::kText, false}};

TEST(PageToken, ComesBackAsItWas) {
  const std::vector<std::vector<SqlValue>> cursors = {
      {int64_t{1700000000000}, 0.1, std::string("run")},
      {std::numeric_limits<int64_t>::min(), -1.7976931348623157e308,
       std::string("\0\xff'", 3)},
      {std::monostate(), std::monostate(), std::string()},
      {int64_t{-1}, 5e-324, std::string(1000, 'x')}};
  for (const std::vector<SqlValue>& cursor : cursors) {
    const auto position =
        DecodePageToken(EncodePageToken(7, {12345, cursor}), 7, kColumns);
    ASSERT_TRUE(position.ok()) << position.status();
    EXPECT_EQ(position->offset, 12345);
    EXPECT_EQ(position->cursor, cursor);
  }
}

// Tokens are kept by clients over a restart: the bytes are fixed.
TEST(PageToken, BytesAreFixed) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(
      EncodePageToken(7, {300, {int64_t{2}, 0.5, std::string("ab")}}),
      &bytes));
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "01ac0203010200000000000000"
            "02000000000000e03f03026162"
            "dccdb29827cdaa21");
}

TEST(PageToken, OfAnotherSearchIsRefused) {
  const std::string token =
      EncodePageToken(7, {1, {int64_t{1}, 0.5, std::string("a")}});
  const auto position = DecodePageToken(token, 8, kColumns);
  ASSERT_FALSE(position.ok());
  EXPECT_EQ(GetErrorCode(position.status()), v1::INVALID_PARAMETER_VALUE);
}

TEST(PageToken, AnyChangedByteIsRefused) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(
      EncodePageToken(7, {1, {int64_t{1}, 0.5, std::string("abc")}}), &bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string changed = bytes;
      changed[i] ^= flip;
      EXPECT_FALSE(
          DecodePageToken(absl::WebSafeBase64Escape(changed), 7, kColumns)
              .ok())
          << i;
    }
    EXPECT_FALSE(DecodePageToken(
                     absl::WebSafeBase64Escape(bytes.substr(0, i)), 7, kColumns)
                     .ok());
  }
}

TEST(PageToken, NonsenseIsRefused) {
  for (const std::string token :
       {"bogus", "x", "====", "{\"offset\": 5}", "eyJvZmZzZXQiOiA1fQ==",
        "AAAAAAAAAAAAAAAAAAAA", " ", "\xff\xfe"}) {
    const auto position = DecodePageToken(token, 7, kColumns);
    ASSERT_FALSE(position.ok()) << token;
    EXPECT_EQ(GetErrorCode(position.status()), v1::INVALID_PARAMETER_VALUE);
  }
}

// Well-sealed, but not of these columns: the seal is no secret.
TEST(PageToken, ValuesOfOtherTypesAreRefused) {
  const std::vector<std::vector<SqlValue>> cursors = {
      {int64_t{1}, 0.5},
      {0.5, 0.5, std::string("a")},
      {int64_t{1}, int64_t{1}, std::string("a")},
      {int64_t{1}, std::numeric_limits<double>::quiet_NaN(), std::string("a")},
      {int64_t{1}, 0.5, std::monostate()},
      {int64_t{1}, 0.5, std::string("a"), int64_t{1}}};
  for (const std::vector<SqlValue>& cursor : cursors) {
    EXPECT_FALSE(
        DecodePageToken(EncodePageToken(7, {1, cursor}), 7, kColumns).ok());
  }
  EXPECT_FALSE(DecodePageToken(
                   EncodePageToken(7, {std::numeric_limits<int64_t>::max(),
                                       {int64_t{1}, 0.5, std::string("a")}}),
                   7, kColumns)
                   .ok());
}

TEST(PageToken, FingerprintsTellListsApart) {
  const auto fingerprint = [](const std::vector<std::string>& parts) {
    Fingerprint fingerprint;
    for (const std::string& part : parts) fingerprint.Add(part);
    return fingerprint.value();
  };
  EXPECT_NE(fingerprint({"ab", "c"}), fingerprint({"a", "bc"}));
  EXPECT_NE(fingerprint({"", "a"}), fingerprint({"a", ""}));
  EXPECT_EQ(fingerprint({"a"}), fingerprint({"a"}));
}

}  // namespace
}  // namespace millstream::storage::search
