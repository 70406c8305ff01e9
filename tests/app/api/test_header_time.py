"""Connections that stall before the end of a request's headers, on a real socket."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from fastapi import FastAPI, Request
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from monailabel_app.api.header_time import limit_header_time

PATIENCE = 600.0
WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class ImpatientServer(threading.Thread):
    """A server of the kind that MONAI Label starts; its time passes when a test says so.

    What a test waits for is what the server has seen, however long it took to see it.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ahead = 0.0
        self._changed = threading.Condition()
        self._connections = self._bytes = self._requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        configuration = uvicorn.Config(
            self._app(), http=self._protocol(), log_level="error", timeout_keep_alive=10**6
        )
        self._server = uvicorn.Server(configuration)
        self._loop = asyncio.SelectorEventLoop()
        real = self._loop.time
        self._loop.time = lambda: real() + self._ahead  # type: ignore[method-assign]

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))

    def end(self) -> None:
        self._server.should_exit = True
        self.join()
        self._loop.close()

    def connect(self) -> socket.socket:
        """A connection that the server has taken."""
        before = self._connections
        client = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self._wait_for(lambda: self._connections > before)
        return client

    def send(self, client: socket.socket, content: bytes) -> None:
        """Send what the server has then read."""
        before = self._bytes
        client.sendall(content)
        self._wait_for(lambda: self._bytes == before + len(content))

    def ask(self, client: socket.socket) -> None:
        """Send a whole request; its answer takes twice the patience."""
        before = self._requests
        client.sendall(WHOLE)
        self._wait_for(lambda: self._requests > before)
        self.let_pass(2 * PATIENCE)

    def let_pass(self, seconds: float) -> None:
        """Put the server's clock forward."""

        def forward() -> None:
            self._ahead += seconds

        self._loop.call_soon_threadsafe(forward)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 120)

    def _note(self, connections: int = 0, content: int = 0, requests: int = 0) -> None:
        with self._changed:
            self._connections += connections
            self._bytes += content
            self._requests += requests
            self._changed.notify_all()

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/")
        async def slow() -> str:
            waiting = asyncio.sleep(2 * PATIENCE)
            asyncio.get_running_loop().call_soon(self._note, 0, 0, 1)  # when the clock runs
            await waiting
            return "there"

        @app.post("/")
        async def length(request: Request) -> int:
            return len(await request.body())

        return app

    def _protocol(self) -> type[asyncio.Protocol]:
        note = self._note

        class Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                note(connections=1)

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                note(content=len(data))

        limit_header_time(Impatient, PATIENCE)
        limit_header_time(Impatient, 1000 * PATIENCE)  # changes nothing
        return Impatient


@pytest.fixture(scope="module")
def server() -> Iterator[ImpatientServer]:
    running = ImpatientServer()
    running.start()
    yield running
    running.end()


@pytest.fixture
def client(server: ImpatientServer) -> Iterator[socket.socket]:
    with server.connect() as connection:
        yield connection


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def check_answered(client: socket.socket, content: bytes = b'"there"') -> None:
    """Reads one whole answer: its head and its body may arrive apart."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n" + content):
        part = client.recv(65536)
        assert part, f"closed after {answer!r}"
        answer += part
    assert answer.startswith(b"HTTP/1.1 200")


def check_given_up(answer: bytes) -> None:
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(content)["error"]["code"] == "request_timeout"


@pytest.mark.parametrize("half", [b"G", b"GET / HT", WHOLE[:-2]])
def test_half_a_request_is_given_up(
    server: ImpatientServer, client: socket.socket, half: bytes
) -> None:
    server.send(client, half)
    server.let_pass(PATIENCE)
    check_given_up(rest(client))


def test_a_request_that_trickles_in_is_given_up_too(
    server: ImpatientServer, client: socket.socket
) -> None:
    try:
        for letter in b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
            client.sendall(bytes([letter]))
            server.let_pass(PATIENCE / 20)
    except OSError:
        return  # closed while we went on
    pytest.fail("it was listened to for ever")


def test_a_connection_on_which_nothing_comes_is_closed(
    server: ImpatientServer, client: socket.socket
) -> None:
    server.let_pass(PATIENCE)
    assert rest(client) == b""


def test_an_answer_and_a_body_may_take_longer(
    server: ImpatientServer, client: socket.socket
) -> None:
    server.ask(client)
    check_answered(client)
    server.send(client, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na")
    server.let_pass(2 * PATIENCE)
    client.sendall(b"bc")
    check_answered(client, b"3")
    # Half of the next request on the same connection.
    server.send(client, WHOLE[:-2])
    server.let_pass(PATIENCE)
    check_given_up(rest(client))


def test_a_connection_that_is_kept_waits_for_its_next_request(
    server: ImpatientServer, client: socket.socket
) -> None:
    for _ in range(2):
        server.ask(client)
        check_answered(client)
        server.let_pass(2 * PATIENCE)
