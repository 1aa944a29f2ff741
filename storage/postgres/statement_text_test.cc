#include "storage/postgres/statement_text.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "storage/postgres/postgres_error.h"

namespace millstream::storage::postgres {
namespace {

std::string Numbered(std::string_view sql, int expected) {
  int count = 0;
  std::string text = NumberPlaceholders(sql, &count);
  EXPECT_EQ(count, expected) << sql;
  return text;
}

TEST(StatementTextTest, NumbersPlaceholdersOutsideOfQuotes) {
  EXPECT_EQ(Numbered("SELECT 1", 0), "SELECT 1");
  EXPECT_EQ(Numbered("a = ? AND b IN (?, ?)", 3), "a = $1 AND b IN ($2, $3)");
  EXPECT_EQ(Numbered("'?' = ? AND \"k?\" = 'it''s ?' || ?", 2),
            "'?' = $1 AND \"k?\" = 'it''s ?' || $2");
  EXPECT_EQ(Numbered("'unfinished ?", 0), "'unfinished ?");
}

TEST(StatementTextTest, NamesSayWhatIsPrepared) {
  const StatementText a = {.postgres = "SELECT $1", .types = {kInt8Type}};
  const StatementText same = {
      .sql = "SELECT ?", .postgres = "SELECT $1", .types = {kInt8Type}};
  const StatementText other_type = {.postgres = "SELECT $1",
                                    .types = {kTextType}};
  const StatementText other_text = {.postgres = "SELECT -$1",
                                    .types = {kInt8Type}};
  EXPECT_EQ(NameOf(a), NameOf(same));
  EXPECT_NE(NameOf(a), NameOf(other_type));
  EXPECT_NE(NameOf(a), NameOf(other_text));
  // As SQL takes it without quotes, and not cut.
  EXPECT_EQ(NameOf(a).size(), 3 + 32);
  EXPECT_EQ(NameOf(a).find_first_not_of("ms_0123456789abcdef"),
            std::string::npos);
}

TEST(StatementTextTest, MergesTypes) {
  bool changed = false;
  EXPECT_EQ(MergeTypes({}, {kInt8Type, kUnknownType}, &changed),
            (std::vector<TypeId>{kInt8Type, kUnknownType}));
  EXPECT_TRUE(changed);
  // NULL fits what is known.
  MergeTypes({kInt8Type, kTextType}, {kUnknownType, kTextType}, &changed);
  EXPECT_FALSE(changed);
  EXPECT_EQ(MergeTypes({kUnknownType, kTextType}, {kInt8Type, kUnknownType},
                       &changed),
            (std::vector<TypeId>{kInt8Type, kTextType}));
  EXPECT_TRUE(changed);
}

TEST(StatementTextTest, HoldsExtremes) {
  Parameters parameters(2);
  parameters.SetInt64(1, std::numeric_limits<int64_t>::min());
  parameters.SetDouble(2, -std::numeric_limits<double>::denorm_min());
  EXPECT_STREQ(parameters.values()[0], "-9223372036854775808");
  EXPECT_STREQ(parameters.values()[1], "-5e-324");
  parameters.SetDouble(2, -std::numeric_limits<double>::infinity());
  EXPECT_STREQ(parameters.values()[1], "-Infinity");
  EXPECT_FALSE(parameters.out_of_range());
  parameters.SetNull(3);
  EXPECT_TRUE(parameters.out_of_range());
}

TEST(PostgresErrorTest, HasAStatusForEachClass) {
  struct Case {
    std::string_view sqlstate;
    FaultKind kind;
    absl::StatusCode code;
  };
  for (const Case& c : {
           Case{"23505", FaultKind::kKeyTaken,
                absl::StatusCode::kAlreadyExists},
           Case{"23503", FaultKind::kKeyTaken,
                absl::StatusCode::kFailedPrecondition},
           Case{"23514", FaultKind::kOrdinary,
                absl::StatusCode::kFailedPrecondition},
           Case{"55P03", FaultKind::kConflict, absl::StatusCode::kUnavailable},
           Case{"40001", FaultKind::kConflict, absl::StatusCode::kUnavailable},
           Case{"40P01", FaultKind::kConflict, absl::StatusCode::kUnavailable},
           Case{"26000", FaultKind::kStatementLost,
                absl::StatusCode::kUnavailable},
           Case{"25006", FaultKind::kConnectionLost,
                absl::StatusCode::kUnavailable},
           Case{"53100", FaultKind::kOrdinary,
                absl::StatusCode::kResourceExhausted},
           Case{"57014", FaultKind::kOrdinary,
                absl::StatusCode::kDeadlineExceeded},
           Case{"57P01", FaultKind::kConnectionLost,
                absl::StatusCode::kUnavailable},
           Case{"08006", FaultKind::kConnectionLost,
                absl::StatusCode::kUnavailable},
           Case{"XX001", FaultKind::kOrdinary, absl::StatusCode::kDataLoss},
           Case{"42601", FaultKind::kOrdinary, absl::StatusCode::kInternal},
           Case{"99999", FaultKind::kOrdinary, absl::StatusCode::kInternal},
       }) {
    const Fault fault = FaultOf(c.sqlstate, "ERROR", "", "secret");
    EXPECT_EQ(fault.kind, c.kind) << c.sqlstate;
    EXPECT_EQ(fault.status.code(), c.code) << c.sqlstate;
    if (c.sqlstate != "42601") {
      EXPECT_EQ(fault.status.message().find("secret"),
                absl::string_view::npos);
    }
  }
  EXPECT_EQ(FaultOf("53300", "FATAL", "", "").kind,
            FaultKind::kConnectionLost);
}

TEST(PostgresErrorTest, SaysToCallersWhichValuesCannotBeKept) {
  EXPECT_EQ(GetErrorCode(FaultOf("22021", "ERROR", "", "secret").status),
            v1::INVALID_PARAMETER_VALUE);
  for (std::string_view sqlstate : {"22001", "22003", "22025"}) {
    EXPECT_EQ(GetErrorCode(FaultOf(sqlstate, "ERROR", "", "secret").status),
              v1::BAD_REQUEST);
  }
}

}  // namespace
}  // namespace millstream::storage::postgres
