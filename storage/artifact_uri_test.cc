#include "storage/artifact_uri.h"

#include <gtest/gtest.h>

namespace millstream::storage {
namespace {

TEST(AppendToUri, AppendsToThePath) {
  EXPECT_EQ(AppendToUri("mlflow-artifacts:/", "7"), "mlflow-artifacts:/7");
  EXPECT_EQ(AppendToUri("mlflow-artifacts:/7", "r/artifacts"),
            "mlflow-artifacts:/7/r/artifacts");
  EXPECT_EQ(AppendToUri("s3://bucket", "r"), "s3://bucket/r");
  EXPECT_EQ(AppendToUri("s3://bucket/x/", "r"), "s3://bucket/x/r");
  EXPECT_EQ(AppendToUri("file:///data/x", "r"), "file:///data/x/r");
}

TEST(AppendToUri, KeepsTheQueryLast) {
  EXPECT_EQ(AppendToUri("s3://bucket/x?a=b", "r"), "s3://bucket/x/r?a=b");
}

TEST(AppendToUri, TakesAFolderAsItIs) {
  EXPECT_EQ(AppendToUri("/data/x", "r"), "/data/x/r");
  EXPECT_EQ(AppendToUri("/data/odd?name", "r"), "/data/odd?name/r");
}

}  // namespace
}  // namespace millstream::storage
