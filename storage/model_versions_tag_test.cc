#include "storage/model_versions_tag.h"

#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

TEST(ModelVersionsTagTest, BeginsAList) {
  EXPECT_EQ(AddModelVersion("", "m", 1), R"([{"name": "m", "version": 1}])");
  EXPECT_EQ(AddModelVersion("[]", "m", 1), R"([{"name": "m", "version": 1}])");
}

TEST(ModelVersionsTagTest, AddsToAList) {
  EXPECT_EQ(AddModelVersion(R"([{"name": "m", "version": 1}] )", "m", 2),
            R"([{"name": "m", "version": 1}, {"name": "m", "version": 2}])");
}

TEST(ModelVersionsTagTest, AddsAVersionOnce) {
  const char* list = R"([{"version":1,"name":"m"},{"name":"n","version":1}])";
  EXPECT_EQ(AddModelVersion(list, "m", 1), list);
  EXPECT_EQ(AddModelVersion(list, "n", 1), list);
}

TEST(ModelVersionsTagTest, SaysWhatItLists) {
  const std::string list = AddModelVersion("", "ü", 2);
  EXPECT_TRUE(ListsModelVersion(list, "ü", 2));
  EXPECT_FALSE(ListsModelVersion(list, "ü", 1));
  EXPECT_FALSE(ListsModelVersion(list, "u", 2));
  EXPECT_FALSE(ListsModelVersion("", "ü", 2));
}

TEST(ModelVersionsTagTest, WhatIsNoListBeginsANewOne) {
  for (const char* value : {"garbage", "{}", "5", "[", "[1] x", "\"[]\""}) {
    EXPECT_EQ(AddModelVersion(value, "m", 1),
              R"([{"name": "m", "version": 1}])")
        << value;
  }
  EXPECT_EQ(AddModelVersion("[5, {}]", "m", 1),
            R"([5, {}, {"name": "m", "version": 1}])");
}

TEST(ModelVersionsTagTest, NamesAreQuotedAsPythonQuotesThem) {
  EXPECT_EQ(AddModelVersion("", "ü\"\\\n😀", 1),
            R"([{"name": "\u00fc\"\\\n\ud83d\ude00", "version": 1}])");
}

}  // namespace
}  // namespace millstream::storage
