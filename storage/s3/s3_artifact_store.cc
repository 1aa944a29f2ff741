#include "storage/s3/s3_artifact_store.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "aws/credential_sources.h"
#include "aws/credentials.h"
#include "aws/http_client.h"
#include "aws/profiles.h"
#include "aws/sts.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/s3/part_buffer.h"
#include "storage/s3/s3_client.h"
#include "storage/s3/s3_transfers.h"

namespace millstream::storage {
namespace {

absl::Status NoSuchUpload() {
  return DoesNotExist("There is no such multipart upload for this path.");
}

// What the parts of an upload were refused for.
absl::Status BadParts() {
  return InvalidParameter(
      "The parts are not what was uploaded: name each with the etag that it "
      "was answered with, in order; all but the last have at least ",
      limits::kS3PartBytesMin, " bytes.");
}

// An upload id as clients have it: how many parts were announced, then the
// store's own.
std::string ClientId(int64_t parts, const std::string& id) {
  return StrCat(parts, ".", id);
}

struct UploadId {
  int64_t parts = 0;
  std::string id;
};

absl::StatusOr<UploadId> ParseClientId(std::string_view text) {
  UploadId upload;
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot + 1 == text.size() ||
      !absl::SimpleAtoi(AbslView(text.substr(0, dot)), &upload.parts)) {
    return NoSuchUpload();
  }
  upload.id = text.substr(dot + 1);
  return upload;
}

// One part while it is sent: kept until its end is known.
class PartSink final : public ArtifactPart {
 public:
  PartSink(S3Client* client, S3Name name, std::string upload_id, int64_t number)
      : client_(client),
        name_(std::move(name)),
        upload_id_(std::move(upload_id)),
        number_(number),
        buffer_(client->memory(), client->options().spool_folder) {}

  absl::Status Write(std::string_view data) override {
    if (buffer_.size() + static_cast<int64_t>(data.size()) >
        limits::kMultipartPartBytesMax) {
      return InvalidParameter("A part has at most ",
                              limits::kMultipartPartBytesMax, " bytes.");
    }
    return buffer_.Append(data);
  }

  absl::Status Finish() override {
    absl::StatusOr<std::string> etag =
        client_->PutPart(name_, upload_id_, number_, &buffer_);
    if (absl::IsNotFound(etag.status())) return NoSuchUpload();
    RETURN_IF_ERROR(etag.status());
    etag_ = *std::move(etag);
    return absl::OkStatus();
  }

  const std::string& etag() const override { return etag_; }

 private:
  S3Client* const client_;
  const S3Name name_;
  const std::string upload_id_;
  const int64_t number_;
  PartBuffer buffer_;
  std::string etag_;
};

// Thread-safe: no state of its own but the bucket's.
class S3ArtifactStore final : public ArtifactStore, public ArtifactUrls {
 public:
  // `prefix`: of all keys; empty, or ending in "/". `client` outlives this.
  S3ArtifactStore(S3Client* client, std::string bucket, std::string prefix)
      : client_(client),
        bucket_(std::move(bucket)),
        prefix_(std::move(prefix)) {}

  bool has_folders() const override { return false; }
  ArtifactUrls* urls() override { return this; }
  int64_t part_bytes_min() const override { return limits::kS3PartBytesMin; }

  absl::StatusOr<ArtifactFile> Open(const ArtifactPath& path) override;
  absl::StatusOr<std::unique_ptr<ByteSink>> Create(
      const ArtifactPath& path) override;
  absl::StatusOr<std::vector<ArtifactEntry>> List(
      const ArtifactPath& path) override;
  absl::Status Delete(const ArtifactPath& path) override;

  absl::StatusOr<std::string> CreateMultipart(const ArtifactPath& path,
                                              int64_t parts,
                                              std::string_view) override;
  absl::StatusOr<std::unique_ptr<ArtifactPart>> CreatePart(
      const ArtifactPath& path, std::string_view upload_id,
      int64_t number) override;
  absl::Status CompleteMultipart(
      const ArtifactPath& path, std::string_view upload_id,
      std::span<const ArtifactPartName> parts) override;
  absl::Status AbortMultipart(const ArtifactPath& path,
                              std::string_view upload_id) override;

  absl::StatusOr<ArtifactUrl> ToDownload(
      const ArtifactPath& path, int64_t seconds,
      const std::string& disposition) override;
  absl::StatusOr<ArtifactUrl> ToUpload(const ArtifactPath& path,
                                       int64_t seconds) override;
  absl::StatusOr<ArtifactUrl> ToUploadPart(const ArtifactPath& path,
                                           std::string_view upload_id,
                                           int64_t number,
                                           int64_t seconds) override;

