"""nginx with the site's file that operators copy, and what that file wants."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "Resources" / "nginx" / "d24fad.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_nginx = pytest.mark.skipif(
    None in (NGINX, shutil.which("openssl")) and "CI" not in os.environ,
    reason="Debian's nginx and openssl are not installed",
)


def write_site(folder: Path, port: int, server_url: str) -> Path:
    """The operator's file with the names of a test in it.

    Args:
        folder: of d24fad.pem, d24fad.key, d24fad.users and d24fad.token, and for the file.
        port: where nginx is to listen, on the loopback device.
        server_url: address of the server behind it.
    """
    text = SITE.read_text()
    names = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/certs/d24fad.pem": str(folder / "d24fad.pem"),
        "/etc/ssl/private/d24fad.key": str(folder / "d24fad.key"),
        "/etc/nginx/d24fad.users": str(folder / "d24fad.users"),
        "/etc/nginx/d24fad.token": str(folder / "d24fad.token"),
        "http://127.0.0.1:8000": server_url,
    }
    for old, new in names.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    site = folder / "d24fad.conf"
    site.write_text(text)
    return site


def write_certificate(certificate: Path, key: Path) -> None:
    """A certificate of localhost for two days."""
    _output(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(key), "-out", str(certificate)),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
    )


def user_line(name: str, password: str) -> str:
    """The line of a user in the file of users."""
    return f"{name}:{_output('openssl', 'passwd', '-apr1', password)}\n"


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server listens; what its log says if it ends instead."""
    end = time.monotonic() + 300
    while True:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
