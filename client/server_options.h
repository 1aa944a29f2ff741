// Where the server is, and how its callers say who they are.
#ifndef MILLSTREAM_CLIENT_SERVER_OPTIONS_H_
#define MILLSTREAM_CLIENT_SERVER_OPTIONS_H_

#include <string>

namespace millstream::client {

struct ServerOptions {
  // host:port of the server's gRPC door.
  std::string address = {};

  // Encrypts. Without it passwords and tokens travel as they are.
  bool tls = false;
  // PEM: who may have signed the server's certificate; empty: whom the machine
  // trusts.
  std::string tls_root_certificates = {};
  // PEM: the certificate that we show to a server that asks for one, and its
  // key; both or neither.
  std::string tls_certificate = {};
  std::string tls_private_key = {};
  // The name in the server's certificate, if it is not the host of `address`.
  std::string tls_server_name = {};

  // Who calls: a user with a password, or a token, or neither.
  std::string user = {};
  std::string password = {};
  std::string bearer_token = {};
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_SERVER_OPTIONS_H_
