"""The last line of a run: what its skipped tests wanted, and how to bring that."""

import re
from collections.abc import Iterable

_SYSTEM = re.compile(r"(?:Skipped: )?(?:Debian's )?(.+?) (?:is|are) not installed")
_PYTHON = re.compile(r"could not import '([^']+)'|(\S+) is not installed \(pip")
_DATA = re.compile(r"\.\./shared|no parity data")


def last_line(reasons: Iterable[str]) -> str | None:
    """What was left out for want of something; None where nothing was.

    Args:
        reasons: why tests were skipped, as pytest reports it.
    """
    system, python, data = set(), set(), False
    for reason in reasons:
        if match := _PYTHON.search(reason):
            python.add(match[1] or match[2])
        elif match := _SYSTEM.search(reason):
            system.add(match[1])
        elif _DATA.search(reason):
            data = True
    parts = []
    if system:
        parts.append(f"{', '.join(sorted(system))} (run .ci/system-packages as root)")
    if python:
        parts.append(f"the Python packages of {', '.join(sorted(python))} (run make test)")
    if data:
        parts.append("the real studies and the official network's numbers (put them in ../shared)")
    return f"Tests were left out for want of {'; '.join(parts)}." if parts else None


def absent_packages(reasons: Iterable[str]) -> list[str]:
    """The Python packages that skipped tests wanted, by name.

    Args:
        reasons: as for `last_line`.
    """
    matches = (_PYTHON.search(reason) for reason in reasons)
    return sorted({match[1] or match[2] for match in matches if match})
