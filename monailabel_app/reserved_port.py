"""A port of this machine that the system gives to nobody else before its server listens there."""

import socket


class ReservedPort:
    """A free port on the loopback device, kept until it is released.

    It is bound and not listened on: a client is refused, no other program is given it, and the
    server that it is meant for may still listen, as servers do that want their port back at once
    (`SO_REUSEADDR`). A port that is only looked up could be another's before the server has
    started.

    Attributes:
        number: the TCP port.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])

    def release(self) -> None:
        """Let others have it; doing it again changes nothing."""
        self._socket.close()
