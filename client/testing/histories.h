// What a server has of a run, read over gRPC.
#ifndef MILLSTREAM_CLIENT_TESTING_HISTORIES_H_
#define MILLSTREAM_CLIENT_TESTING_HISTORIES_H_

#include <string>
#include <vector>

#include "client/connection.h"
#include "millstream/v1/entities.pb.h"

namespace millstream::client::testing {

// All points of a metric. Aborts the test if the server does not answer.
std::vector<v1::Metric> ReadHistory(Connection* connection,
                                    const std::string& run_id,
                                    const std::string& key);

v1::Run ReadRun(Connection* connection, const std::string& run_id);

}  // namespace millstream::client::testing

#endif  // MILLSTREAM_CLIENT_TESTING_HISTORIES_H_
