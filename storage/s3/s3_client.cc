#include "storage/s3/s3_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "aws/digest.h"
#include "aws/service.h"
#include "aws/signer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

using aws::HttpRequest;
using aws::HttpResponse;
using aws::NameValues;

// Putting the parts of a large object together takes its time.
constexpr int64_t kCompleteIdleMs = 5 * 60 * 1000;
constexpr size_t kRegionsMax = 10'000;

// Whether a bucket's name can be part of a host's.
bool FitsInHost(std::string_view bucket) {
  if (bucket.size() < 3 || bucket.size() > 63) return false;
  for (const unsigned char c : bucket) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-') {
      return false;
    }
  }
  return bucket.front() != '-' && bucket.back() != '-';
}

std::string Unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

// The etag of what parts come to: a hash of theirs, where those are the hashes
// of their bytes. (With AWS's keys, aws:kms, they are not.) Empty if these
// cannot be hashes.
std::string EtagOf(std::span<const S3Part> parts) {
  std::string hashes;
  for (const S3Part& part : parts) {
    const std::string etag = Unquoted(part.etag);
    if (etag.size() != 32 ||
        !std::all_of(etag.begin(), etag.end(), absl::ascii_isxdigit)) {
      return "";
    }
    hashes += absl::HexStringToBytes(etag);
  }
  return StrCat(aws::Hex(aws::Md5(hashes)), "-", parts.size());
}

int64_t ParseHttpDate(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", AbslView(text), &time,
                       &error)) {
    return 0;
  }
  return absl::ToUnixMillis(time);
}

// Errors by their code rather than their status that go away.
bool IsTransientCode(std::string_view code) {
  return code == "SlowDown" || code == "InternalError" ||
         code == "RequestTimeout" || code == "ServiceUnavailable" ||
         code == "Throttling" || code == "RequestLimitExceeded" ||
         code == "OperationAborted";
}

bool IsExpiredToken(std::string_view code) {
  return code == "ExpiredToken" || code == "ExpiredTokenException" ||
         code == "TokenRefreshRequired";
}

// What an answer of 300 and more means.
absl::Status Refusal(int status, const std::string& code,
                     const std::string& bucket) {
  const std::string detail =
      StrCat(" (", code.empty() ? "no code" : code, ", HTTP ", status, ")");
  if (code == "NoSuchBucket") {
    return DoesNotExist("The bucket '", bucket, "' does not exist.");
  }
  if (code == "NoSuchKey" || code == "NoSuchUpload") {
    return absl::NotFoundError(code);
  }
  if (code == "InvalidPart" || code == "InvalidPartOrder" ||
      code == "EntityTooSmall" || code == "EntityTooLarge") {
    return absl::InvalidArgumentError(code);
  }
  if (code == "KeyTooLongError" || code == "InvalidObjectName" ||
      code == "XMinioInvalidObjectName") {
    return InvalidParameter("The object store takes no artifact of that name.");
  }
  if (status == 401 || status == 403) {
    LogWarning("Bucket '", bucket, "' refuses this server", detail);
    return MakeError(
        v1::PERMISSION_DENIED,
        StrCat("The object store refuses this server access to bucket '",
               bucket, "'", detail, "."));
  }
  if (status == 404) return absl::NotFoundError(code);
  if (status == 412) return absl::FailedPreconditionError(code);
  if (status == 416) return absl::OutOfRangeError(code);
  if (aws::IsTransientStatus(status) || IsTransientCode(code)) {
    LogWarning("Bucket '", bucket, "' does not answer", detail);
    return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                     "The object store does not answer; try again.");
  }
  return absl::InternalError(StrCat("bucket '", bucket, "'", detail));
}

// A fault on the way, as whoever called sees it.
absl::Status Unreachable(const absl::Status& status) {
  if (HasErrorCode(status)) return status;
  LogWarning("The object store cannot be reached: ", StdView(status.message()));
  return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                   "The object store cannot be reached; try again.");
}

absl::Status NoKeys(const absl::Status& status) {
  LogError("No credentials for S3: ", StdView(status.message()));
  if (absl::IsDeadlineExceeded(status)) {
    return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                     "This server waits for its credentials for the object "
                     "store; try again.");
  }
  return MakeError(v1::PERMISSION_DENIED,
                   "This server has no credentials for the object store; its "
                   "log says more.");
}

S3Object ObjectOf(const HttpResponse& head) {
  S3Object object;
  object.etag = Unquoted(head.Header("etag"));
  object.modified_ms = ParseHttpDate(head.Header("last-modified"));
  std::string_view size = head.Header("content-length");
  const std::string_view range = head.Header("content-range");
  const size_t slash = range.rfind('/');
  if (slash != std::string_view::npos) size = range.substr(slash + 1);
  if (!absl::SimpleAtoi(AbslView(size), &object.size)) object.size = -1;
  return object;
}

}  // namespace

