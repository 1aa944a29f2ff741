// The server put together: stores, services, doors.
#ifndef MILLSTREAM_APP_SERVER_H_
#define MILLSTREAM_APP_SERVER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "app/config.h"
#include "base/liveness.h"

namespace millstream::app {

// Thread-safe. Serves from Start() until it is destroyed.
class Server {
 public:
  // Opens the data folder, finishes what a crash may have left there, and opens
  // both doors. The status says what to do: a folder that another server has
  // open, data of a newer version, a port that is taken.
  // A database server that is not there yet is waited for while `starter`
  // waits.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Config& config, const Liveness& starter);

  // Takes no new calls, finishes those under way, closes the stores.
  virtual ~Server() = default;

  virtual uint16_t port() const = 0;
  virtual uint16_t grpc_port() const = 0;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_SERVER_H_
