// How buckets are reached: what MLflow's and AWS's environment variables say.
#ifndef MILLSTREAM_STORAGE_S3_S3_OPTIONS_H_
#define MILLSTREAM_STORAGE_S3_S3_OPTIONS_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/environment.h"
#include "aws/http_request.h"
#include "aws/profiles.h"

namespace millstream::storage {

struct S3Options {
  // kAuto: the bucket in the path at an endpoint of one's own, in the host's
  // name at AWS unless the name does not fit there.
  enum class Addressing { kAuto, kPath, kVirtual };

  // Empty for AWS's own.
  std::string endpoint_url;
  // Of buckets that do not say otherwise.
  std::string region;
  Addressing addressing = Addressing::kAuto;
  bool verify_tls = true;
  // Empty for the system's.
  std::string ca_bundle;
  // The account that buckets must belong to; empty for any.
  std::string expected_bucket_owner;
  // Headers of what is written: storage class, encryption, ACL.
  aws::NameValues upload_headers;
  // Where uploads lie that memory has no room for.
  std::string spool_folder = "/tmp";
  // Media type of a file by its name.
  std::function<std::string(std::string_view)> media_type;

  // MLFLOW_S3_ENDPOINT_URL (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the
  // profile's), MLFLOW_S3_IGNORE_TLS, MLFLOW_S3_UPLOAD_EXTRA_ARGS,
  // MLFLOW_S3_EXPECTED_BUCKET_OWNER, MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE,
  // AWS_CA_BUNDLE, TMPDIR, and the region. INVALID_ARGUMENT naming the variable
  // and what it takes.
  static absl::StatusOr<S3Options> FromEnvironment(
      const aws::Environment& environment, const aws::Profiles& profiles);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_S3_S3_OPTIONS_H_
