// Files on their way through an rpc: what handlers of streaming rpcs return.
#ifndef MILLSTREAM_SERVER_TRANSFER_H_
#define MILLSTREAM_SERVER_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/byte_stream.h"
#include "google/protobuf/message.h"

namespace millstream::server {

// Answer of an rpc that returns (stream ArtifactChunk).
struct Download {
  std::unique_ptr<ByteSource> source;
  // Last component of the path, as the client called it.
  std::string file_name;
  // By file_name; "application/octet-stream" if unknown.
  std::string content_type;
  // Bytes, and milliseconds since the Unix epoch, where the store knows them.
  std::optional<int64_t> size;
  std::optional<int64_t> modified_ms;
};

// What an rpc with a stream of requests writes its data to. Finish() commits;
// an Upload dropped before that has no effect.
struct Upload {
  // Finishes the sink, then fills in what is known only now.
  absl::Status Finish() {
    absl::Status status = sink->Finish();
    if (status.ok() && finished) finished(this);
    return status;
  }

  std::unique_ptr<ByteSink> sink;
  // What to answer once the sink has finished; null for an empty message.
  std::unique_ptr<google::protobuf::Message> response = {};
  // The ETag header of that answer over HTTP; empty for none.
  std::string etag = {};
  // Sets response and etag of a sink that has finished.
  std::function<void(Upload*)> finished = {};
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_TRANSFER_H_
