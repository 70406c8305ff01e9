"""Runs a server in this network namespace and relays to it what a socket of another one accepts.

Usage: orthanc_relay.py LISTENER_FD PORT COMMAND...
"""

import contextlib
import fcntl
import signal
import socket
import struct
import subprocess
import sys
import threading

SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def raise_loopback() -> None:
    """Switch on the loopback device, which is off in a new namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING)
        fcntl.ioctl(control, SIOCSIFFLAGS, request)


def pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side closes."""
    with contextlib.suppress(OSError):
        while part := source.recv(1 << 16):
            target.sendall(part)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def relay(client: socket.socket, port: int) -> None:
    """Connect a client with the server inside."""
    try:
        inside = socket.create_connection(("127.0.0.1", port), timeout=60)
    except OSError:
        client.close()
        return
    inside.settimeout(None)
    threading.Thread(target=pump, args=(inside, client), daemon=True).start()
    pump(client, inside)


def main() -> None:
    """Start the server, then relay until told to stop."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    port = int(sys.argv[2])
    raise_loopback()
    server = subprocess.Popen(sys.argv[3:])
    signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=relay, args=(client, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.exit(server.wait())


if __name__ == "__main__":
    main()
