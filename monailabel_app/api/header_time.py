"""Closing connections on which no request comes to the end of its headers.

uvicorn waits for them for ever, and MONAI Label, which starts it, hands it no other protocol: the
class of its connections is given a clock here. What stalls later, in a body, is `gate`'s.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from monailabel_app.failures import RequestError, body

_LIMITED = "_d24fad_header_time"


def limit_header_time(protocol: type[Any], seconds: float = 60.0) -> None:
    """Give each connection so long for the headers of a request, from the first byte to the last.

    A connection on which nothing has come is closed without a word, one with half a request is
    answered first. Doing it again changes nothing.

    Args:
        protocol: uvicorn's class of connections; it is changed in place.
        seconds: from the opening of the connection, and from the first byte of each request.
    """
    if _LIMITED in vars(protocol):
        return
    clocks: WeakKeyDictionary[Any, asyncio.TimerHandle] = WeakKeyDictionary()
    begun: WeakSet[Any] = WeakSet()
    original: Callable[[Any, Any], None] = protocol.connection_made
    received: Callable[[Any, bytes], None] = protocol.data_received

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        original(self, transport)
        clocks[self] = self.loop.call_later(seconds, expire, self)

    def data_received(self: Any, data: bytes) -> None:
        received(self, data)
        if _waits(self):
            begun.add(self)
            if self not in clocks:
                clocks[self] = self.loop.call_later(seconds, expire, self)
        else:
            begun.discard(self)
            clock = clocks.pop(self, None)
            if clock is not None:
                clock.cancel()

    def expire(self: Any) -> None:
        clocks.pop(self, None)
        # A connection that became a web socket is another protocol's.
        mine = self.transport.get_protocol() is self and not self.transport.is_closing()
        if mine and _waits(self):
            if self in begun:
                self.transport.write(_answer(seconds))
            self.transport.close()

    protocol.connection_made = connection_made
    protocol.data_received = data_received
    setattr(protocol, _LIMITED, seconds)


def _waits(connection: Any) -> bool:
    """Whether the next thing on a connection is the end of a request's headers."""
    return connection.cycle is None or bool(connection.cycle.response_complete)


def _answer(seconds: float) -> bytes:
    failure = RequestError(
        "request_timeout",
        f"The headers of the request were not complete after {seconds:.0f} s.",
        "Send it again, over a connection that holds.",
    )
    content = json.dumps(body(failure)).encode()
    head = (
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
