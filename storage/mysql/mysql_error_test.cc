#include "storage/mysql/mysql_error.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace millstream::storage::mysql {
namespace {

using absl::StatusCode;

TEST(MysqlErrorTest, HasAStatusForEachClass) {
  struct Case {
    unsigned int number;
    FaultKind kind;
    StatusCode code;
  };
  for (const Case& c : {
           Case{1062, FaultKind::kKeyTaken, StatusCode::kAlreadyExists},
           Case{1048, FaultKind::kOrdinary, StatusCode::kFailedPrecondition},
           Case{1452, FaultKind::kKeyTaken, StatusCode::kFailedPrecondition},
           Case{4025, FaultKind::kOrdinary, StatusCode::kFailedPrecondition},
           Case{1213, FaultKind::kConflict, StatusCode::kUnavailable},
           Case{1205, FaultKind::kConflict, StatusCode::kUnavailable},
           Case{1243, FaultKind::kStatementLost, StatusCode::kUnavailable},
           Case{1290, FaultKind::kConnectionLost, StatusCode::kUnavailable},
           Case{1053, FaultKind::kConnectionLost, StatusCode::kUnavailable},
           Case{2006, FaultKind::kConnectionLost, StatusCode::kUnavailable},
           Case{2013, FaultKind::kConnectionLost, StatusCode::kUnavailable},
           Case{1158, FaultKind::kConnectionLost, StatusCode::kUnavailable},
           Case{1021, FaultKind::kOrdinary, StatusCode::kResourceExhausted},
           Case{1969, FaultKind::kOrdinary, StatusCode::kDeadlineExceeded},
           Case{3024, FaultKind::kOrdinary, StatusCode::kDeadlineExceeded},
           Case{1194, FaultKind::kOrdinary, StatusCode::kDataLoss},
           Case{1064, FaultKind::kOrdinary, StatusCode::kInternal},
           Case{9999, FaultKind::kOrdinary, StatusCode::kInternal},
       }) {
    const Fault fault = FaultOf(c.number, "secret");
    EXPECT_EQ(fault.kind, c.kind) << c.number;
    EXPECT_EQ(fault.status.code(), c.code) << c.number;
    if (c.number != 1064) {
      EXPECT_EQ(fault.status.message().find("secret"), absl::string_view::npos);
    }
  }
}

TEST(MysqlErrorTest, SaysToCallersWhichValuesCannotBeKept) {
  EXPECT_EQ(GetErrorCode(FaultOf(1366, "secret").status),
            v1::INVALID_PARAMETER_VALUE);
  for (unsigned int number : {1406u, 1264u, 1153u}) {
    const Fault fault = FaultOf(number, "secret");
    EXPECT_EQ(fault.kind, FaultKind::kOrdinary);
    EXPECT_EQ(GetErrorCode(fault.status), v1::BAD_REQUEST);
  }
}

}  // namespace
}  // namespace millstream::storage::mysql
