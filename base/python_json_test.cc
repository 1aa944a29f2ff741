#include "base/python_json.h"

#include "gtest/gtest.h"

namespace millstream {
namespace {

std::string Json(std::string_view text) {
  std::string out;
  AppendPythonJsonString(text, &out);
  return out;
}

TEST(PythonJsonTest, PrintableAsciiStandsForItself) {
  EXPECT_EQ(Json(""), R"("")");
  EXPECT_EQ(Json("a b/'~"), R"("a b/'~")");
}

TEST(PythonJsonTest, SomeCharactersHaveShortEscapes) {
  EXPECT_EQ(Json("\"\\\n\r\t\f\b"), R"("\"\\\n\r\t\f\b")");
}

TEST(PythonJsonTest, AllElseIsEscapedByItsNumber) {
  EXPECT_EQ(Json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
  EXPECT_EQ(Json("ü☃"), R"("\u00fc\u2603")");
  EXPECT_EQ(Json("😀"), R"("\ud83d\ude00")");
}

}  // namespace
}  // namespace millstream