struct S3Client::Call {
  std::string method;
  std::string bucket;
  // Empty for the bucket itself.
  std::string key = {};
  NameValues query = {};
  NameValues headers = {};
  aws::HttpBody* body = nullptr;
  int64_t idle_ms_max = 60'000;
  // Leave the answer's body to be read.
  bool streams = false;
};

struct S3Client::Answer {
  HttpResponse response;
  // Of a call that streams.
  std::unique_ptr<aws::HttpStream> stream = {};
};

S3Client::S3Client(S3Options options, std::unique_ptr<aws::HttpClient> http,
                   std::unique_ptr<aws::CredentialKeeper> credentials,
                   const Clock* clock)
    : options_(std::move(options)),
      http_(std::move(http)),
      credentials_(std::move(credentials)),
      clock_(clock),
      memory_(limits::kS3UploadsMemoryBytesMax) {}

std::string S3Client::RegionOfBucket(const std::string& bucket) const {
  absl::MutexLock lock(&mutex_);
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? options_.region : found->second;
}

bool S3Client::NoteRegion(const std::string& bucket,
                          const HttpResponse& response) {
  std::string region(response.Header("x-amz-bucket-region"));
  if (region.empty()) region = ParseS3Error(response.body).region;
  if (region.empty() || region == RegionOfBucket(bucket)) return false;
  for (const unsigned char c : region) {
    if (!absl::ascii_isalnum(c) && c != '-') return false;
  }
  absl::MutexLock lock(&mutex_);
  if (regions_.size() >= kRegionsMax) regions_.clear();
  regions_[bucket] = region;
  return true;
}

HttpRequest S3Client::Make(const Call& call) const {
  aws::Endpoint endpoint;
  const bool own = !options_.endpoint_url.empty();
  if (own) {
    endpoint = aws::Endpoint::Parse(options_.endpoint_url).value_or(endpoint);
  } else {
    const std::string region = RegionOfBucket(call.bucket);
    endpoint.host = StrCat("s3.", region, ".", aws::DomainOf(region));
  }
  bool in_host = false;
  if (options_.addressing == S3Options::Addressing::kVirtual) {
    in_host = true;
  } else if (options_.addressing == S3Options::Addressing::kAuto) {
    in_host = !own && FitsInHost(call.bucket);
  }
  HttpRequest request;
  request.method = call.method;
  request.scheme = endpoint.scheme;
  request.host =
      in_host ? StrCat(call.bucket, ".", endpoint.host) : endpoint.host;
  request.path =
      StrCat(endpoint.path,
             in_host ? "" : StrCat("/", aws::PercentEncode(call.bucket)),
             in_host || !call.key.empty() ? "/" : "",
             aws::PercentEncode(call.key, /*keep_slash=*/true));
  request.query = call.query;
  request.headers = call.headers;
  request.body = call.body;
  request.idle_ms_max = call.idle_ms_max;
  return request;
}

absl::StatusOr<std::string> S3Client::HashOf(const Call& call) const {
  if (call.body == nullptr) return aws::Hex(aws::Sha256(""));
  if (options_.endpoint_url.empty() ||
      absl::StartsWithIgnoreCase(options_.endpoint_url, "https:")) {
    return std::string(aws::kUnsignedPayload);
  }
  aws::Sha256Stream hash;
  std::vector<char> buffer(limits::kHttpClientBufferBytes);
  for (int64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const size_t count, call.body->ReadAt(offset, buffer));
    if (count == 0) return aws::Hex(hash.Finish());
    hash.Add({buffer.data(), count});
    offset += static_cast<int64_t>(count);
  }
}

absl::StatusOr<S3Client::Answer> S3Client::SendOnce(
    const Call& call, const std::string& payload_hash) {
  absl::StatusOr<aws::Credentials> keys = credentials_->Get();
  if (!keys.ok()) return NoKeys(keys.status());
  HttpRequest request = Make(call);
  if (!options_.expected_bucket_owner.empty()) {
    request.headers.emplace_back("x-amz-expected-bucket-owner",
                                 options_.expected_bucket_owner);
  }
  aws::SignRequest(*keys, {RegionOfBucket(call.bucket), "s3", clock_->NowMs()},
                   payload_hash, &request);
  Answer answer;
  ASSIGN_OR_RETURN(answer.stream, http_->Open(request));
  answer.response = answer.stream->head();
  if (call.streams && answer.response.status < 300) return answer;
  std::vector<char> buffer(16 * 1024);
  for (;;) {
    ASSIGN_OR_RETURN(const size_t count, answer.stream->Read(buffer));
    if (count == 0) break;
    if (answer.response.body.size() + count > limits::kServiceAnswerBytesMax) {
      return absl::InternalError("the object store's answer is too large");
    }
    answer.response.body.append(buffer.data(), count);
  }
  answer.stream.reset();
  if (IsExpiredToken(ParseS3Error(answer.response.body).code)) {
    credentials_->Drop(*keys);
  }
  return answer;
}

