#include "base/error.h"

#include "base/disk_full.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream {
namespace {

TEST(ErrorTest, CarriesItsCodeAndMessage) {
  absl::Status status = InvalidParameter("max_results is ", 7);
  EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetPublicMessage(status), "max_results is 7");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(ErrorTest, TakesViewsOfText) {
  const std::string_view name = "a model";
  EXPECT_EQ(GetPublicMessage(DoesNotExist("No ", name, ".")), "No a model.");
}

TEST(ErrorTest, ForeignStatusIsInternalAndKeepsItsTextFromCallers) {
  absl::Status status = absl::UnknownError("SELECT secret FROM table");
  EXPECT_EQ(GetErrorCode(status), v1::INTERNAL_ERROR);
  EXPECT_EQ(GetPublicMessage(status).find("SELECT"), std::string_view::npos);
}

TEST(ErrorTest, WithoutACodeNoTextIsShown) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable,
        absl::StatusCode::kInternal, absl::StatusCode::kDataLoss}) {
    const absl::Status status(code, "while appending to /home/me/data/1.log");
    EXPECT_FALSE(HasErrorCode(status));
    EXPECT_NE(GetPublicMessage(status), "");
    EXPECT_EQ(GetPublicMessage(status).find("/home"), std::string_view::npos);
  }
}

TEST(ErrorTest, LongMessagesAreCutBetweenCharacters) {
  const std::string fits(limits::kErrorMessageBytesMax, 'x');
  EXPECT_EQ(GetPublicMessage(InvalidParameter(fits)), fits);
  for (const std::string_view lead : {"", "x", "xx"}) {
    std::string text(lead);
    while (text.size() <= limits::kErrorMessageBytesMax) text += "€";
    const absl::Status status = InvalidParameter(text);
    const std::string_view shown = GetPublicMessage(status);
    EXPECT_LE(shown.size(), limits::kErrorMessageBytesMax);
    EXPECT_GT(shown.size(), limits::kErrorMessageBytesMax - 6);
    EXPECT_TRUE(shown.ends_with("€...")) << shown;
  }
}

TEST(ErrorTest, CanonicalNamesakesNeedNoPayload) {
  EXPECT_EQ(GetErrorCode(absl::CancelledError("")), v1::CANCELLED);
  EXPECT_EQ(GetErrorCode(absl::DeadlineExceededError("")),
            v1::DEADLINE_EXCEEDED);
  EXPECT_EQ(GetErrorCode(absl::ResourceExhaustedError("")),
            v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(GetErrorCode(absl::UnavailableError("")),
            v1::TEMPORARILY_UNAVAILABLE);
}

TEST(ErrorTest, CallersAreToldOfAFullDiskAndNotWhereItIs) {
  const absl::Status full = DiskFullError("/data/db-wal: no space");
  EXPECT_EQ(GetErrorCode(full), v1::RESOURCE_EXHAUSTED);
  EXPECT_NE(GetPublicMessage(full).find("disk is full"),
            std::string_view::npos);
  EXPECT_EQ(GetPublicMessage(full).find("/data"), std::string_view::npos);
  EXPECT_FALSE(IsDiskFull(absl::ResourceExhaustedError("too many")));
}

TEST(ErrorTest, MarksForHttpKeepTheError) {
  const absl::Status error = InvalidParameter("no such column");
  EXPECT_FALSE(IsAttributeNotFound(error));
  const absl::Status marked = WithAttributeNotFound(error);
  EXPECT_TRUE(IsAttributeNotFound(marked));
  EXPECT_FALSE(HasDetailBody(marked));
  EXPECT_EQ(GetErrorCode(marked), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetPublicMessage(marked), "no such column");
}

TEST(ErrorTest, EveryCodeHasAStatusAtBothDoors) {
  const auto* codes = v1::ErrorCode_descriptor();
  for (int i = 0; i < codes->value_count(); ++i) {
    auto code = static_cast<v1::ErrorCode>(codes->value(i)->number());
    EXPECT_GE(GetErrorTraits(code).http_status(), 400) << code;
    EXPECT_GT(GetErrorTraits(code).grpc_code(), 0) << code;
    EXPECT_FALSE(MakeError(code, "x").ok()) << code;
  }
}

}  // namespace
}  // namespace millstream
