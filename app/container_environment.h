// Published container set-ups of `mlflow server` say what they want by
// variables of their environment, each in its own way. `millstream container`
// reads them, so that their images can be replaced by ours and nothing else
// changes.
//
// The database is told by the first of these that is there:
//   MLFLOW_BACKEND_URI            a whole URI
//   SECRET_NAME                   a secret of AWS Secrets Manager, JSON with
//                                 host, port, username, password, dbname and
//                                 maybe engine ("postgres", "mysql")
//   MLFLOW_DB_DATABASE            with MLFLOW_DB_DIALECT (mysql+pymysql unless
//                                 told), _USERNAME, _PASSWORD, _HOST, _PORT
//   RDS_HOSTNAME                  with RDS_PORT (3306: MySQL), RDS_DB_NAME,
//                                 RDS_USERNAME, RDS_PASSWORD, as Elastic
//                                 Beanstalk sets them
//   DATABASE                      of PostgreSQL, with HOST, PORT, USERNAME,
//                                 PASSWORD
// Artifacts go to MLFLOW_ARTIFACT_URI, or to the S3 bucket BUCKET; clients
// write them there themselves. PORT is the server's port where it is not the
// database's: with the last of these alone.
#ifndef MILLSTREAM_APP_CONTAINER_ENVIRONMENT_H_
#define MILLSTREAM_APP_CONTAINER_ENVIRONMENT_H_

#include <functional>
#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace millstream::app {

// Value of a variable; null if it is not set.
using ReadVariable = absl::FunctionRef<const char*(const char* name)>;
// Members of a secret that is a JSON object; numbers as their digits.
using Secret = std::map<std::string, std::string, std::less<>>;
using ReadSecret =
    absl::FunctionRef<absl::StatusOr<Secret>(const std::string& name)>;

// Values of flags, by name, that the variables ask for; those of flags that
// they say nothing about are not there. Always has "host". `has_database`: it
// was told in another way, so none of these variables needs to make sense as
// one; what else they say holds. INVALID_ARGUMENT naming the variable that is
// missing or makes no sense, never a value; or what `read_secret` returns.
absl::StatusOr<absl::flat_hash_map<std::string, std::string>>
FlagsOfContainer(ReadVariable read, ReadSecret read_secret,
                 bool has_database = false);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CONTAINER_ENVIRONMENT_H_
