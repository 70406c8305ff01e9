"""Debian's Orthanc with its DICOMweb plugin, reachable from this machine only.

Its version has no option to listen on loopback alone. So it runs in a network namespace of its own,
which has nothing but a loopback device, and a relay passes on what comes to a loopback port here.
Without the right to make a namespace it runs beside us and refuses remote clients itself.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
RELAY = Path(__file__).with_name("orthanc_relay.py")
INSIDE_PORT = 8042

OPEN_SETTINGS = {
    "AuthenticationEnabled": False,
    "DicomServerEnabled": False,
    "Plugins": [str(PLUGIN)],
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
}
"""Settings of a PACS that wants no password."""


def available() -> bool:
    """Whether Orthanc and its plugin are installed."""
    return shutil.which("Orthanc") is not None and PLUGIN.exists()


class Orthanc:
    """A running Orthanc with an empty store.

    Args:
        folder: for its store, settings and log.
        settings: its settings, but for where it keeps things and who reaches it.
        command: starts it, with the path of the settings after it.
        environment: further environment variables.
        auth: user and password of this client.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any] = OPEN_SETTINGS,
        command: Sequence[str] = ("Orthanc",),
        environment: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self._session = requests.Session()
        self._session.auth = auth
        folder.mkdir(parents=True, exist_ok=True)
        self._log = (folder / "orthanc.log").open("wb")
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        separate = self._can_separate()
        file = folder / "orthanc.json"
        own = {
            "StorageDirectory": str(folder / "store"),
            "IndexDirectory": str(folder / "store"),
            "HttpPort": INSIDE_PORT if separate else self.port,
            "RemoteAccessAllowed": False,
        }
        if not separate:
            own["DicomServerEnabled"] = False
        file.write_text(json.dumps({**settings, **own}))
        orthanc = [*command, str(file)]
        if separate:
            relay = [sys.executable, str(RELAY), str(listener.fileno()), str(INSIDE_PORT)]
            orthanc = ["unshare", "--net", *relay, *orthanc]
        else:
            listener.close()
        self._process = subprocess.Popen(
            orthanc,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            pass_fds=[listener.fileno()] if separate else [],
        )
        if separate:
            listener.close()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dicomweb = f"{self.url}/dicom-web"
        self._wait()

    def send(self, folder: Path) -> None:
        """Store every file of a folder."""
        for path in folder.iterdir():
            answer = self._session.post(
                f"{self.url}/instances", data=path.read_bytes(), timeout=120
            )
            answer.raise_for_status()

    def instances(self, modality: str) -> list[bytes]:
        """The files of a modality that it holds."""
        return [
            self._session.get(f"{self.url}/instances/{name}/file", timeout=120).content
            for name in self._names(modality)
        ]

    def remove(self, modality: str) -> None:
        """Remove the files of a modality."""
        for name in self._names(modality):
            self._session.delete(f"{self.url}/instances/{name}", timeout=120).raise_for_status()

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._session.close()
        self._log.close()

    def _names(self, modality: str) -> list[str]:
        query = {"Level": "Instance", "Query": {"Modality": modality}}
        answer = self._session.post(f"{self.url}/tools/find", json=query, timeout=120)
        return list(answer.json())

    def _wait(self) -> None:
        end = time.monotonic() + 300
        while True:
            try:
                self._session.get(f"{self.url}/system", timeout=120).raise_for_status()
                return
            except requests.RequestException:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    log = Path(self._log.name).read_text(errors="replace")
                    raise RuntimeError(f"Orthanc did not start:\n{log[-2000:]}") from None
                time.sleep(0.2)

    @staticmethod
    def _can_separate() -> bool:
        probe = ["unshare", "--net", "true"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
