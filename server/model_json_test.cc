#include "server/model_json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.h"

namespace millstream::server {
namespace {

constexpr char kModel[] =
    R"({"run_id":"r","artifact_path":"m","flavors":{"f":{"a":1,"config":2,)"
    R"("b":[1.0,1e-05,true,null,"ü😀\n"]}},"utc_time_created":"t",)"
    R"("model_uuid":"u","signature":{}})";

TEST(LoggedModelEntry, IsWrittenAsPythonWritesIt) {
  EXPECT_EQ(*LoggedModelEntry(kModel),
            R"({"run_id": "r", "artifact_path": "m", )"
            R"("utc_time_created": "t", "model_uuid": "u", )"
            R"("flavors": {"f": {"a": 1, "b": [1.0, 1e-05, true, null, )"
            R"("\u00fc\ud83d\ude00\n"]}}})");
}

TEST(LoggedModelEntry, NeedsItsFields) {
  EXPECT_FALSE(LoggedModelEntry("not json").ok());
  EXPECT_FALSE(LoggedModelEntry("{}").ok());
  EXPECT_FALSE(LoggedModelEntry("[]").ok());
  EXPECT_FALSE(
      LoggedModelEntry(
          R"({"run_id":1,"artifact_path":"m","flavors":{},)"
          R"("utc_time_created":"t"})")
          .ok());
  EXPECT_FALSE(
      LoggedModelEntry(
          R"({"run_id":"r","artifact_path":"m","flavors":[],)"
          R"("utc_time_created":"t"})")
          .ok());
}

TEST(LoggedModelEntry, RefusesDeepNesting) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_FALSE(LoggedModelEntry(deep).ok());
}

TEST(AppendEntry, MakesAndLengthensTheList) {
  EXPECT_EQ(*AppendEntry(std::nullopt, "{}"), "[{}]");
  EXPECT_EQ(*AppendEntry("[]", "{}"), "[{}]");
  EXPECT_EQ(*AppendEntry("[{\"a\": 1}]", "{}"), "[{\"a\": 1}, {}]");
}

TEST(AppendEntry, RefusesWhatIsNoListAndWhatIsTooLong) {
  EXPECT_FALSE(AppendEntry("{}", "{}").ok());
  EXPECT_FALSE(AppendEntry("oops", "{}").ok());
  EXPECT_FALSE(AppendEntry("", "{}").ok());
  const std::string entry =
      "\"" + std::string(limits::kLoggedModelsBytesMax, 'x') + "\"";
  EXPECT_FALSE(AppendEntry("[]", entry).ok());
}

}  // namespace
}  // namespace millstream::server