absl::StatusOr<S3Client::Answer> S3Client::Send(const Call& call) {
  ASSIGN_OR_RETURN(const std::string payload_hash, HashOf(call));
  aws::Backoff backoff;
  for (;;) {
    absl::StatusOr<Answer> answer = SendOnce(call, payload_hash);
    if (!answer.ok()) {
      if (HasErrorCode(answer.status()) ||
          !absl::IsUnavailable(answer.status())) {
        return answer;
      }
      if (backoff.Wait()) continue;
      return Unreachable(answer.status());
    }
    const HttpResponse& response = answer->response;
    const std::string code = response.body.size() < 64 * 1024
                                 ? ParseS3Error(response.body).code
                                 : "";
    // Some requests are answered with 200 before it shows that they fail.
    if (response.status < 300 && code.empty()) return answer;
    if ((response.status < 500 && NoteRegion(call.bucket, response)) ||
        aws::IsTransientStatus(response.status) || IsTransientCode(code) ||
        IsExpiredToken(code)) {
      if (backoff.Wait()) continue;
    }
    return Refusal(response.status, code, call.bucket);
  }
}

absl::StatusOr<S3Object> S3Client::Head(const S3Name& name) {
  ASSIGN_OR_RETURN(
      const Answer answer,
      Send({.method = "HEAD", .bucket = name.bucket, .key = name.key}));
  return ObjectOf(answer.response);
}

absl::StatusOr<std::unique_ptr<aws::HttpStream>> S3Client::Get(
    const S3Name& name, int64_t begin, int64_t end, std::string_view etag,
    S3Object* object) {
  Call call = {
      .method = "GET", .bucket = name.bucket, .key = name.key, .streams = true};
  call.headers.emplace_back("Range",
                            end < 0 ? StrCat("bytes=", begin, "-")
                                    : StrCat("bytes=", begin, "-", end - 1));
  if (!etag.empty()) {
    call.headers.emplace_back("If-Match", StrCat("\"", etag, "\""));
  }
  ASSIGN_OR_RETURN(Answer answer, Send(call));
  if (answer.response.status != 206 && begin != 0) {
    return absl::InternalError("the object store sends no ranges");
  }
  *object = ObjectOf(answer.response);
  if (object->size < 0) {
    return absl::InternalError("the object store tells no size");
  }
  return std::move(answer.stream);
}

NameValues S3Client::UploadHeaders(std::string_view key) const {
  NameValues headers = options_.upload_headers;
  for (const auto& [name, value] : headers) {
    if (absl::EqualsIgnoreCase(name, "Content-Type")) return headers;
  }
  if (options_.media_type) {
    headers.emplace_back("Content-Type",
                         options_.media_type(key.substr(key.rfind('/') + 1)));
  }
  return headers;
}

absl::Status S3Client::Put(const S3Name& name, aws::HttpBody* body) {
  return Send({.method = "PUT",
               .bucket = name.bucket,
               .key = name.key,
               .headers = UploadHeaders(name.key),
               .body = body})
      .status();
}

absl::StatusOr<S3Page> S3Client::List(const std::string& bucket,
                                      const std::string& prefix,
                                      const std::string& delimiter,
                                      const std::string& token,
                                      size_t keys_max) {
  Call call = {.method = "GET", .bucket = bucket};
  call.query = {
      {"list-type", "2"}, {"prefix", prefix}, {"max-keys", StrCat(keys_max)}};
  if (!delimiter.empty()) call.query.emplace_back("delimiter", delimiter);
  if (!token.empty()) call.query.emplace_back("continuation-token", token);
  ASSIGN_OR_RETURN(const Answer answer, Send(call));
  return ParseS3Page(answer.response.body);
}

absl::Status S3Client::Delete(const std::string& bucket,
                              std::span<const std::string> keys) {
  if (keys.empty()) return absl::OkStatus();
  aws::TextBody body(S3DeleteXml(keys));
  Call call = {.method = "POST", .bucket = bucket};
  call.query = {{"delete", ""}};
  call.headers = {{"Content-MD5", aws::Md5Base64(body.text())}};
  call.body = &body;
  ASSIGN_OR_RETURN(const Answer answer, Send(call));
  const std::string code = ParseS3DeleteError(answer.response.body);
  if (code.empty()) return absl::OkStatus();
  return Refusal(code == "AccessDenied" ? 403 : 500, code, bucket);
}

