// One connection of the REST door.
#ifndef MILLSTREAM_GATEWAY_HTTP_SESSION_H_
#define MILLSTREAM_GATEWAY_HTTP_SESSION_H_

#include <cstdint>

#include "gateway/answer_notes.h"

namespace boost::asio {
class io_context;
}

namespace millstream {
class MemoryBudget;
}

namespace millstream::gateway {

class ConnectionList;
class Front;
class HandlerSlots;
class HttpTls;

// What all connections of a server share; outlives them.
struct SessionShared {
  boost::asio::io_context* io_context;
  const Front* front;
  HandlerSlots* slots;
  // For those whose bodies are large, besides one of `slots`.
  HandlerSlots* large_slots;
  // For those that are about files, besides one of `slots`: where files are
  // slow to come, others are served all the same.
  HandlerSlots* transfer_slots;
  ConnectionList* connections;
  // For bodies and answers that are not small.
  MemoryBudget* memory;
  // How long the head of a request may take to come.
  int64_t head_ms_max;
  // How long a call waits for a slot, and so does each further step of a
  // transfer that has begun.
  int64_t admission_ms_max;
  int64_t transfer_step_ms_max;
  // Null: connections are not encrypted.
  HttpTls* tls = nullptr;
  AnswerNotes notes = {};
};

// Serves the connection on `socket`, a connected TCP socket that this takes
// over, until either side ends it. Returns at once; the work is done by the
// threads of the io_context. Thread-safe.
//
// Requests are answered one after the other, in the order they came. A
// handler runs on the thread that read its request, when it has a slot.
void StartHttpSession(const SessionShared& shared, int socket);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_SESSION_H_
