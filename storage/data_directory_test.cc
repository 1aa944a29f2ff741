#include "storage/data_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "storage/testing/forced_files.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

TEST(DataDirectory, IsMadeForItsOwnerAlone) {
  testing::TempDir temp;
  const std::string path = temp.path() + "/a/b";
  auto directory = DataDirectory::Open(path);
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ((*directory)->PathOf("x"), path + "/x");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(DataDirectory, SyncsWhatWasMadeOrWasThere) {
  testing::TempDir temp;
  for (const char* path : {"/a/b/", "/a", ""}) {
    auto directory = DataDirectory::Open(temp.path() + path);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_TRUE((*directory)->Sync().ok()) << (*directory)->Sync();
    std::filesystem::remove_all(temp.path() + path);
    EXPECT_FALSE((*directory)->Sync().ok());
  }
}

TEST(DataDirectory, NamesOfAllThatWasMadeOutliveAPowerCut) {
  testing::TempDir temp;
  const std::string made[] = {temp.path() + "/a", temp.path() + "/a/b",
                              temp.path() + "/a/b/file"};
  auto directory = DataDirectory::Open(made[1]);
  ASSERT_TRUE(directory.ok()) << directory.status();
  std::ofstream(made[2]) << "x";
  for (const std::string& path : made) {
    EXPECT_FALSE(IsNameForced(path)) << path;
  }
  ASSERT_TRUE((*directory)->Sync().ok());
  for (const std::string& path : made) {
    EXPECT_TRUE(IsNameForced(path)) << path;
  }
}

TEST(DataDirectory, MakesFilesForTheirOwnerAlone) {
  testing::TempDir temp;
  const std::string path = temp.path() + "/file";
  MakePrivateFile(path);
  const auto rights = [&] {
    return std::filesystem::status(path).permissions();
  };
  using std::filesystem::perms;
  EXPECT_EQ(rights(), perms::owner_read | perms::owner_write);
  // One that is there stays as it is.
  std::ofstream(path) << "x";
  std::filesystem::permissions(path, perms::owner_read | perms::others_read);
  MakePrivateFile(path);
  EXPECT_EQ(rights(), perms::owner_read | perms::others_read);
  EXPECT_EQ(std::filesystem::file_size(path), 1u);
  MakePrivateFile(temp.path() + "/none/file");
}

TEST(DataDirectory, OpensForOneAtATime) {
  testing::TempDir temp;
  auto first = DataDirectory::Open(temp.path());
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = DataDirectory::Open(temp.path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(second.status().message())
                .find(std::to_string(getpid())),
            std::string::npos)
      << second.status();
  first->reset();
  EXPECT_TRUE(DataDirectory::Open(temp.path()).ok());
}

TEST(DataDirectory, RefusesHalfACopyAndLeavesItAlone) {
  testing::TempDir temp;
  std::ofstream(temp.path() + "/" + kUnfinishedName).close();
  const absl::Status refused = DataDirectory::Open(temp.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.message()).find("half a copy"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(temp.path() + "/LOCK"));
  std::filesystem::remove(temp.path() + "/" + kUnfinishedName);
  EXPECT_TRUE(DataDirectory::Open(temp.path()).ok());
}

TEST(DataDirectory, RefusesAFile) {
  testing::TempDir temp;
  const std::string path = temp.path() + "/file";
  std::ofstream(path) << "x";
  EXPECT_EQ(DataDirectory::Open(path).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace millstream::storage
