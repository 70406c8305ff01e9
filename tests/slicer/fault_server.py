"""Servers that misbehave on purpose, one fault each, on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Fault = Callable[[socket.socket], None]


def answer(status: int, body: bytes = b"", reason: str = "Fault") -> Fault:
    """Answer every request with a status and a body."""

    def act(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return act


def truncated(connection: socket.socket) -> None:
    """Promise more bytes than are sent."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)


def disconnect(connection: socket.socket) -> None:
    """Hang up without a word."""


def silent(connection: socket.socket) -> None:
    """Take the request and never answer."""
    time.sleep(30)


def dripping(connection: socket.socket) -> None:
    """Send a byte at a time, for ever, so that no single wait is long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def not_http(connection: socket.socket) -> None:
    """Speak another protocol."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@contextmanager
def serving(fault: Fault, reads: bool = True) -> Iterator[str]:
    """A server with one fault; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                if reads:
                    connection.recv(65536)
                fault(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which would keep the port
        listener.close()
