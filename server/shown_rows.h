// What of an answer a caller is shown.
#ifndef MILLSTREAM_SERVER_SHOWN_ROWS_H_
#define MILLSTREAM_SERVER_SHOWN_ROWS_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"
#include "server/rights.h"

namespace millstream::server {

using Handler = absl::FunctionRef<absl::Status(
    const google::protobuf::Message& request,
    google::protobuf::Message* response)>;

// Runs `handler` so that the response has the rows alone that the caller may
// read. Thread-safe.
//
// Pages are filled from those that follow. Their tokens are sealed for the
// caller: they tell where in the order a page ends, which may be at a row that
// he is not shown. INVALID_PARAMETER_VALUE: the request has another's token.
absl::Status CallForRows(const Rights& rights, const v1::Rows& rows,
                         const google::protobuf::Message& request,
                         google::protobuf::Message* response, Handler handler);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_SHOWN_ROWS_H_
