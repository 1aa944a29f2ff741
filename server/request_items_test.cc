#include "server/request_items.h"

#include <string>

#include "base/limits.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::server {
namespace {

bool TooMany(const google::protobuf::Descriptor* type,
             const std::string& bytes) {
  google::protobuf::io::ArrayInputStream stream(
      bytes.data(), static_cast<int>(bytes.size()), 1000);
  return HasTooManyItems(*type, &stream);
}

TEST(RequestItems, ItemsAreCounted) {
  v1::LogBatchRequest request;
  request.set_run_id("r");
  for (int i = 0; i < limits::kRequestItemsMax; ++i) request.add_metrics();
  EXPECT_FALSE(TooMany(request.GetDescriptor(), request.SerializeAsString()));
  request.add_tags();
  EXPECT_TRUE(TooMany(request.GetDescriptor(), request.SerializeAsString()));
}

TEST(RequestItems, ItemsOfItemsAreCounted) {
  v1::LogInputsRequest request;
  for (int i = 0; i < 1000; ++i) {
    v1::DatasetInput* dataset = request.add_datasets();
    dataset->mutable_dataset()->set_name("d");
    for (int j = 0; j < limits::kRequestItemsMax / 1000; ++j) {
      dataset->add_tags();
    }
  }
  EXPECT_TRUE(TooMany(request.GetDescriptor(), request.SerializeAsString()));
  for (auto& dataset : *request.mutable_datasets()) {
    dataset.mutable_tags()->RemoveLast();
  }
  EXPECT_FALSE(TooMany(request.GetDescriptor(), request.SerializeAsString()));
}

TEST(RequestItems, UnknownFieldsAreCounted) {
  std::string bytes;
  for (int i = 0; i <= limits::kRequestItemsMax; ++i) {
    bytes += std::string("\xa2\x06\x00", 3);
  }
  EXPECT_TRUE(TooMany(v1::LogBatchRequest::descriptor(), bytes));
  bytes.resize(bytes.size() - 3);
  EXPECT_FALSE(TooMany(v1::LogBatchRequest::descriptor(), bytes));
}

TEST(RequestItems, NonsenseIsLeftToTheParser) {
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff\xff"), std::string("\x12\xff"),
        std::string("\x12\x05\x0a"), std::string("\x12\x7f") + "\x0a\x01k",
        std::string(100'000, '\x0b'), std::string(300, '\x12'),
        std::string("\x12\xff\xff\xff\xff\x0f")}) {
    EXPECT_FALSE(TooMany(v1::LogBatchRequest::descriptor(), bytes));
  }
}

}  // namespace
}  // namespace millstream::server
