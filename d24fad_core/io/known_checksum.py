"""Checksums that come with a file: beside it, or in its name where git-annex (DataLad) keeps it.

Unpacked voxels carry none of their own, so that nothing else tells a transfer that changed a byte.
"""

import hashlib
import re
from pathlib import Path

from d24fad_core.errors import InputError

_DIGITS = {"sha256": 64, "md5": 32}
_CHUNK = 1 << 20
_ANNEX_KEY = re.compile(r"(SHA256|MD5)E?-s\d+--([0-9a-f]+)(?:\.|$)")


def check_known_checksum(path: Path) -> None:
    """Compare a file with every checksum that comes with it; with none there is nothing to do.

    `FILE.sha256` and `FILE.md5` are read, as `sha256sum` and `md5sum` write them or with the
    digits alone, and the key of git-annex in the name that a link leads to.

    Args:
        path: a file; folders have no checksum.

    Raises:
        InputError: the file has another one, or what lies beside it names none of this file.
        OSError: one of the two cannot be read.
    """
    if not path.is_file():
        return
    for algorithm in _DIGITS:
        beside = path.with_name(f"{path.name}.{algorithm}")
        if beside.is_file():
            _compare(path, algorithm, _stated(beside, path.name, algorithm), str(beside))
    if path.is_symlink() and (key := _ANNEX_KEY.match(path.resolve().name)):
        _compare(path, key[1].lower(), key[2], "its git-annex key")


def _stated(beside: Path, name: str, algorithm: str) -> str:
    """The checksum of a file in the text beside it."""
    line = re.compile(rf"\\?([0-9a-fA-F]{{{_DIGITS[algorithm]}}})(?:\s+\*?(?:.*[/\\])?(.+?))?\s*")
    with beside.open("rb") as stream:
        text = stream.read(_CHUNK).decode("utf-8", errors="replace")
    for each in text.splitlines():
        match = line.fullmatch(each)
        if match and match[2] in (None, name):
            return match[1].lower()
    raise InputError(
        f"{beside}: holds no {algorithm} checksum of {name}",
        f"write it anew with `{algorithm}sum {name} > {beside.name}`, or remove it.",
    )


def _compare(path: Path, algorithm: str, stated: str, where: str) -> None:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != stated:
        raise InputError(
            f"{path}: its {algorithm} checksum is {digest.hexdigest()[:12]}…, and {where} says "
            f"{stated[:12]}…: the file was changed or damaged",
            "copy it again, from where the checksum was made.",
        )
