#include "storage/conformance/artifact_store_conformance.h"

#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"

namespace millstream::storage {

using testing::ElementsAre;
using testing::IsEmpty;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ArtifactStoreConformance);

std::string CodeOf(const absl::Status& status) {
  return status.ok() ? "OK" : GetErrorName(GetErrorCode(status));
}

std::string ReadAll(ByteSource* source) {
  std::string all;
  char buffer[4096];
  while (true) {
    absl::StatusOr<size_t> n = source->Read(buffer);
    if (!n.ok()) return CodeOf(n.status());
    if (*n == 0) return all;
    all.append(buffer, *n);
  }
}

ArtifactPath ArtifactStoreConformance::Path(std::string_view text) {
  absl::StatusOr<ArtifactPath> path = ArtifactPath::Parse(text);
  EXPECT_TRUE(path.ok()) << text;
  return path.value_or(ArtifactPath());
}

void ArtifactStoreConformance::Put(std::string_view path,
                                   std::string_view data) {
  auto sink = store_->Create(Path(path));
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Write(data).ok());
  const absl::Status finished = (*sink)->Finish();
  ASSERT_TRUE(finished.ok()) << finished;
}

std::string ArtifactStoreConformance::Get(std::string_view path) {
  absl::StatusOr<ArtifactFile> file = store_->Open(Path(path));
  if (!file.ok()) return CodeOf(file.status());
  std::string content = ReadAll(file->source.get());
  EXPECT_EQ(file->size, static_cast<int64_t>(content.size()));
  return content;
}

std::vector<std::string> ArtifactStoreConformance::List(std::string_view path) {
  absl::StatusOr<std::vector<ArtifactEntry>> entries = store_->List(Path(path));
  if (!entries.ok()) return {CodeOf(entries.status())};
  std::vector<std::string> listed;
  for (const ArtifactEntry& entry : *entries) {
    listed.push_back(entry.is_folder ? StrCat(entry.name, "/")
                                     : StrCat(entry.name, "=", entry.size));
  }
  return listed;
}

namespace {

// Whether a path could be a file's, were there no folders.
bool IsName(std::string_view path) {
  return !path.empty() && !path.ends_with('/') &&
         !path.starts_with(ArtifactPath::kReservedPrefix);
}

TEST_P(ArtifactStoreConformance, GivesBackWhatWasWritten) {
  Put("1/run/artifacts/a.txt", "hello");
  Put("1/run/artifacts/empty", "");
  EXPECT_EQ(Get("1/run/artifacts/a.txt"), "hello");
  EXPECT_EQ(Get("1/run/artifacts/empty"), "");
  EXPECT_EQ(Get("1//run/./artifacts/a.txt"), "hello");
}

TEST_P(ArtifactStoreConformance, KeepsBytesAsTheyAre) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7 >> 3);
  Put("b.bin", bytes);
  EXPECT_EQ(Get("b.bin"), bytes);
}

TEST_P(ArtifactStoreConformance, ReplacesAFile) {
  Put("a", "long content");
  Put("a", "new");
  EXPECT_EQ(Get("a"), "new");
}

TEST_P(ArtifactStoreConformance, TellsTimeOfChange) {
  Put("a", "x");
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_GT(file->modified_ms, int64_t{1'600'000'000'000});
}

TEST_P(ArtifactStoreConformance, ReadsFromAnyPlace) {
  Put("a", "0123456789");
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->source->Seek(7).ok());
  EXPECT_EQ(ReadAll(file->source.get()), "789");
  ASSERT_TRUE(file->source->Seek(0).ok());
  EXPECT_EQ(ReadAll(file->source.get()), "0123456789");
  ASSERT_TRUE(file->source->Seek(99).ok());
  EXPECT_EQ(ReadAll(file->source.get()), "");
}

TEST_P(ArtifactStoreConformance, ReaderKeepsTheFileItOpened) {
  Put("a", "before");
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("a"));
  ASSERT_TRUE(file.ok());
  Put("a", "after, and longer");
  EXPECT_EQ(ReadAll(file->source.get()), "before");
}

