"""What pip writes while it installs, as progress and as problems with a remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .jobs import Progress
from .language import tr as _
from .messages import ExplainedError

_LOOKING = re.compile(r"Collecting ([\w.-]+)")
_DOWNLOADING = re.compile(r"\s*Downloading (?:\S*/)?([\w.]+)-\S+ \((.+)\)")
_UNPACKING = re.compile(r"Installing collected packages: (.+)")
_FULL = ("no space left", "errno 28", "disk quota exceeded", "not enough space", "winerror 112")
_UNTRUSTED = ("certificate_verify_failed", "certificate verify failed")
_UNREACHABLE = (
    *("newconnectionerror", "connecttimeout", "readtimeout", "connection refused", "proxyerror"),
    *("name resolution", "name or service not known", "getaddrinfo failed", "unreachable"),
    *("connection aborted", "connection reset", "read timed out", "connection broken"),
)
_FORBIDDEN = ("permission denied", "errno 13", "read-only file system")
_NOT_THERE = re.compile(r"No matching distribution found for (\S+)")


class InstallationProgress:
    """Follows what pip writes, line by line; how long a download takes it does not say."""

    def __init__(self) -> None:
        self._packages = 0

    def read(self, line: str) -> Progress | None:
        """What a line says of the progress; None where it says nothing."""
        package, download = _LOOKING.match(line), _DOWNLOADING.match(line)
        end = _UNPACKING.match(line)
        if package:
            self._packages += 1
            text = _("Package {number}: {name}")
            return Progress(text.format(number=self._packages, name=package.group(1)), None)
        if download:
            text = _("Package {number}: downloading {name}, {size}")
            name, size = download.groups()
            return Progress(text.format(number=self._packages, name=name, size=size), None)
        if end:
            count = end.group(1).count(",") + 1
            return Progress(_("Unpacking {count} packages").format(count=count), None)
        return None


def problem_of_installation(lines: Sequence[str], folder: Path) -> ExplainedError:
    """Say why an installation failed, from what was written.

    Args:
        lines: what pip wrote, or the system's own message.
        folder: where the packages were to go.
    """
    text = "\n".join(lines).lower()
    not_there = _NOT_THERE.search("\n".join(lines))
    if any(sign in text for sign in _FULL):
        return ExplainedError(
            _("The disk of {folder} is full.").format(folder=folder.parent),
            _("Make room (8 GB where PyTorch brings its GPU libraries, else 2 GB), and try again."),
            "disk_full",
        )
    if any(sign in text for sign in _UNTRUSTED):
        return ExplainedError(
            _("The certificate of the package index cannot be trusted."),
            _("Have your administrator name your network's authority in pip's own settings."),
            "tls",
        )
    if any(sign in text for sign in _UNREACHABLE):
        return ExplainedError(
            _("The package index cannot be reached."),
            _(
                "Check the network and any proxy, and try again. Without a network, choose a "
                "Python that has D24FAD beside Python in the Setup tab."
            ),
            "no_network",
        )
    if any(sign in text for sign in _FORBIDDEN):
        return ExplainedError(
            _("The packages cannot be written to {folder}.").format(folder=folder.parent),
            _("Check that the folder is yours, and try again."),
            "forbidden",
        )
    if not_there is not None:
        return ExplainedError(
            _("The package index has no {package} for this Python.").format(
                package=not_there.group(1)
            ),
            _("Choose a Python that has D24FAD beside Python in the Setup tab."),
            "no_package",
        )
    errors = [line for line in lines if line.strip().lower().startswith("error")]
    last = (errors or [line for line in lines if line.strip()] or [""])[-1]
    return ExplainedError(
        _("The packages could not be installed ({reason}).").format(reason=last.strip()[:300]),
        _("Try again; if it stays so, please report this with Slicer's log."),
        "not_installed",
    )
