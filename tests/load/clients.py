"""Many connections at once: such as ask all the time, such as say nothing, and
such as are slow on purpose."""

import collections
import contextlib
import resource
import selectors
import socket
import threading
import time

import grpc

ANSWER_SECONDS = 60
# What a client of gRPC says first: that it speaks HTTP/2, and no settings.
HTTP2_START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(
    [0, 0, 0, 4, 0, 0, 0, 0, 0])
# One channel, one connection.
ALONE = [("grpc.use_local_subchannel_pool", 1)]


def raise_descriptor_limit():
    """As many as the system allows; returns how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def address_of(url):
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return host, int(port)


def request(method, path, body=b""):
    """The bytes of a request."""
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Tally:
    """What came of requests: how many by their end, and how long they took."""

    def __init__(self):
        self.ends = collections.Counter()
        self.seconds = []

    def add(self, end, seconds):
        self.ends[end] += 1
        self.seconds.append(seconds)

    def p99_ms(self):
        return 1000 * sorted(self.seconds)[int(len(self.seconds) * 0.99)]


class HttpLoops(threading.Thread):
    """Connections each of which sends its next request when the last one was
    answered. `next_request(connection, number)` gives its bytes;
    `answered(connection, number, status)` is told of each answer."""

    def __init__(self, url, connections, next_request, answered=None):
        super().__init__(daemon=True)
        self.tally = Tally()
        self.error = None
        self._address = address_of(url)
        self._connections = connections
        self._next_request = next_request
        self._answered = answered or (lambda *_: None)
        self._ended = threading.Event()
        self._selector = selectors.DefaultSelector()

    def finish(self):
        """Waits for what is under way."""
        self._ended.set()
        self.join(2 * ANSWER_SECONDS)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error

    def forget(self):
        """Starts to count anew."""
        self.tally = Tally()

    def run(self):
        try:
            loops = [_HttpLoop(self._address, number)
                     for number in range(self._connections)]
            for loop in loops:
                self._selector.register(loop.socket, selectors.EVENT_READ, loop)
                self._send(loop)
            while self._selector.get_map():
                events = self._selector.select(ANSWER_SECONDS)
                assert events, "nobody is answered"
                for key, _ in events:
                    self._read(key.data)
        except Exception as error:  # told by finish()
            self.error = error
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()
            self._selector.close()

    def _send(self, loop):
        loop.begun = time.monotonic()
        loop.received = b""
        loop.socket.sendall(self._next_request(loop.connection, loop.number))

    def _read(self, loop):
        chunk = loop.socket.recv(1 << 18)
        assert chunk, "a connection was ended"
        loop.received += chunk
        head, end, body = loop.received.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        status = int(head[9:12])
        self.tally.add(status, time.monotonic() - loop.begun)
        self._answered(loop.connection, loop.number, status)
        loop.number += 1
        if self._ended.is_set():
            self._selector.unregister(loop.socket)
            loop.socket.close()
        else:
            self._send(loop)


class _HttpLoop:
    def __init__(self, address, connection):
        self.socket = socket.create_connection(address, ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.number = 0
        self.begun = 0
        self.received = b""


def length_of(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class GrpcLoops:
    """The same over gRPC, each on a connection of its own."""

    def __init__(self, address, connections, path, next_request,
                 answered=None):
        self.tally = Tally()
        self._ended = threading.Event()
        self._next_request = next_request
        self._answered = answered or (lambda *_: None)
        self._channels = [grpc.insecure_channel(address, options=ALONE)
                          for _ in range(connections)]
        self._threads = [
            threading.Thread(target=self._run, daemon=True,
                             args=(number, channel.unary_unary(path)))
            for number, channel in enumerate(self._channels)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def forget(self):
        self.tally = Tally()

    def finish(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)
            assert not thread.is_alive()
        for channel in self._channels:
            channel.close()

    def _run(self, connection, call):
        number = 0
        while not self._ended.is_set():
            begun = time.monotonic()
            try:
                call(self._next_request(connection, number),
                     timeout=ANSWER_SECONDS)
                end = "OK"
            except grpc.RpcError as error:
                end = error.code().name
            self.tally.add(end, time.monotonic() - begun)
            self._answered(connection, number, end)
            number += 1


def idle_http(url, count):
    """Connections that asked once and are kept."""
    sockets = []
    for _ in range(count):
        sockets.append(socket.create_connection(address_of(url), 30))
        sockets[-1].sendall(request("GET", "/health"))
    for each in sockets:
        assert each.recv(1 << 12).startswith(b"HTTP/1.1 200")
    return sockets


def idle_grpc(address, count):
    """Connections that said that they speak HTTP/2, and were answered."""
    sockets = []
    for _ in range(count):
        sockets.append(socket.create_connection(address_of(address), 30))
        sockets[-1].sendall(HTTP2_START)
    for each in sockets:
        assert each.recv(1 << 12)
    return sockets


def begun(address, count, text):
    """Connections that sent some bytes and wait."""
    sockets = []
    for _ in range(count):
        sockets.append(socket.create_connection(address_of(address), 30))
        if text:
            sockets[-1].sendall(text)
    return sockets


def deaf(address, count, text):
    """Connections that ask and read nothing of the answer."""
    sockets = []
    for _ in range(count):
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.settimeout(30)
        each.connect(address_of(address))
        each.sendall(text)
        sockets.append(each)
    return sockets


def trickle(sockets, text=b"x"):
    """A byte more of each that is still there; returns how many were."""
    there = 0
    for each in sockets:
        with contextlib.suppress(OSError):
            each.sendall(text)
            there += 1
    return there


def close(sockets):
    for each in sockets:
        each.close()
