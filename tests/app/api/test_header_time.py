"""Connections that stall before the end of a request's headers, on a real socket."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI, Request
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from monailabel_app.api.header_time import limit_header_time

PATIENCE = 0.5
WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of the kind that MONAI Label starts, with little patience."""

    class Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        pass

    limit_header_time(Impatient, PATIENCE)
    limit_header_time(Impatient, 1000 * PATIENCE)  # changes nothing
    app = FastAPI()

    @app.get("/")
    async def slow() -> str:
        await asyncio.sleep(2 * PATIENCE)
        return "there"

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    server = uvicorn.Server(
        uvicorn.Config(app, port=number, http=Impatient, log_level="error", timeout_keep_alive=30)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield number
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
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
def test_half_a_request_is_given_up(client: socket.socket, half: bytes) -> None:
    client.sendall(half)
    check_given_up(rest(client))


def test_a_request_that_trickles_in_is_given_up_too(client: socket.socket) -> None:
    try:
        for letter in b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
            client.sendall(bytes([letter]))
            time.sleep(PATIENCE / 20)
    except OSError:
        return  # closed while we went on
    pytest.fail("it was listened to for ever")


def test_a_connection_on_which_nothing_comes_is_closed(client: socket.socket) -> None:
    assert rest(client) == b""


def test_an_answer_and_a_body_may_take_longer(client: socket.socket) -> None:
    client.sendall(WHOLE)
    check_answered(client)
    client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na")
    time.sleep(2 * PATIENCE)
    client.sendall(b"bc")
    check_answered(client, b"3")
    # Half of the next request on the same connection.
    client.sendall(WHOLE[:-2])
    check_given_up(rest(client))


def test_a_connection_that_is_kept_waits_for_its_next_request(client: socket.socket) -> None:
    for _ in range(2):
        client.sendall(WHOLE)
        check_answered(client)
        time.sleep(2 * PATIENCE)