 private:
  S3Name NameOf(const ArtifactPath& path) const {
    return {bucket_, StrCat(prefix_, path.canonical())};
  }
  // What all keys below a folder begin with.
  std::string PrefixOf(const ArtifactPath& folder) const {
    return folder.IsRoot() ? prefix_ : StrCat(prefix_, folder.canonical(), "/");
  }
  absl::Status CheckTarget(const ArtifactPath& path) const;
  // What it means that there is no object of that name.
  absl::Status Missing(const ArtifactPath& path) const;
  // RESOURCE_DOES_NOT_EXIST unless there is such an upload for this path.
  absl::Status CheckUpload(const ArtifactPath& path,
                           const std::string& id) const;
  // The store's own id of an upload, whose part `number` is to be sent.
  absl::StatusOr<std::string> UploadOf(std::string_view upload_id,
                                       int64_t number) const;

  S3Client* const client_;
  const std::string bucket_;
  const std::string prefix_;
};

absl::Status S3ArtifactStore::CheckTarget(const ArtifactPath& path) const {
  if (path.IsRoot() || path.IsReserved() || path.text().back() == '/') {
    return InvalidParameter("Invalid artifact path: '", path.text(),
                            "'. It must end in a file name.");
  }
  if (NameOf(path).key.size() > limits::kS3KeyBytesMax) {
    return InvalidParameter(
        "The artifact's path is too long for the object store, whose keys have "
        "at most ",
        limits::kS3KeyBytesMax, " bytes.");
  }
  return absl::OkStatus();
}

absl::Status S3ArtifactStore::Missing(const ArtifactPath& path) const {
  ASSIGN_OR_RETURN(const S3Page page, client_->List(bucket_, PrefixOf(path), "",
                                                    "", /*keys_max=*/1));
  if (page.objects.empty()) {
    return DoesNotExist("No such artifact: '", path.text(), "'");
  }
  return InvalidParameter("Artifact path refers to a directory, not a file: '",
                          path.text(), "'");
}

absl::StatusOr<ArtifactFile> S3ArtifactStore::Open(const ArtifactPath& path) {
  if (path.IsRoot()) {
    return InvalidParameter(
        "Artifact path refers to a directory, not a file: '", path.text(), "'");
  }
  if (path.IsReserved() || NameOf(path).key.size() > limits::kS3KeyBytesMax) {
    return DoesNotExist("No such artifact: '", path.text(), "'");
  }
  S3Object object;
  absl::StatusOr<std::unique_ptr<S3Source>> source =
      S3Source::Open(client_, NameOf(path), &object);
  if (absl::IsNotFound(source.status()) && !HasErrorCode(source.status())) {
    return Missing(path);
  }
  RETURN_IF_ERROR(source.status());
  ArtifactFile file;
  file.source = *std::move(source);
  file.size = object.size;
  file.modified_ms = object.modified_ms;
  return file;
}

absl::StatusOr<std::unique_ptr<ByteSink>> S3ArtifactStore::Create(
    const ArtifactPath& path) {
  RETURN_IF_ERROR(CheckTarget(path));
  return std::make_unique<S3Sink>(client_, NameOf(path));
}

absl::StatusOr<std::vector<ArtifactEntry>> S3ArtifactStore::List(
    const ArtifactPath& path) {
  std::vector<ArtifactEntry> entries;
  const std::string prefix = PrefixOf(path);
  if (path.IsReserved() || prefix.size() > limits::kS3KeyBytesMax) {
    return entries;
  }
  std::string token;
  do {
    ASSIGN_OR_RETURN(const S3Page page,
                     client_->List(bucket_, prefix, "/", token,
                                   limits::kS3KeysPerRequestMax));
    const auto add = [&](std::string_view key, bool is_folder, int64_t size) {
      if (!key.starts_with(prefix)) return;
      key.remove_prefix(prefix.size());
      if (is_folder && key.ends_with('/')) key.remove_suffix(1);
      // A key may be that of the folder itself, or have "//" in it.
      if (key.empty() || key.starts_with(ArtifactPath::kReservedPrefix)) return;
      entries.push_back({ToValidUtf8(key), is_folder, size});
    };
    for (const S3Listed& object : page.objects) {
      add(object.key, false, object.size);
    }
    for (const std::string& common : page.prefixes) add(common, true, 0);
    if (entries.size() > limits::kArtifactListEntriesMax) {
      return MakeError(v1::RESOURCE_EXHAUSTED,
                       StrCat("This folder holds more than ",
                              limits::kArtifactListEntriesMax,
                              " artifacts, which is too many to list."));
    }
    token = page.next;
  } while (!token.empty());
  std::sort(entries.begin(), entries.end(),
            [](const ArtifactEntry& a, const ArtifactEntry& b) {
              return a.name < b.name;
            });
  return entries;
}

absl::Status S3ArtifactStore::Delete(const ArtifactPath& path) {
  if (path.IsRoot()) {
    return InvalidParameter(
        "Invalid path: the artifact root itself cannot be deleted.");
  }
  const std::string prefix = PrefixOf(path);
  if (path.IsReserved() || prefix.size() > limits::kS3KeyBytesMax) {
    return absl::OkStatus();
  }
  std::vector<std::string> keys = {NameOf(path).key};
  std::string token;
  do {
    // One less than a request deletes: the first has the file's own key too.
    ASSIGN_OR_RETURN(const S3Page page,
                     client_->List(bucket_, prefix, "", token,
                                   limits::kS3KeysPerRequestMax - 1));
    for (const S3Listed& object : page.objects) {
      if (object.key.starts_with(prefix)) keys.push_back(object.key);
    }
    RETURN_IF_ERROR(client_->Delete(bucket_, keys));
    keys.clear();
    token = page.next;
  } while (!token.empty());
  return absl::OkStatus();
}

absl::StatusOr<std::string> S3ArtifactStore::CreateMultipart(
    const ArtifactPath& path, int64_t parts, std::string_view) {
  if (parts < 1 || parts > limits::kMultipartPartsMax) {
    return InvalidParameter("num_parts must be 1 to ",
                            limits::kMultipartPartsMax, ", not ", parts, ".");
  }
  RETURN_IF_ERROR(CheckTarget(path));
  ASSIGN_OR_RETURN(const std::string id, client_->CreateUpload(NameOf(path)));
  return ClientId(parts, id);
}

absl::Status S3ArtifactStore::CheckUpload(const ArtifactPath& path,
                                          const std::string& id) const {
  ASSIGN_OR_RETURN(const bool exists, client_->HasUpload(NameOf(path), id));
  return exists ? absl::OkStatus() : NoSuchUpload();
}

absl::StatusOr<std::string> S3ArtifactStore::UploadOf(
    std::string_view upload_id, int64_t number) const {
  ASSIGN_OR_RETURN(UploadId upload, ParseClientId(upload_id));
  if (number < 1 || number > upload.parts) {
    return InvalidParameter("part_number must be 1 to ", upload.parts, ", not ",
                            number, ".");
  }
  return std::move(upload.id);
}

absl::StatusOr<std::unique_ptr<ArtifactPart>> S3ArtifactStore::CreatePart(
    const ArtifactPath& path, std::string_view upload_id, int64_t number) {
  ASSIGN_OR_RETURN(std::string id, UploadOf(upload_id, number));
  RETURN_IF_ERROR(CheckUpload(path, id));
  return std::make_unique<PartSink>(client_, NameOf(path), std::move(id),
                                    number);
}

absl::Status S3ArtifactStore::CompleteMultipart(
    const ArtifactPath& path, std::string_view upload_id,
    std::span<const ArtifactPartName> parts) {
  ASSIGN_OR_RETURN(const UploadId upload, ParseClientId(upload_id));
  std::vector<S3Part> named;
  named.reserve(parts.size());
  absl::Status wrong;
  for (const ArtifactPartName& part : parts) {
    named.push_back({part.number, part.etag});
    if (wrong.ok() && part.number != static_cast<int64_t>(named.size())) {
      wrong = InvalidParameter("Name the parts in order: ", named.size(),
                               " is due where ", part.number, " is.");
    }
  }
  if (static_cast<int64_t>(parts.size()) != upload.parts) {
    wrong =
        InvalidParameter("The upload has ", upload.parts,
                         " parts; name each of them, not ", parts.size(), ".");
  }
  if (!wrong.ok()) {
    // Of an upload that is gone it says so, whatever the parts.
    RETURN_IF_ERROR(CheckUpload(path, upload.id));
    return wrong;
  }
  const absl::Status status =
      client_->CompleteUpload(NameOf(path), upload.id, named, /*size=*/-1);
  if (HasErrorCode(status)) return status;
  if (absl::IsNotFound(status)) return NoSuchUpload();
  if (absl::IsInvalidArgument(status)) return BadParts();
  return status;
}

absl::Status S3ArtifactStore::AbortMultipart(const ArtifactPath& path,
                                             std::string_view upload_id) {
  ASSIGN_OR_RETURN(const UploadId upload, ParseClientId(upload_id));
  // Not every store tells of the second time.
  RETURN_IF_ERROR(CheckUpload(path, upload.id));
  const absl::Status status = client_->AbortUpload(NameOf(path), upload.id);
  if (absl::IsNotFound(status) && !HasErrorCode(status)) {
    return NoSuchUpload();
  }
  return status;
}

absl::StatusOr<ArtifactUrl> S3ArtifactStore::ToDownload(
    const ArtifactPath& path, int64_t seconds, const std::string& disposition) {
  const absl::StatusOr<S3Object> object = client_->Head(NameOf(path));
  if (path.IsRoot() ||
      (absl::IsNotFound(object.status()) && !HasErrorCode(object.status()))) {
    return DoesNotExist("No such artifact: '", path.text(), "'");
  }
  RETURN_IF_ERROR(object.status());
  ArtifactUrl url;
  ASSIGN_OR_RETURN(url.url,
                   client_->PresignGet(NameOf(path), seconds, disposition));
  url.size = object->size;
  return url;
}

absl::StatusOr<ArtifactUrl> S3ArtifactStore::ToUpload(const ArtifactPath& path,
                                                      int64_t seconds) {
  RETURN_IF_ERROR(CheckTarget(path));
  ArtifactUrl url;
  ASSIGN_OR_RETURN(url.url,
                   client_->PresignPut(NameOf(path), seconds, &url.headers));
  return url;
}

absl::StatusOr<ArtifactUrl> S3ArtifactStore::ToUploadPart(
    const ArtifactPath& path, std::string_view upload_id, int64_t number,
    int64_t seconds) {
  ASSIGN_OR_RETURN(const std::string id, UploadOf(upload_id, number));
  ArtifactUrl url;
  ASSIGN_OR_RETURN(url.url,
                   client_->PresignPart(NameOf(path), id, number, seconds));
  return url;
}

// Thread-safe.
class S3Opener final : public ArtifactStoreOpener {
 public:
  S3Opener(const aws::Environment& environment, const aws::Profiles& profiles,
           S3Options options, const Clock* clock)
      : keys_http_({.ca_bundle = options.ca_bundle}),
        sts_(environment, profiles, &keys_http_, clock),
        client_(
            options,
            std::make_unique<aws::HttpClient>(
                aws::HttpClientOptions{.verify_tls = options.verify_tls,
                                       .ca_bundle = options.ca_bundle}),
            std::make_unique<aws::CredentialKeeper>(
                aws::UsualCredentials(environment, &sts_, &keys_http_), clock),
            clock) {}

