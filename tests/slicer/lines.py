"""Lines between two programs that a test can cut, slow down and answer on, as networks do.

A line keeps its port while it is down: what connects is refused, and no other program gets it.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

_PIECE = 1 << 16
_HOP = ("connection", "transfer-encoding", "content-length", "host", "date", "server")


class Line:
    """Takes connections on a loopback port and hands each to `serve`, in a thread of its own.

    Attributes:
        port: where it listens.
        url: the same as an address.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        # Bound and never listening, it keeps the port.
        self._holder = self._bound(0)
        self.port = self._holder.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._listener: socket.socket | None = None
        self.up()

    @property
    def is_up(self) -> bool:
        """Whether connections are taken."""
        return self._listener is not None

    def up(self) -> None:
        """Take connections."""
        if self._listener is None:
            listener = self._bound(self.port)
            listener.listen(64)
            self._listener = listener
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and cut those that are open."""
        with self._lock:
            listener, self._listener = self._listener, None
            # A connection accepted after this is closed by `_accept`, which looks at the listener.
            cut = list(self._open)
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which would keep the port
            listener.close()
        for connection in cut:
            hang_up(connection)

    def close(self) -> None:
        """Give the port back."""
        self.down()
        self._holder.close()

    def serve(self, connection: socket.socket) -> None:
        """Deal with one connection."""
        raise NotImplementedError

    def keep(self, connection: socket.socket) -> None:
        """Cut this connection too when the line goes down."""
        with self._lock:
            self._open.add(connection)

    def release(self, connection: socket.socket) -> None:
        """End a connection."""
        with self._lock:
            self._open.discard(connection)
        connection.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", port))
        return bound

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                is_up = self._listener is listener
                if is_up:
                    self._open.add(connection)
            if not is_up:
                connection.close()
                continue
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError, http.client.HTTPException):
                self.serve(connection)
        finally:
            self.release(connection)


def hang_up(connection: socket.socket) -> None:
    """End a connection, whoever waits on it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Cable(Line):
    """Passes on every byte, in both directions, to a port of this machine.

    Args:
        target: the port.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Connect with the target until one side ends."""
        inside = socket.create_connection(("127.0.0.1", self._target), timeout=60)
        inside.settimeout(None)
        self.keep(inside)
        back = threading.Thread(target=_pump, args=(inside, connection), daemon=True)
        back.start()
        _pump(connection, inside)
        back.join()
        self.release(inside)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for end in (source, target):
        hang_up(end)


@dataclass(frozen=True)
class Request:
    """A request as it came over a line.

    Attributes:
        method: of HTTP.
        path: with its query.
        headers: as they came.
        body: all of it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        status: of HTTP.
        headers: as they came.
        body: all of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def to_bytes(self) -> bytes:
        """The answer as it goes over the line; the connection ends with it."""
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


Fault = Callable[["Proxy", socket.socket, Request], None]


class Proxy(Line):
    """Passes on requests to a server of this machine; a fault takes the next one instead.

    Attributes:
        target: the server's port; None while there is none.
        faults: what happens to the next requests, one each.
        usual: what happens to all others.
        answers: what the server answered, by method and path, whether or not it arrived.
        calls: method and path of every request.
        passes: while it is cleared, requests arrive and go no further.
    """

    def __init__(self) -> None:
        self.target: int | None = None
        self.calls: deque[str] = deque()
        self.passes = threading.Event()
        self.passes.set()
        self.faults: deque[Fault] = deque()
        self.usual: Fault = pass_on
        self.answers: deque[tuple[Request, Answer]] = deque()
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Deal with one request."""
        request = _read(connection)
        if request is None:
            return
        self.calls.append(f"{request.method} {request.path}")
        self.passes.wait()
        try:
            fault = self.faults.popleft()
        except IndexError:
            fault = self.usual
        fault(self, connection, request)

    def ask(self, request: Request) -> Answer:
        """What the server answers.

        Raises:
            OSError: there is none, or it broke off.
        """
        if self.target is None:
            raise ConnectionRefusedError
        upstream = http.client.HTTPConnection("127.0.0.1", self.target, timeout=300)
        try:
            headers = {n: v for n, v in request.headers.items() if n.lower() not in _HOP}
            upstream.request(request.method, request.path, request.body or None, headers)
            answer = upstream.getresponse()
            kept = tuple((n, v) for n, v in answer.getheaders() if n.lower() not in _HOP)
            whole = Answer(answer.status, kept, answer.read())
        finally:
            upstream.close()
        self.answers.append((request, whole))
        return whole


def _read(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as stream:
        first = stream.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers = dict(http.client.parse_headers(stream).items())
        length = int(headers.get("Content-Length", 0))
        body = stream.read(length)
    return Request(first[0], first[1], headers, body) if len(body) == length else None


def pass_on(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """No fault."""
    connection.sendall(proxy.ask(request).to_bytes())


def broken_off(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """The request never reaches the server."""


def answer_lost(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """The server does what it is asked to, and nobody hears of it."""
    proxy.ask(request)


def answer_cut(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """Half of the answer arrives."""
    whole = proxy.ask(request).to_bytes()
    connection.sendall(whole[: len(whole) // 2])


def answer_slow(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """The answer arrives in pieces, the last one late."""
    whole = proxy.ask(request).to_bytes()
    for start in range(0, len(whole), max(len(whole) // 3, 1)):
        connection.sendall(whole[start : start + max(len(whole) // 3, 1)])
        time.sleep(0.1)


def answer_dripping(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """The answer arrives a byte at a time, for ever, so that no single wait is long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def unanswered(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """Nothing comes until whoever asked hangs up."""
    connection.recv(1)


def left_open(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """The connection does not end with the answer."""
    connection.sendall(proxy.ask(request).to_bytes().replace(b"\r\nConnection: close", b""))
    connection.recv(1)


def not_http(proxy: Proxy, connection: socket.socket, request: Request) -> None:
    """Something speaks another protocol there."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def refused_by_proxy(status: int, body: bytes = b"<html>Not now.</html>") -> Fault:
    """Something in between answers by itself; the server never hears of it."""

    def act(proxy: Proxy, connection: socket.socket, request: Request) -> None:
        connection.sendall(Answer(status, (), body).to_bytes())

    return act


def answer_replaced(status: int) -> Fault:
    """The server does what it is asked to, and the proxy says that it failed."""

    def act(proxy: Proxy, connection: socket.socket, request: Request) -> None:
        proxy.ask(request)
        connection.sendall(Answer(status, (), b"").to_bytes())

    return act


def overtaken(others: Callable[[], None]) -> Fault:
    """Somebody else does something at the server just before the request arrives there."""

    def act(proxy: Proxy, connection: socket.socket, request: Request) -> None:
        others()
        pass_on(proxy, connection, request)

    return act
