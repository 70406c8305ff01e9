"""HTTP by the standard library: streamed, with time limits, cancelled by shutting the socket."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..logic.jobs import Cancellation
from ..logic.language import tr as _
from ..logic.messages import (
    CancelledError,
    ExplainedError,
    problem_of_answer,
    problem_of_connection,
)
from .trust import trusting_context

_PIECE_BYTES = 1 << 18
_LARGEST_DOCUMENT = 64 << 20
Moved = Callable[[int, int], None]


@dataclass(frozen=True)
class Address:
    """Where the server is, taken apart.

    Attributes:
        typed: as the user wrote it, for messages.
        secure: whether it is https.
        host: name or number.
        port: TCP port.
        prefix: path in front of the server's own paths, without a slash at its end.
    """

    typed: str
    secure: bool
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, typed: str) -> Address:
        """Take an address apart; `http://` may be left out.

        Raises:
            ExplainedError: it is no address of a web server.
        """
        trimmed = typed.strip()
        parts = urlsplit(trimmed if "://" in trimmed else f"http://{trimmed}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        odd = any(c.isspace() or not c.isprintable() for c in trimmed)
        if odd or parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise ExplainedError(
                _("'{address}' is no server address.").format(address=trimmed),
                _("Write it like http://127.0.0.1:8000."),
                "bad_address",
            )
        secure = parts.scheme == "https"
        return cls(
            typed=trimmed,
            secure=secure,
            host=parts.hostname,
            port=port or (443 if secure else 80),
            prefix=parts.path.rstrip("/"),
        )


class Transport:
    """Sends one request at a time over a connection of its own; safe to use from any thread.

    Args:
        address: the server's address as the user typed it.
        token: access token; empty for none.
        connect_s: longest wait for a connection.
        silence_s: longest wait for the next bytes.
        authority: file with the certificate of an authority to trust besides the system's;
            empty for none.

    Raises:
        ExplainedError: the address is none, or the authority's file cannot be used.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        connect_s: float = 5.0,
        silence_s: float = 30.0,
        authority: str = "",
    ) -> None:
        self.address = Address.parse(address)
        self.authority = authority
        self._context = trusting_context(authority) if self.address.secure else None
        self.token = token.strip()
        self._connect_s = connect_s
        self._silence_s = silence_s

    def document(
        self,
        method: str,
        path: str,
        cancellation: Cancellation | None = None,
        body: Any = None,
        limit_s: float = 60.0,
    ) -> dict[str, Any]:
        """Send a request and read its JSON answer.

        Args:
            method: HTTP method.
            path: path and query on the server.
            cancellation: what cancels it.
            body: value to send as JSON; None for no body.
            limit_s: longest time for the whole answer.

        Raises:
            ExplainedError: no connection, an error answer, or one that is not understood.
            CancelledError: the user cancelled.
        """
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = "application/json"

        def read(answer: http.client.HTTPResponse) -> bytes:
            pieces: list[bytes] = []
            self._receive(answer, pieces.append, time.monotonic() + limit_s)
            return b"".join(pieces)

        content = self._exchange(method, path, cancellation, data, headers, read)
        if not content:
            return {}
        try:
            document = json.loads(content.decode("utf-8"))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ExplainedError(
                _("{address} answers, but not as a D24FAD server does.").format(
                    address=self.address.typed
                ),
                _("Check the address and port."),
                "wrong_app",
            )
        return document

    def upload(
        self, path: str, file: Path, cancellation: Cancellation, moved: Moved
    ) -> dict[str, Any]:
        """Stream a file to the server.

        Args:
            path: path and query on the server.
            file: what to send.
            cancellation: what cancels it.
            moved: told the bytes sent so far and the bytes in all.

        Raises:
            ExplainedError: no connection, or the server refused.
            CancelledError: the user cancelled.
        """
        total = file.stat().st_size

        def pieces() -> Any:
            sent = 0
            with file.open("rb") as opened:
                for piece in iter(lambda: opened.read(_PIECE_BYTES), b""):
                    cancellation.check()
                    yield piece
                    sent += len(piece)
                    moved(sent, total)

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total)}
        collected: list[bytes] = []

        def read(answer: http.client.HTTPResponse) -> None:
            self._receive(answer, collected.append, time.monotonic() + 300.0)

        self._exchange("PUT", path, cancellation, pieces(), headers, read)
        try:
            return dict(json.loads(b"".join(collected).decode("utf-8")))
        except ValueError:
            raise ExplainedError(
                _("The server's answer to the upload is not understood."),
                _("Install the same version of the server and of this extension."),
                "wrong_version",
            ) from None

    def download(self, path: str, file: Path, cancellation: Cancellation, moved: Moved) -> None:
        """Stream an answer into a file, which is written whole or not at all.

        Raises:
            ExplainedError: no connection, an error answer, or one cut short.
            CancelledError: the user cancelled.
        """
        partial = file.with_name(file.name + ".part")

        def read(answer: http.client.HTTPResponse) -> None:
            total = answer.length or 0
            done = 0
            with partial.open("wb") as opened:

                def keep(piece: bytes) -> None:
                    nonlocal done
                    opened.write(piece)
                    done += len(piece)
                    moved(done, max(total, done))

                self._receive(answer, keep, None)

        try:
            self._exchange("GET", path, cancellation, None, {}, read)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def _exchange(
        self,
        method: str,
        path: str,
        cancellation: Cancellation | None,
        body: Any,
        headers: Mapping[str, str],
        read: Callable[[http.client.HTTPResponse], Any],
    ) -> Any:
        cancellation = cancellation or Cancellation()
        cancellation.check()
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(self._silence_s)
            cancellation.attach(connection.sock)
            all_headers = {"Connection": "close", **headers}
            if self.token:
                all_headers["Authorization"] = f"Bearer {self.token}"
            answer = self._send(connection, method, path, body, all_headers)
            if answer.status >= 400:
                refusal: list[bytes] = []
                if method != "HEAD":
                    self._receive(answer, refusal.append, time.monotonic() + self._silence_s)
                raise problem_of_answer(answer.status, b"".join(refusal), self.address.typed)
            return read(answer)
        except (OSError, http.client.HTTPException) as error:
            if cancellation.cancelled:
                raise CancelledError from error
            raise problem_of_connection(error, self.address.typed) from error
        except ExplainedError:
            cancellation.check()
            raise
        finally:
            cancellation.attach(None)
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        where = self.address
        if where.secure:
            return http.client.HTTPSConnection(
                where.host, where.port, timeout=self._connect_s, context=self._context
            )
        return http.client.HTTPConnection(where.host, where.port, timeout=self._connect_s)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, self.address.prefix + path, body=body, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse an upload before it has read all of it: its reason may be there.
            if body is None:
                raise
        return connection.getresponse()

    def _receive(
        self,
        answer: http.client.HTTPResponse,
        keep: Callable[[bytes], Any],
        deadline: float | None,
    ) -> None:
        expected = answer.length
        received = 0
        # A proxy may keep the connection open after the last byte.
        while expected is None or received < expected:
            piece = answer.read1(_PIECE_BYTES)
            if not piece:
                break
            received += len(piece)
            if deadline is not None:
                if time.monotonic() > deadline:
                    raise TimeoutError
                if received > _LARGEST_DOCUMENT:
                    raise http.client.HTTPException("the answer is too long")
            keep(piece)
        if expected is not None and received < expected:
            raise ExplainedError(
                _("The answer of {address} was cut short ({received} of {expected} bytes).").format(
                    address=self.address.typed, received=received, expected=expected
                ),
                _("Try again; if it stays so, check the network and any proxy in between."),
                "truncated",
            )
