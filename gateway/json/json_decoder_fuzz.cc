// Any text as the body of a log-batch: it is read or refused, and what was
// read is the same once it has been written and read again. Read the fast way,
// it is the same as the other way.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway/json/json_decoder.h"
#include "gateway/json/json_writer.h"
#include "millstream/v1/tracking.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace gateway = millstream::gateway;
  millstream::v1::LogBatchRequest batch;
  const gateway::MessageTable& table =
      gateway::MessageTable::Of(batch.GetDescriptor());
  std::string body(reinterpret_cast<const char*>(data), size);
  if (!gateway::DecodeJson(&body, table, &batch).ok()) return 0;
  std::string first;
  gateway::WriteJson(batch, table, &first);
  std::string copy = first;
  millstream::v1::LogBatchRequest again;
  if (!gateway::DecodeJson(&copy, table, &again).ok()) std::abort();
  std::string second;
  gateway::WriteJson(again, table, &second);
  if (first != second) std::abort();
  // A blank in front is not plain: this is read the other way.
  std::string slow = " ";
  slow.append(reinterpret_cast<const char*>(data), size);
  millstream::v1::LogBatchRequest expected;
  if (!gateway::DecodeJson(&slow, table, &expected).ok() ||
      expected.SerializeAsString() != batch.SerializeAsString()) {
    std::abort();
  }
  return 0;
}
