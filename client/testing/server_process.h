// The server as a process, which a test can kill and start again.
#ifndef MILLSTREAM_CLIENT_TESTING_SERVER_PROCESS_H_
#define MILLSTREAM_CLIENT_TESTING_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace millstream::client::testing {

// With data in a folder of its own, which goes with it. Runs from the
// beginning. Not thread-safe. Aborts the test if the server does not start.
class ServerProcess {
 public:
  // Flags besides those for ports and data.
  explicit ServerProcess(std::vector<std::string> flags = {});
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Of the gRPC door; remains over restarts.
  const std::string& address() const { return address_; }

  // Returns once it serves, with the data of that name, which is new if it was
  // not used before. REQUIRES: it does not run.
  void Start(const std::string& data = "data");
  // SIGTERM and SIGKILL; they wait for its end.
  void Stop();
  void Kill();

 private:
  void End(int signal);
  bool ReadPorts();

  const std::vector<std::string> flags_;
  std::string folder_;
  std::string address_;
  std::string grpc_port_ = "0";
  pid_t pid_ = -1;
};

}  // namespace millstream::client::testing

#endif  // MILLSTREAM_CLIENT_TESTING_SERVER_PROCESS_H_