TEST_P(ArtifactStoreConformance, OpensNothingThatIsNoFile) {
  Put("dir/a", "x");
  EXPECT_EQ(Get("nothing"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Get("dir/nothing"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Get("dir/a/below"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Get("dir"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Get(""), "INVALID_PARAMETER_VALUE");
}

TEST_P(ArtifactStoreConformance, RefusesToCreateWhereNoFileCanBe) {
  Put("dir/a", "x");
  for (const char* path : {"", "dir", "dir/a/below", "dir/",
                           ".artifact.uploading.x",
                           ".artifact.uploading.x/y"}) {
    if (!store_->has_folders() && IsName(path)) continue;
    EXPECT_EQ(CodeOf(store_->Create(Path(path)).status()),
              "INVALID_PARAMETER_VALUE")
        << path;
  }
  EXPECT_THAT(List(""), ElementsAre("dir/"));
  EXPECT_EQ(Get("dir/a"), "x");
}

TEST_P(ArtifactStoreConformance, WithoutFoldersAFileMayHaveTheNameOfOne) {
  if (store_->has_folders()) return;
  Put("dir/a", "x");
  Put("dir", "file");
  EXPECT_EQ(Get("dir"), "file");
  EXPECT_EQ(Get("dir/a"), "x");
  EXPECT_THAT(List(""), testing::Contains("dir=4"));
}

TEST_P(ArtifactStoreConformance, RefusesAFileWhereAFolderCameMeanwhile) {
  if (!store_->has_folders()) return;
  auto sink = store_->Create(Path("a"));
  ASSERT_TRUE(sink.ok());
  Put("a/b", "x");
  EXPECT_EQ(CodeOf((*sink)->Finish()), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Get("a/b"), "x");
}

TEST_P(ArtifactStoreConformance, ShowsNothingUnfinished) {
  {
    auto sink = store_->Create(Path("dir/a"));
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->Write("half").ok());
    EXPECT_THAT(List(""), IsEmpty());
    EXPECT_THAT(List("dir"), IsEmpty());
    EXPECT_EQ(Get("dir/a"), "RESOURCE_DOES_NOT_EXIST");
  }
  EXPECT_THAT(List(""), IsEmpty());
}

TEST_P(ArtifactStoreConformance, DroppedUploadLeavesTheOldFile) {
  Put("a", "old");
  {
    auto sink = store_->Create(Path("a"));
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->Write("new").ok());
  }
  EXPECT_EQ(Get("a"), "old");
}

TEST_P(ArtifactStoreConformance, ListsAFolderByName) {
  Put("r/b.txt", "12");
  Put("r/a/deep/x", "1");
  Put("r/a.txt", "123");
  Put("r/\xC3\xBC", "");
  EXPECT_THAT(List("r"), ElementsAre("a/", "a.txt=3", "b.txt=2", "\xC3\xBC=0"));
  EXPECT_THAT(List("r/"),
              ElementsAre("a/", "a.txt=3", "b.txt=2", "\xC3\xBC=0"));
  EXPECT_THAT(List(""), ElementsAre("r/"));
  EXPECT_THAT(List("r/a.txt"), IsEmpty());
  EXPECT_THAT(List("nothing"), IsEmpty());
  EXPECT_THAT(List("r/a.txt/x"), IsEmpty());
}

TEST_P(ArtifactStoreConformance, TakesOddNames) {
  for (const char* name :
       {"with space.txt", "a+b", "a&b=c", "per%cent", "semi;colon", ".hidden",
        "quo\"te", "back\\slash", "question?x", "\xF0\x9F\x98\x80.txt", "~",
        "...", "-", "*"}) {
    Put(StrCat("odd/", name), name);
    EXPECT_EQ(Get(StrCat("odd/", name)), name);
  }
  EXPECT_EQ(List("odd").size(), 14u);
}

TEST_P(ArtifactStoreConformance, DeletesFilesAndFolders) {
  Put("r/a", "1");
  Put("r/dir/b", "2");
  Put("r/dir/deep/c", "3");
  ASSERT_TRUE(store_->Delete(Path("r/a")).ok());
  EXPECT_THAT(List("r"), ElementsAre("dir/"));
  ASSERT_TRUE(store_->Delete(Path("r/dir/")).ok());
  EXPECT_THAT(List("r"), IsEmpty());
  EXPECT_EQ(Get("r/dir/b"), "RESOURCE_DOES_NOT_EXIST");
}

TEST_P(ArtifactStoreConformance, DeletingWhatIsNotThereIsFine) {
  Put("a", "x");
  EXPECT_TRUE(store_->Delete(Path("nothing")).ok());
  EXPECT_TRUE(store_->Delete(Path("no/such/folder")).ok());
  EXPECT_TRUE(store_->Delete(Path("a/below")).ok());
  EXPECT_EQ(Get("a"), "x");
}

TEST_P(ArtifactStoreConformance, NeverDeletesTheRoot) {
  Put("a", "x");
  EXPECT_EQ(CodeOf(store_->Delete(Path(""))), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(store_->Delete(Path("."))), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Get("a"), "x");
}

TEST_P(ArtifactStoreConformance, OfManyWritersOfOnePathOneWinsWhole) {
  constexpr int kWriters = 100;
  std::atomic<int> finished = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      const std::string data(20'000, static_cast<char>('0' + i % 10));
      auto sink = store_->Create(Path("shared/file"));
      if (sink.ok() && (*sink)->Write(data).ok() && (*sink)->Finish().ok()) {
        ++finished;
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    const std::string seen = Get("shared/file");
    if (seen == "RESOURCE_DOES_NOT_EXIST") continue;
    EXPECT_EQ(seen, std::string(20'000, seen[0]));
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(finished, kWriters);
  EXPECT_THAT(List("shared"), ElementsAre("file=20000"));
}

TEST_P(ArtifactStoreConformance, WritersAndDeletersOfOneFolderAgree) {
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        if (t % 4 == 0) {
          if (!store_->Delete(Path("d")).ok()) ++failed;
          continue;
        }
        auto sink = store_->Create(Path(StrCat("d/e/", t)));
        if (!sink.ok() || !(*sink)->Finish().ok()) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

// Bytes of more than one request of a store that answers in pages or takes
// files in parts.
TEST_P(ArtifactStoreConformance, KeepsLargeFiles) {
  std::string bytes;
  for (int i = 0; bytes.size() < 20'000'000; ++i) StrAppend(&bytes, i, ",");
  Put("large", bytes);
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("large"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size, static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(ReadAll(file->source.get()) == bytes);
  ASSERT_TRUE(file->source->Seek(19'000'000).ok());
  EXPECT_TRUE(ReadAll(file->source.get()) == bytes.substr(19'000'000));
  ASSERT_TRUE(file->source->Seek(100).ok());
  EXPECT_TRUE(ReadAll(file->source.get()) == bytes.substr(100));
  {
    auto dropped = store_->Create(Path("large"));
    ASSERT_TRUE(dropped.ok() && (*dropped)->Write(bytes).ok());
  }
  EXPECT_TRUE(Get("large") == bytes);
}

TEST_P(ArtifactStoreConformance, ListsAndDeletesMoreThanAPage) {
  constexpr int kFiles = 1100;
  std::vector<std::thread> writers;
  for (int t = 0; t < 8; ++t) {
    writers.emplace_back([this, t] {
      for (int i = t; i < kFiles; i += 8) Put(StrCat("many/", 10'000 + i), "");
    });
  }
  for (std::thread& writer : writers) writer.join();
  Put("many-others", "x");
  const std::vector<std::string> listed = List("many");
  ASSERT_EQ(listed.size(), static_cast<size_t>(kFiles));
  EXPECT_EQ(listed.front(), "10000=0");
  EXPECT_EQ(listed.back(), StrCat(10'000 + kFiles - 1, "=0"));
  ASSERT_TRUE(store_->Delete(Path("many")).ok());
  EXPECT_THAT(List(""), ElementsAre("many-others=1"));
}

// --- Multipart

class Upload {
 public:
  Upload(ArtifactStore* store, ArtifactPath path, int parts)
      : store_(store), path_(std::move(path)) {
    absl::StatusOr<std::string> id = store->CreateMultipart(path_, parts, "");
    EXPECT_TRUE(id.ok()) << id.status();
    id_ = id.value_or("");
  }

  absl::Status Send(int64_t number, std::string_view data) {
    const auto part = store_->CreatePart(path_, id_, number);
    if (!part.ok()) return part.status();
    absl::Status status = (*part)->Write(data);
    if (status.ok()) status = (*part)->Finish();
    if (status.ok()) sent_.push_back({number, (*part)->etag()});
    return status;
  }
  absl::Status Complete() { return Complete(sent_); }
  absl::Status Complete(const std::vector<ArtifactPartName>& parts) {
    return store_->CompleteMultipart(path_, id_, parts);
  }
  absl::Status Abort() { return store_->AbortMultipart(path_, id_); }
  const std::vector<ArtifactPartName>& sent() const { return sent_; }
  const std::string& id() const { return id_; }

 private:
  ArtifactStore* const store_;
  const ArtifactPath path_;
  std::string id_;
  std::vector<ArtifactPartName> sent_;
};

TEST_P(ArtifactStoreConformance, PutsPartsTogetherInOrder) {
  Upload upload(store_.get(), Path("m/file"), 3);
  const std::string first(100'000 + store_->part_bytes_min(), 'a');
  const std::string second(store_->part_bytes_min(), 'b');
  ASSERT_TRUE(upload.Send(3, "tail").ok());
  ASSERT_TRUE(upload.Send(1, first).ok());
  ASSERT_TRUE(upload.Send(2, second).ok());
  EXPECT_EQ(Get("m/file"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_THAT(List("m"), IsEmpty());
  const auto& sent = upload.sent();
  ASSERT_TRUE(upload.Complete({sent[1], sent[2], sent[0]}).ok());
  EXPECT_TRUE(Get("m/file") == first + second + "tail");
  EXPECT_EQ(CodeOf(upload.Complete()), "RESOURCE_DOES_NOT_EXIST");
}

TEST_P(ArtifactStoreConformance, APartSentAgainReplacesTheFirst) {
  Upload upload(store_.get(), Path("file"), 1);
  ASSERT_TRUE(upload.Send(1, "first").ok());
  ASSERT_TRUE(upload.Send(1, "second").ok());
  EXPECT_EQ(CodeOf(upload.Complete({upload.sent()[0]})),
            "INVALID_PARAMETER_VALUE");
  ASSERT_TRUE(upload.Complete({upload.sent()[1]}).ok());
  EXPECT_EQ(Get("file"), "second");
}

TEST_P(ArtifactStoreConformance, CompletesOnlyWithAllPartsAndTheirEtags) {
  Upload upload(store_.get(), Path("file"), 2);
  const std::string a(store_->part_bytes_min() + 1, 'a');
  ASSERT_TRUE(upload.Send(1, a).ok());
  const ArtifactPartName first = upload.sent()[0];
  EXPECT_EQ(CodeOf(upload.Complete()), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(upload.Complete({first, {2, "unknown"}})),
            "INVALID_PARAMETER_VALUE");
  ASSERT_TRUE(upload.Send(2, "b").ok());
  const ArtifactPartName second = upload.sent()[1];
  EXPECT_EQ(CodeOf(upload.Complete({second, first})),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(upload.Complete({first, first})), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(CodeOf(upload.Complete({first, {2, first.etag}})),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Get("file"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_TRUE(upload.Complete({first, second}).ok());
  EXPECT_TRUE(Get("file") == a + "b");
}

TEST_P(ArtifactStoreConformance, RefusesPartsThatAreTooSmall) {
  if (store_->part_bytes_min() == 0) return;
  Upload upload(store_.get(), Path("file"), 2);
  ASSERT_TRUE(upload.Send(1, "small").ok());
  ASSERT_TRUE(upload.Send(2, "last").ok());
  EXPECT_EQ(CodeOf(upload.Complete()), "INVALID_PARAMETER_VALUE");
  EXPECT_TRUE(upload.Abort().ok());
}

TEST_P(ArtifactStoreConformance, RefusesPartsThatWereNotAnnounced) {
  Upload upload(store_.get(), Path("file"), 2);
  for (int64_t number : {int64_t{0}, int64_t{-1}, int64_t{3}}) {
    EXPECT_EQ(CodeOf(upload.Send(number, "x")), "INVALID_PARAMETER_VALUE");
  }
  const ArtifactPath path = Path("file");
  for (int64_t parts : {0, -1, limits::kMultipartPartsMax + 1}) {
    EXPECT_EQ(CodeOf(store_->CreateMultipart(path, parts, "").status()),
              "INVALID_PARAMETER_VALUE");
  }
}

TEST_P(ArtifactStoreConformance, AnUploadBelongsToItsPath) {
  Upload upload(store_.get(), Path("mine"), 1);
  const ArtifactPath other = Path("other");
  EXPECT_EQ(CodeOf(store_->CreatePart(other, upload.id(), 1).status()),
            "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(CodeOf(store_->AbortMultipart(other, upload.id())),
            "RESOURCE_DOES_NOT_EXIST");
  for (const char* id : {"", "../x", "0123456789abcdef0123456789abcdef",
                         "0123456789ABCDEF0123456789abcde/"}) {
    EXPECT_EQ(CodeOf(store_->AbortMultipart(Path("mine"), id)),
              "RESOURCE_DOES_NOT_EXIST");
  }
}

TEST_P(ArtifactStoreConformance, AbortedUploadIsGone) {
  Upload upload(store_.get(), Path("file"), 1);
  ASSERT_TRUE(upload.Send(1, "x").ok());
  const auto late = store_->CreatePart(Path("file"), upload.id(), 1);
  ASSERT_TRUE(late.ok());
  ASSERT_TRUE(upload.Abort().ok());
  EXPECT_EQ(CodeOf((*late)->Finish()), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(CodeOf(upload.Abort()), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(CodeOf(upload.Send(1, "x")), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(CodeOf(upload.Complete()), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_THAT(List(""), IsEmpty());
}

TEST_P(ArtifactStoreConformance, MultipartTargetsAreCheckedAsFilesAre) {
  Put("dir/a", "x");
  for (const char* path : {"", "dir", "dir/a/below", "dir/"}) {
    if (!store_->has_folders() && IsName(path)) continue;
    EXPECT_EQ(CodeOf(store_->CreateMultipart(Path(path), 1, "").status()),
              "INVALID_PARAMETER_VALUE")
        << path;
  }
}

TEST_P(ArtifactStoreConformance, PartsArriveAtTheSameTime) {
  const int64_t least = store_->part_bytes_min();
  const int kParts = least == 0 ? 40 : 4;
  const ArtifactPath path = Path("file");
  absl::StatusOr<std::string> id =
      store_->CreateMultipart(path, kParts, "");
  ASSERT_TRUE(id.ok());
  std::vector<ArtifactPartName> parts(kParts);
  std::vector<std::thread> senders;
  for (int i = 0; i < kParts; ++i) {
    senders.emplace_back([&, i] {
      const auto part = store_->CreatePart(path, *id, i + 1);
      const std::string data = StrCat(i, ",") + std::string(least, '.');
      if (part.ok() && (*part)->Write(data).ok() && (*part)->Finish().ok()) {
        parts[i] = {i + 1, (*part)->etag()};
      }
    });
  }
  std::string expected;
  for (int i = 0; i < kParts; ++i) {
    senders[i].join();
    StrAppend(&expected, i, ",", std::string(least, '.'));
  }
  ASSERT_TRUE(store_->CompleteMultipart(path, *id, parts).ok());
  EXPECT_TRUE(Get("file") == expected);
}

TEST_P(ArtifactStoreConformance, OpenUploadsAreLimited) {
  if (store_->urls() != nullptr) return;  // parts are not kept here
  const ArtifactPath path = Path("file");
  std::string last;
  for (int i = 0; i < limits::kMultipartUploadsMax; ++i) {
    absl::StatusOr<std::string> id = store_->CreateMultipart(path, 1, "");
    ASSERT_TRUE(id.ok()) << id.status();
    last = *id;
  }
  EXPECT_EQ(CodeOf(store_->CreateMultipart(path, 1, "").status()),
            "REQUEST_LIMIT_EXCEEDED");
  ASSERT_TRUE(store_->AbortMultipart(path, last).ok());
  EXPECT_TRUE(store_->CreateMultipart(path, 1, "").ok());
}

TEST_P(ArtifactStoreConformance, NobodyTakesTheUploadsOfOthers) {
  if (store_->urls() != nullptr) return;  // parts are not kept here
  const ArtifactPath path = Path("file");
  const auto open = [&](const char* owner) {
    return CodeOf(store_->CreateMultipart(path, 1, owner).status());
  };
  const std::string first = *store_->CreateMultipart(path, 1, "bob");
  for (int i = 1; i < limits::kMultipartUploadsOfOneMax; ++i) {
    ASSERT_EQ(open("bob"), "OK");
  }
  EXPECT_EQ(open("bob"), "REQUEST_LIMIT_EXCEEDED");
  EXPECT_EQ(open("alice"), "OK");
  EXPECT_EQ(open(""), "OK");
  ASSERT_TRUE(store_->AbortMultipart(path, first).ok());
  EXPECT_EQ(open("bob"), "OK");
}

}  // namespace
}  // namespace millstream::storage