  std::string_view scheme() const override { return "s3"; }

  absl::StatusOr<std::shared_ptr<ArtifactStore>> Open(
      std::string_view uri) override {
    constexpr std::string_view kScheme = "s3://";
    if (!absl::StartsWithIgnoreCase(AbslView(uri), AbslView(kScheme))) {
      return InvalidParameter("'", Shown(uri), "' is no s3:// URI.");
    }
    uri.remove_prefix(kScheme.size());
    uri = uri.substr(0, uri.find_first_of("?#"));
    const size_t slash = std::min(uri.find('/'), uri.size());
    std::string bucket(uri.substr(0, slash));
    std::string prefix(uri.substr(std::min(slash + 1, uri.size())));
    const bool fits =
        !bucket.empty() && bucket.size() <= 255 && bucket.front() != '.' &&
        std::all_of(bucket.begin(), bucket.end(), [](unsigned char c) {
          return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
        });
    if (!fits) {
      return InvalidParameter("'", Shown(bucket), "' is no name of a bucket.");
    }
    if (!prefix.empty() && prefix.back() != '/') prefix += '/';
    return std::make_shared<S3ArtifactStore>(&client_, std::move(bucket),
                                             std::move(prefix));
  }

 private:
  // Certificates of AWS's own services are checked whatever the bucket's are.
  aws::HttpClient keys_http_;
  aws::Sts sts_;
  S3Client client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ArtifactStoreOpener>> OpenS3(
    const aws::Environment& environment,
    std::function<std::string(std::string_view)> media_type,
    const Clock* clock) {
  const aws::Profiles profiles = aws::Profiles::Load(environment);
  ASSIGN_OR_RETURN(S3Options options,
                   S3Options::FromEnvironment(environment, profiles));
  options.media_type = std::move(media_type);
  return std::make_unique<S3Opener>(environment, profiles, std::move(options),
                                    clock);
}

}  // namespace millstream::storage
