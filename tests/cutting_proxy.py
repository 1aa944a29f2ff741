"""Stands between our server and its database, and cuts a connection where a
test wants it cut."""

import contextlib
import selectors
import socket
import threading


class CuttingProxy:
    """Listens on a port of 127.0.0.1 while the context lasts and passes on what
    is said, both ways, to a tests/database_server.py."""

    def __init__(self, database):
        self._database = database
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._plan = None
        self.cuts = 0

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._listener.close()

    def cut_next_commit(self, is_carried_out):
        """The next commit of a transaction that writes ends its connection:
        before the server sees it, or when the server has carried it out."""
        with self._lock:
            self._plan = (is_carried_out,)

    def _take(self):
        with self._lock:
            plan, self._plan = self._plan, None
            self.cuts += plan is not None
            return plan

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,),
                             daemon=True).start()

    def _pass(self, client):
        with contextlib.suppress(ConnectionError):
            self._pass_until_cut(client)

    def _pass_until_cut(self, client):
        address = ("127.0.0.1", self._database.port)
        with client, socket.create_connection(address) as server, \
                selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            writes = False
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        return
                    if key.fileobj is client:
                        writes |= self._database.begins_write in data
                        if writes and b"COMMIT" in data:
                            writes = False
                            if plan := self._take():
                                self._finish(server, data, *plan)
                                return
                    key.data.sendall(data)

    def _finish(self, server, request, is_carried_out):
        if not is_carried_out:
            return
        server.sendall(request)
        answer = server.recv(1 << 16)
        while answer and self._database.committed not in answer:
            answer += server.recv(1 << 16)