absl::StatusOr<std::string> S3Client::CreateUpload(const S3Name& name) {
  ASSIGN_OR_RETURN(const Answer answer,
                   Send({.method = "POST",
                         .bucket = name.bucket,
                         .key = name.key,
                         .query = {{"uploads", ""}},
                         .headers = UploadHeaders(name.key)}));
  return ParseS3UploadId(answer.response.body);
}

absl::StatusOr<bool> S3Client::HasUpload(const S3Name& name,
                                         const std::string& upload_id) {
  const absl::Status status =
      Send({.method = "GET",
            .bucket = name.bucket,
            .key = name.key,
            .query = {{"uploadId", upload_id}, {"max-parts", "1"}}})
          .status();
  if (absl::IsNotFound(status) && !HasErrorCode(status)) return false;
  RETURN_IF_ERROR(status);
  return true;
}

absl::StatusOr<std::string> S3Client::PutPart(const S3Name& name,
                                              const std::string& upload_id,
                                              int64_t number,
                                              aws::HttpBody* body) {
  ASSIGN_OR_RETURN(
      const Answer answer,
      Send({.method = "PUT",
            .bucket = name.bucket,
            .key = name.key,
            .query = {{"partNumber", StrCat(number)}, {"uploadId", upload_id}},
            .body = body}));
  return Unquoted(answer.response.Header("etag"));
}

absl::Status S3Client::CompleteUpload(const S3Name& name,
                                      const std::string& upload_id,
                                      std::span<const S3Part> parts,
                                      int64_t size) {
  aws::TextBody body(S3CompleteXml(parts));
  const absl::Status status =
      Send({.method = "POST",
            .bucket = name.bucket,
            .key = name.key,
            .query = {{"uploadId", upload_id}},
            .headers = {{"Content-Type", "application/xml"}},
            .body = &body,
            .idle_ms_max = kCompleteIdleMs})
          .status();
  if (!absl::IsNotFound(status)) return status;
  // Sent again after an answer was lost, it finds the upload gone.
  const absl::StatusOr<S3Object> object = Head(name);
  if (!object.ok()) return status;
  const bool may_be_ours =
      size >= 0 && object->size == size &&
      object->etag.ends_with(StrCat("-", parts.size()));
  const bool is_ours =
      !object->etag.empty() && object->etag == EtagOf(parts);
  return may_be_ours || is_ours ? absl::OkStatus() : status;
}

absl::Status S3Client::AbortUpload(const S3Name& name,
                                   const std::string& upload_id) {
  return Send({.method = "DELETE",
               .bucket = name.bucket,
               .key = name.key,
               .query = {{"uploadId", upload_id}}})
      .status();
}

absl::StatusOr<std::string> S3Client::Presign(Call call, int64_t seconds) {
  absl::StatusOr<aws::Credentials> keys = credentials_->Get();
  if (!keys.ok()) return NoKeys(keys.status());
  // In the query, so that browsers can follow the link.
  if (!options_.expected_bucket_owner.empty()) {
    call.query.emplace_back("x-amz-expected-bucket-owner",
                            options_.expected_bucket_owner);
  }
  return aws::PresignUrl(*keys,
                         {RegionOfBucket(call.bucket), "s3", clock_->NowMs()},
                         seconds, Make(call));
}

absl::StatusOr<std::string> S3Client::PresignGet(
    const S3Name& name, int64_t seconds, const std::string& disposition) {
  return Presign({.method = "GET",
                  .bucket = name.bucket,
                  .key = name.key,
                  .query = {{"response-content-disposition", disposition}}},
                 seconds);
}

absl::StatusOr<std::string> S3Client::PresignPut(const S3Name& name,
                                                 int64_t seconds,
                                                 NameValues* headers) {
  *headers = UploadHeaders(name.key);
  return Presign({.method = "PUT",
                  .bucket = name.bucket,
                  .key = name.key,
                  .headers = *headers},
                 seconds);
}

absl::StatusOr<std::string> S3Client::PresignPart(const S3Name& name,
                                                  const std::string& upload_id,
                                                  int64_t number,
                                                  int64_t seconds) {
  return Presign(
      {.method = "PUT",
       .bucket = name.bucket,
       .key = name.key,
       .query = {{"partNumber", StrCat(number)}, {"uploadId", upload_id}}},
      seconds);
}

}  // namespace millstream::storage
