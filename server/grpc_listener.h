// The sockets of the gRPC door. gRPC 1.51 gives up listening for good when the
// process has once no descriptor left, does not bound connections, and does not
// tell why it cannot listen; so it is handed connections that this accepts.
#ifndef MILLSTREAM_SERVER_GRPC_LISTENER_H_
#define MILLSTREAM_SERVER_GRPC_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace millstream::server {

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) : number_(other.Release()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  int Release() {
    const int number = number_;
    number_ = -1;
    return number;
  }

 private:
  int number_;
};

// Thread-safe.
class GrpcListener {
 public:
  // Given a connected socket (non-blocking, closed on exec), which is the
  // taker's then.
  using Take = std::function<void(int socket)>;

  // Listens on every address of `host`, a name or an IP address, at the same
  // port (0: some free one). Looks names up, so it may block.
  //   INVALID_ARGUMENT: `host` is no address.
  //   UNAVAILABLE: none of its addresses can be listened on, and why: the port
  //     is in use, needs privileges, or the address is of another machine.
  static absl::StatusOr<std::unique_ptr<GrpcListener>> Open(
      const std::string& host, uint16_t port);

  // Stop().
  ~GrpcListener();

  // Hands over what connects, in a thread of its own, until Stop(). While the
  // process has no more than limits::kDescriptorsReserved descriptors left for
  // the rest of its work, connections are closed unanswered. Called once.
  void Start(Take take);

  // No connection is handed over once it has returned. Connections that wait
  // are refused.
  void Stop();

  uint16_t port() const { return port_; }

 private:
  GrpcListener(std::vector<Descriptor> sockets, Descriptor stop,
               uint16_t port);

  void Work(const Take& take);
  // False: there was no descriptor for the next connection.
  bool AcceptAll(int socket, const Take& take);
  // At the speed of a flood: few of the refused are told of.
  void SayRefused();

  std::vector<Descriptor> sockets_;
  const Descriptor stop_;  // an eventfd, readable when it is to stop
  const uint16_t port_;
  // Of the thread.
  int first_reserved_ = 0;
  absl::Time said_ = absl::InfinitePast();
  std::thread thread_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_LISTENER_H_
