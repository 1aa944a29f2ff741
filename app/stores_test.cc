#include "app/stores.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "storage/testing/forced_files.h"
#include "storage/testing/temp_dir.h"

namespace millstream::app {
namespace {

// With a name that is lost, all that was acknowledged would be.
TEST(StoresTest, NamesOfANewDataFolderOutliveAPowerCut) {
  const storage::testing::TempDir temp;
  Config config;
  config.data_dir = temp.path() + "/a/data";
  const absl::StatusOr<std::unique_ptr<Stores>> stores =
      OpenEmbeddedStores(config);
  ASSERT_TRUE(stores.ok()) << stores.status();
  for (const char* name :
       {"/a", "/a/data", "/a/data/millstream.db", "/a/data/metrics"}) {
    EXPECT_TRUE(storage::IsNameForced(temp.path() + name)) << name;
  }
}

}  // namespace
}  // namespace millstream::app
