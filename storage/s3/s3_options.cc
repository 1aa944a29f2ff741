#include "storage/s3/s3_options.h"

#include "absl/strings/ascii.h"
#include "aws/json.h"
#include "aws/service.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

struct ArgumentHeader {
  std::string_view argument;
  std::string_view header;
};

// Arguments of boto3's upload by the headers that they become.
constexpr ArgumentHeader kArgumentHeaders[] = {
    {"ACL", "x-amz-acl"},
    {"CacheControl", "Cache-Control"},
    {"ContentDisposition", "Content-Disposition"},
    {"ContentEncoding", "Content-Encoding"},
    {"ContentLanguage", "Content-Language"},
    {"ContentType", "Content-Type"},
    {"Expires", "Expires"},
    {"GrantFullControl", "x-amz-grant-full-control"},
    {"GrantRead", "x-amz-grant-read"},
    {"GrantReadACP", "x-amz-grant-read-acp"},
    {"GrantWriteACP", "x-amz-grant-write-acp"},
    {"ObjectLockLegalHoldStatus", "x-amz-object-lock-legal-hold"},
    {"ObjectLockMode", "x-amz-object-lock-mode"},
    {"ObjectLockRetainUntilDate", "x-amz-object-lock-retain-until-date"},
    {"RequestPayer", "x-amz-request-payer"},
    {"SSEKMSEncryptionContext", "x-amz-server-side-encryption-context"},
    {"SSEKMSKeyId", "x-amz-server-side-encryption-aws-kms-key-id"},
    {"BucketKeyEnabled", "x-amz-server-side-encryption-bucket-key-enabled"},
    {"ServerSideEncryption", "x-amz-server-side-encryption"},
    {"StorageClass", "x-amz-storage-class"},
    {"Tagging", "x-amz-tagging"},
    {"WebsiteRedirectLocation", "x-amz-website-redirect-location"},
};

absl::Status ReadUploadArguments(const std::string& json,
                                 aws::NameValues* headers) {
  if (json.empty()) return absl::OkStatus();
  const auto arguments = aws::ParseJsonObject(json);
  if (!arguments.ok()) {
    return absl::InvalidArgumentError(
        "MLFLOW_S3_UPLOAD_EXTRA_ARGS takes a JSON object, as in "
        "{\"ServerSideEncryption\": \"aws:kms\"}.");
  }
  for (const auto& [argument, value] : *arguments) {
    std::string_view header;
    for (const ArgumentHeader& known : kArgumentHeaders) {
      if (known.argument == argument) header = known.header;
    }
    if (header.empty()) {
      return absl::InvalidArgumentError(
          StrCat("MLFLOW_S3_UPLOAD_EXTRA_ARGS: '", argument,
                 "' is no argument that this server knows of."));
    }
    for (const unsigned char c : value) {
      if (c < 0x20 || c == 0x7F) {
        return absl::InvalidArgumentError(
            StrCat("MLFLOW_S3_UPLOAD_EXTRA_ARGS: the value of '", argument,
                   "' has control characters."));
      }
    }
    headers->emplace_back(header, value);
  }
  return absl::OkStatus();
}

bool IsTrue(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  return lower == "true" || lower == "1";
}

}  // namespace

absl::StatusOr<S3Options> S3Options::FromEnvironment(
    const aws::Environment& environment, const aws::Profiles& profiles) {
  S3Options options;
  for (const char* variable :
       {"MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    options.endpoint_url = environment(variable);
    if (options.endpoint_url.empty()) continue;
    const absl::Status parsed =
        aws::Endpoint::Parse(options.endpoint_url).status();
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(
          StrCat(variable, ": ", StdView(parsed.message())));
    }
    break;
  }
  if (options.endpoint_url.empty()) {
    options.endpoint_url = profiles.Setting("endpoint_url");
  }
  options.region = aws::RegionOrUsual(environment, profiles);
  const std::string style =
      absl::AsciiStrToLower(environment("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"));
  if (style == "path") {
    options.addressing = Addressing::kPath;
  } else if (style == "virtual") {
    options.addressing = Addressing::kVirtual;
  } else if (!style.empty() && style != "auto") {
    return absl::InvalidArgumentError(
        StrCat("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE is auto, path or virtual, "
               "and not '",
               style, "'."));
  }
  options.verify_tls = !IsTrue(environment("MLFLOW_S3_IGNORE_TLS"));
  options.ca_bundle = environment("AWS_CA_BUNDLE");
  options.expected_bucket_owner =
      environment("MLFLOW_S3_EXPECTED_BUCKET_OWNER");
  RETURN_IF_ERROR(ReadUploadArguments(
      environment("MLFLOW_S3_UPLOAD_EXTRA_ARGS"), &options.upload_headers));
  const std::string folder = environment("TMPDIR");
  if (!folder.empty()) options.spool_folder = folder;
  return options;
}

}  // namespace millstream::storage
