// The REST door: MLflow's HTTP interface in front of the dispatcher.
#ifndef MILLSTREAM_GATEWAY_REST_DOOR_H_
#define MILLSTREAM_GATEWAY_REST_DOOR_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/rest_options.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// Thread-safe. Serves from Start() until Stop() or destruction.
class RestDoor {
 public:
  // Builds the route table from the descriptors of `dispatcher`'s methods,
  // binds the port and starts to answer. INVALID_ARGUMENT for options that
  // make no sense; INTERNAL if two rpcs claim one route or a route has no
  // place for its variables; UNAVAILABLE if the port cannot be bound.
  // `dispatcher` must outlive the door.
  static absl::StatusOr<std::unique_ptr<RestDoor>> Start(
      const RestOptions& options, server::Dispatcher* dispatcher);

  // As Stop().
  virtual ~RestDoor() = default;

  // The port that is listened on.
  virtual uint16_t port() const = 0;

  // Accepts nothing more, finishes the requests that were taken, closes
  // all connections. Returns when that is done, at the latest after
  // limits::kStopMsMax. Further calls do nothing.
  virtual void Stop() = 0;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_REST_DOOR_H_
