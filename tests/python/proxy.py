"""A gRPC proxy that hands on every call but those that are to be lost, and
remembers the frames it saw."""

import threading
from concurrent import futures

import grpc
from millstream import _api

UNLIMITED = [("grpc.max_receive_message_length", -1),
             ("grpc.max_send_message_length", -1)]


class Proxy:
    """Between a client and a server. Messages above gRPC's default size are
    refused by it, as by many that stand before a server."""

    def __init__(self, server):
        self.calls = []
        # Of each writer: the content of each frame by its number, in the order
        # it was sent. Once only, however often it was sent again.
        self.frames = {}
        # (writer, number) of each frame, as it was first sent.
        self.order = []
        self.resent = 0
        self.broken = []
        self._losses = {}
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(server.grpc_address, [
            *UNLIMITED, ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200)])
        self._server = grpc.server(futures.ThreadPoolExecutor(64), options=[
            ("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers([_Any(self)])
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.grpc_address = f"127.0.0.1:{port}"
        self._server.start()

    def close(self):
        self._server.stop(0).wait()
        self._channel.close()

    def points_of(self, writer):
        """Steps of all points of a writer, in the order of its frames."""
        return [step for _, content in sorted(self.frames[writer].items())
                for steps in content for step in steps]

    def lose_call(self, name):
        """The next call of that name does not reach the server."""
        self._losses[name] = None

    def lose_answer(self, name, then=lambda: None):
        """The server does what the next call of that name says, and its answer
        does not come. `then` is done before the caller learns of it."""
        self._losses[name] = then

    def pass_on(self, method, requests, context):
        name = method.rpartition("/")[2]
        with self._lock:
            self.calls.append(name)
            loses = name in self._losses
            then = self._losses.pop(name, None)
        if loses and then is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the call was lost")
        if method.endswith("/LogMetrics"):
            requests = self._watch(requests)
        call = self._channel.stream_stream(method)(
            requests, metadata=context.invocation_metadata())
        context.add_callback(call.cancel)
        try:
            if loses:
                list(call)
                then()
                context.abort(grpc.StatusCode.UNAVAILABLE,
                              "the answer was lost")
            yield from call
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())

    def _watch(self, requests):
        writer = None
        type_of = _api.method("LogMetrics").request
        for data in requests:
            request = type_of.FromString(data)
            if request.HasField("open"):
                writer = request.open.writer_id
            else:
                self._remember(writer, request.frame)
            yield data

    def _remember(self, writer, frame):
        content = [_sums(column.step_deltas) for column in frame.columns]
        with self._lock:
            frames = self.frames.setdefault(writer, {})
            if frame.number in frames:
                self.resent += 1
                if frames[frame.number] != content:
                    self.broken.append((writer, frame.number))
            else:
                self.order.append((writer, frame.number))
            frames[frame.number] = content


class _Any(grpc.GenericRpcHandler):
    def __init__(self, proxy):
        self._proxy = proxy

    def service(self, details):
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._proxy.pass_on(
                details.method, requests, context))


def _sums(deltas):
    total, sums = 0, []
    for delta in deltas:
        total += delta
        sums.append(total)
    return sums
