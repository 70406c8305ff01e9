"""What every call of the server has in common: where the interface lies, waiting, volume files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ..logic.jobs import Cancellation, Task
from ..logic.volume_file import VolumeData, read_nifti
from .transport import Transport

ROOT = "/d24fad/v1"
SLOW_S = 300.0


class Calls:
    """Calls of the server; each may be made from any thread.

    Args:
        address: the server's address as the user typed it.
        token: access token; empty for none.
        silence_s: longest wait for the next bytes of an answer.
        patience_s: how long a running analysis survives a server that is away.
        authority: file with the certificate of an authority to trust besides the system's;
            empty for none.

    Raises:
        ExplainedError: the address is none, or the authority's file cannot be used.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        silence_s: float = 30.0,
        patience_s: float = 60.0,
        authority: str = "",
    ) -> None:
        self._http = Transport(address, token, silence_s=silence_s, authority=authority)
        # For the few answers that the server works on before it sends their first byte.
        self._slow = Transport(address, token, silence_s=SLOW_S, authority=authority)
        self._patience_s = patience_s

    @property
    def address(self) -> str:
        """The address as the user typed it."""
        return self._http.address.typed

    def _get(
        self, path: str, cancellation: Cancellation | None, limit_s: float = 60.0
    ) -> dict[str, Any]:
        return self._http.document("GET", ROOT + path, cancellation, limit_s=limit_s)

    def _post(self, path: str, body: dict[str, Any], task: Task) -> dict[str, Any]:
        return self._http.document("POST", ROOT + path, task.cancellation, body)

    def _delete(self, path: str, task: Task) -> dict[str, Any]:
        return self._http.document("DELETE", ROOT + path, task.cancellation)

    def _fetch(self, path: str, step: str, task: Task) -> VolumeData:
        def report(done: int, total: int) -> None:
            task.report(step, done / max(total, 1))

        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "volume.nii.gz"
            self._http.download(ROOT + path, file, task.cancellation, report)
            return read_nifti(file)


def cancellation_of(task: Task | None) -> Cancellation | None:
    """What stops a call; None where nobody can."""
    return None if task is None else task.cancellation


def path_part(value: str) -> str:
    """A name as one part of a path."""
    return quote(value, safe="")


def query_of(**parts: Any) -> str:
    """The query of an address, from those parts that are not None."""
    query = {key: value for key, value in parts.items() if value is not None}
    return f"?{urlencode(query, doseq=True)}" if query else ""
