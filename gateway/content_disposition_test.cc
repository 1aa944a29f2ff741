#include "gateway/content_disposition.h"

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

TEST(ContentDisposition, PlainNamesAreTokens) {
  EXPECT_EQ(AttachmentDisposition("a+b.txt"), "attachment; filename=a+b.txt");
  EXPECT_EQ(AttachmentDisposition(".hidden"), "attachment; filename=.hidden");
}

TEST(ContentDisposition, OtherAsciiIsQuoted) {
  EXPECT_EQ(AttachmentDisposition("with space.txt"),
            "attachment; filename=\"with space.txt\"");
  EXPECT_EQ(AttachmentDisposition("semi;colon.txt"),
            "attachment; filename=\"semi;colon.txt\"");
  EXPECT_EQ(AttachmentDisposition("a\"b\\c"),
            "attachment; filename=\"a\\\"b\\\\c\"");
  EXPECT_EQ(AttachmentDisposition("a\r\nb"),
            "attachment; filename=\"a__b\"");
  EXPECT_EQ(AttachmentDisposition(""), "attachment; filename=\"\"");
}

TEST(ContentDisposition, OtherNamesComeTwice) {
  EXPECT_EQ(AttachmentDisposition("\u00fc.txt"),
            "attachment; filename=u.txt; filename*=UTF-8''%C3%BC.txt");
  EXPECT_EQ(AttachmentDisposition("\u0160kod\u00e1.txt"),
            "attachment; filename=Skoda.txt; "
            "filename*=UTF-8''%C5%A0kod%C3%A1.txt");
  EXPECT_EQ(AttachmentDisposition("per\uFFFDnt.txt"),
            "attachment; filename=pernt.txt; "
            "filename*=UTF-8''per%EF%BF%BDnt.txt");
  EXPECT_EQ(AttachmentDisposition("\U0001F600"),
            "attachment; filename=download; filename*=UTF-8''%F0%9F%98%80");
}

}  // namespace
}  // namespace millstream::gateway
