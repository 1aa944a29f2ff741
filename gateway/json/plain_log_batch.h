// The body of a log-batch as training jobs send it thousands of times, plainly
// written. Read in one pass, in a third of the time that the decoder for all
// messages takes (json_benchmark.cc).
#ifndef MILLSTREAM_GATEWAY_JSON_PLAIN_LOG_BATCH_H_
#define MILLSTREAM_GATEWAY_JSON_PLAIN_LOG_BATCH_H_

#include <string_view>

#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {

// Sets `request`, which is empty, from the JSON object in `text`: members
// run_id, metrics, params and tags; metrics of the members key, value,
// timestamp and step, params and tags of key and value. No other member, none
// twice in an object, no blanks but one behind a comma or a colon, strings of
// printable ASCII without escapes, numbers not quoted, whole ones without a
// fraction; limits::kRequestItemsMax items at most.
//
// False, and `request` is unspecified, for any other text: it may still be a
// request, or say what is wrong with it; DecodeJson (json_decoder.h) knows.
// What is true here is read by DecodeJson to the same message.
//
// Thread-safe. REQUIRES: kJsonPaddingBytes may be read behind `text`.
bool ReadPlainLogBatch(std::string_view text, v1::LogBatchRequest* request);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_PLAIN_LOG_BATCH_H_
