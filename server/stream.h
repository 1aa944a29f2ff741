// A call that streams messages, as a service and a door see each other. The
// service's side holds no thread while nothing happens: the door tells it of
// each event.
#ifndef MILLSTREAM_SERVER_STREAM_H_
#define MILLSTREAM_SERVER_STREAM_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "server/call_context.h"

namespace millstream::server {

// One message as it came in. Not thread-safe.
class StreamMessage {
 public:
  virtual ~StreamMessage() = default;
  // Bytes that it holds.
  virtual size_t size() const = 0;
  // False: the bytes are no well-formed message of this type. Called once.
  virtual bool Parse(google::protobuf::Message* message) = 0;
};

// The caller, as the service's side sees it: the door implements it.
//
// Thread-safe, never blocks, and calls nobody back before it returns. Lives
// until End returns; after that nothing is called any more.
class StreamCaller {
 public:
  virtual ~StreamCaller() = default;

  virtual CallContext& context() = 0;

  // Asks for the next message: OnMessage or OnNoMoreMessages follows. A caller
  // that is not asked stops sending. REQUIRES: no other Read is under way.
  virtual void Read() = 0;
  // Sends a message; OnWritten follows when the next may be sent. REQUIRES: no
  // other Write is under way.
  virtual void Write(const google::protobuf::Message& message) = 0;
  // Gives up on a caller that does not take what is written: a Write that is
  // under way ends with OnWritten soon, OnGone follows, and End is still
  // awaited.
  virtual void BreakOff() = 0;
  // Ends the call, always, also of a caller that has gone. REQUIRES: called
  // once, no Write is under way, and without a lock that an event takes.
  virtual void End(const absl::Status& status) = 0;
};

// The service's side of one call. Events come one or several at a time, from
// any thread, some maybe after End; they must not block.
class StreamBody {
 public:
  virtual ~StreamBody() = default;

  // The first event.
  virtual void Start(StreamCaller* caller) = 0;
  virtual void OnMessage(std::unique_ptr<StreamMessage> message) = 0;
  // The caller has sent its last message.
  virtual void OnNoMoreMessages() = 0;
  virtual void OnWritten() = 0;
  // The caller has gone, or its deadline has passed; End is still awaited. A
  // Write that is under way ends with OnWritten all the same.
  virtual void OnGone() = 0;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_H_
