// What is particular to folders of this machine; the rest is in the suite that
// this file instantiates.
#include "storage/artifact/local_artifact_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/conformance/artifact_store_conformance.h"
#include "storage/durability.h"
#include "storage/testing/forced_files.h"

namespace millstream::storage {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::Not;

std::string NewFolder() {
  std::string folder = testing::TempDir() + "/artifacts-XXXXXX";
  return mkdtemp(folder.data());
}

std::unique_ptr<ArtifactStore> OpenAt(const std::string& folder,
                                      Durability durability) {
  absl::StatusOr<std::unique_ptr<ArtifactStore>> store =
      OpenLocalArtifactStore({.folder = folder, .durability = durability});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

INSTANTIATE_TEST_SUITE_P(Local, ArtifactStoreConformance,
                         testing::Values(ArtifactStoreBackend{[] {
                           return OpenAt(NewFolder(), Durability::kMachine);
                         }}));

class LocalArtifactStoreTest : public testing::Test {
 protected:
  static ArtifactPath Path(std::string_view text) {
    return *ArtifactPath::Parse(text);
  }
  std::string Get(std::string_view path) {
    absl::StatusOr<ArtifactFile> file = store_->Open(Path(path));
    return file.ok() ? ReadAll(file->source.get()) : CodeOf(file.status());
  }
  std::string Put(std::string_view path, std::string_view data) {
    auto sink = store_->Create(Path(path));
    if (!sink.ok()) return CodeOf(sink.status());
    absl::Status status = (*sink)->Write(data);
    if (status.ok()) status = (*sink)->Finish();
    return CodeOf(status);
  }
  std::vector<std::string> List(std::string_view path) {
    absl::StatusOr<std::vector<ArtifactEntry>> entries =
        store_->List(Path(path));
    if (!entries.ok()) return {CodeOf(entries.status())};
    std::vector<std::string> names;
    for (const ArtifactEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }
  void Write(const fs::path& path, std::string_view data) {
    std::ofstream(path) << data;
  }

  const std::string outside_ = NewFolder();
  const std::string root_ = NewFolder();
  std::unique_ptr<ArtifactStore> store_ = OpenAt(root_, Durability::kProcess);
};

TEST_F(LocalArtifactStoreTest, TheRootOutlivesAPowerCut) {
  const std::string made = root_ + "/a", root = made + "/b";
  store_ = OpenAt(root, Durability::kMachine);
  EXPECT_TRUE(IsForced(made));
  EXPECT_TRUE(IsForced(root));
}

TEST_F(LocalArtifactStoreTest, WhatWasAnsweredOutlivesAPowerCut) {
  ASSERT_EQ(Put("lesser", "promise"), "OK");
  EXPECT_FALSE(IsForced(root_ + "/lesser"));
  store_ = OpenAt(root_, Durability::kMachine);
  const std::string file = root_ + "/a/b/file";
  for (const char* data : {"old", "newer"}) {
    ASSERT_EQ(Put("a/b/file", data), "OK");
    EXPECT_TRUE(IsForced(file)) << data;
  }
  EXPECT_TRUE(IsForced(root_ + "/a"));
  EXPECT_TRUE(IsForced(root_ + "/a/b"));
  ASSERT_TRUE(store_->Delete(Path("a/b/file")).ok());
  EXPECT_FALSE(IsNameForced(file));
}

TEST_F(LocalArtifactStoreTest, ALargeFileOfPartsOutlivesAPowerCut) {
  store_ = OpenAt(root_, Durability::kMachine);
  const absl::StatusOr<std::string> id =
      store_->CreateMultipart(Path("parts"), 1, "");
  ASSERT_TRUE(id.ok()) << id.status();
  auto part = store_->CreatePart(Path("parts"), *id, 1);
  ASSERT_TRUE(part.ok()) << part.status();
  ASSERT_TRUE((*part)->Write("all of it").ok());
  ASSERT_TRUE((*part)->Finish().ok());
  const ArtifactPartName sent[] = {{1, (*part)->etag()}};
  ASSERT_TRUE(store_->CompleteMultipart(Path("parts"), *id, sent).ok());
  EXPECT_TRUE(IsForced(root_ + "/parts"));
}

TEST_F(LocalArtifactStoreTest, LaysFilesOutAsMlflowDoes) {
  ASSERT_EQ(Put("1/run/artifacts/dir/a.txt", "x"), "OK");
  EXPECT_TRUE(fs::is_regular_file(root_ + "/1/run/artifacts/dir/a.txt"));
}

TEST_F(LocalArtifactStoreTest, NoLinkLeadsOut) {
  Write(outside_ + "/secret", "secret");
  fs::create_directory(root_ + "/r");
  fs::create_symlink(outside_ + "/secret", root_ + "/r/file");
  fs::create_directory_symlink(outside_, root_ + "/r/folder");
  fs::create_symlink(
      "../../" + fs::path(outside_).filename().string() + "/secret",
      root_ + "/r/relative");
  fs::create_symlink("/proc/self/root", root_ + "/r/magic");
  for (const char* path :
       {"r/file", "r/folder/secret", "r/relative", "r/magic/etc/passwd"}) {
    EXPECT_EQ(Get(path), "INVALID_PARAMETER_VALUE") << path;
  }
  EXPECT_THAT(List("r"), IsEmpty());
  EXPECT_THAT(List("r/folder"),
              testing::ElementsAre("INVALID_PARAMETER_VALUE"));
  EXPECT_EQ(Put("r/folder/new", "x"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Put("r/folder/deep/new", "x"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(store_->Delete(Path("r/folder/secret"))),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(store_->CreateMultipart(Path("r/folder/x"), 1, "").status()),
            "INVALID_PARAMETER_VALUE");
  EXPECT_TRUE(fs::exists(outside_ + "/secret"));
  EXPECT_EQ(std::distance(fs::directory_iterator(outside_), {}), 1);
}

TEST_F(LocalArtifactStoreTest, LinksThatStayInsideWork) {
  ASSERT_EQ(Put("r/real", "x"), "OK");
  fs::create_symlink("real", root_ + "/r/link");
  fs::create_directory_symlink("../r", root_ + "/r/self");
  EXPECT_EQ(Get("r/link"), "x");
  EXPECT_EQ(Get("r/self/real"), "x");
  EXPECT_THAT(List("r"), testing::ElementsAre("link", "real", "self"));
}

TEST_F(LocalArtifactStoreTest, DeletingALinkLeavesItsTarget) {
  Write(outside_ + "/kept", "x");
  fs::create_directory_symlink(outside_, root_ + "/link");
  fs::create_directory(root_ + "/dir");
  fs::create_directory_symlink(outside_, root_ + "/dir/link");
  EXPECT_TRUE(store_->Delete(Path("link")).ok());
  EXPECT_TRUE(store_->Delete(Path("dir")).ok());
  EXPECT_FALSE(fs::exists(fs::symlink_status(root_ + "/link")));
  EXPECT_FALSE(fs::exists(root_ + "/dir"));
  EXPECT_TRUE(fs::exists(outside_ + "/kept"));
}

TEST_F(LocalArtifactStoreTest, AnUploadReplacesALinkNotItsTarget) {
  Write(outside_ + "/kept", "kept");
  fs::create_symlink(outside_ + "/kept", root_ + "/link");
  EXPECT_EQ(Put("link", "new"), "OK");
  EXPECT_EQ(Get("link"), "new");
  std::string kept;
  std::ifstream(outside_ + "/kept") >> kept;
  EXPECT_EQ(kept, "kept");
}

TEST_F(LocalArtifactStoreTest, PipesAndSocketsAreNoArtifacts) {
  ASSERT_EQ(mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Get("pipe"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_THAT(List(""), IsEmpty());
}

TEST_F(LocalArtifactStoreTest, NamesOnDiskNeedNotBeUtf8) {
  Write(root_ + "/bad\xFFname", "x");
  EXPECT_THAT(List(""), testing::ElementsAre("bad\xEF\xBF\xBDname"));
}

TEST_F(LocalArtifactStoreTest, DeepFoldersCanBeDeleted) {
  std::string path = "d";
  while (path.size() + 2 < limits::kArtifactPathBytesMax) path += "/d";
  ASSERT_EQ(Put(path, "x"), "OK");
  ASSERT_TRUE(store_->Delete(Path("d")).ok());
  EXPECT_THAT(List(""), IsEmpty());
}

TEST_F(LocalArtifactStoreTest, NothingIsLeftOfDroppedUploads) {
  {
    auto sink = store_->Create(Path("a/b/c"));
    ASSERT_TRUE((*sink)->Write("x").ok());
  }
  absl::StatusOr<std::string> id = store_->CreateMultipart(Path("m"), 1, "");
  {
    const auto part = store_->CreatePart(Path("m"), *id, 1);
    ASSERT_TRUE(part.ok());
  }
  ASSERT_TRUE(store_->AbortMultipart(Path("m"), *id).ok());
  EXPECT_THAT(List(""), IsEmpty());
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (entry.is_regular_file()) ++files;
  }
  EXPECT_EQ(files, 0);
}

class SteppingClock : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t now_ms = Clock::System().NowMs();
};

TEST_F(LocalArtifactStoreTest, WhatADeadServerLeftIsCleanedUpWhenOld) {
  const std::string folder = NewFolder();
  SteppingClock clock;
  const LocalArtifactStoreOptions options = {.folder = folder, .clock = &clock};
  std::string id;
  {
    auto store = OpenLocalArtifactStore(options);
    id = *(*store)->CreateMultipart(Path("m"), 1, "");
  }
  clock.now_ms += (limits::kMultipartAgeSecondsMax - 60) * 1000;
  {
    auto store = OpenLocalArtifactStore(options);
    EXPECT_TRUE((*store)->CreatePart(Path("m"), id, 1).ok());
  }
  clock.now_ms += 120 * 1000;
  {
    auto store = OpenLocalArtifactStore(options);
    EXPECT_EQ(CodeOf((*store)->CreatePart(Path("m"), id, 1).status()),
              "RESOURCE_DOES_NOT_EXIST");
  }
}

TEST_F(LocalArtifactStoreTest, OldUploadsGoWhileTheServerRuns) {
  SteppingClock clock;
  auto store = OpenLocalArtifactStore({.folder = NewFolder(), .clock = &clock});
  const std::string id = *(*store)->CreateMultipart(Path("m"), 1, "");
  clock.now_ms += (limits::kMultipartAgeSecondsMax + 60) * 1000;
  ASSERT_TRUE((*store)->CreateMultipart(Path("other"), 1, "").ok());
  EXPECT_EQ(CodeOf((*store)->CreatePart(Path("m"), id, 1).status()),
            "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(LocalArtifactStoreTest, BigFilesTakeLittleMemory) {
  const std::string chunk(1 << 20, 'x');
  constexpr int kChunks = 200;
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  {
    auto sink = store_->Create(Path("big"));
    for (int i = 0; i < kChunks; ++i) {
      ASSERT_TRUE((*sink)->Write(chunk).ok());
    }
    ASSERT_TRUE((*sink)->Finish().ok());
  }
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("big"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size, int64_t{kChunks} << 20);
  std::vector<char> buffer(1 << 16);
  int64_t size = 0;
  while (true) {
    const size_t n = *file->source->Read(buffer);
    if (n == 0) break;
    size += static_cast<int64_t>(n);
  }
  EXPECT_EQ(size, file->size);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 20 * 1024);  // KiB
}

TEST_F(LocalArtifactStoreTest, ListingsAreLimited) {
  // In memory where there is such a folder: so many files take a disk long.
  std::string root = "/dev/shm/artifacts-XXXXXX";
  if (mkdtemp(root.data()) == nullptr) root = NewFolder();
  store_ = OpenAt(root, Durability::kProcess);
  const int folder = open(root.c_str(), O_PATH | O_DIRECTORY);
  const auto make = [&](int i) {
    close(openat(folder, std::to_string(i).c_str(), O_CREAT | O_WRONLY, 0600));
  };
  for (int i = 0; i < limits::kArtifactListEntriesMax; ++i) make(i);
  EXPECT_EQ(List("").size(),
            static_cast<size_t>(limits::kArtifactListEntriesMax));
  make(limits::kArtifactListEntriesMax);
  EXPECT_THAT(List(""), testing::ElementsAre("RESOURCE_EXHAUSTED"));
  close(folder);
  fs::remove_all(root);
}

TEST_F(LocalArtifactStoreTest, PartsAreLimited) {
  const std::string id = *store_->CreateMultipart(Path("m"), 1, "");
  const auto part = store_->CreatePart(Path("m"), id, 1);
  // Address space alone; the limit is checked before a byte is read.
  const size_t size = limits::kMultipartPartBytesMax + 1;
  void* const data = mmap(nullptr, size, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(data, MAP_FAILED);
  EXPECT_EQ(CodeOf((*part)->Write(
                std::string_view(static_cast<char*>(data), size))),
            "INVALID_PARAMETER_VALUE");
  munmap(data, size);
}

TEST_F(LocalArtifactStoreTest, AFolderThatCannotBeMadeIsReported) {
  Write(root_ + "/file", "x");
  absl::StatusOr<std::unique_ptr<ArtifactStore>> store =
      OpenLocalArtifactStore({.folder = root_ + "/file/below"});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace millstream::storage
