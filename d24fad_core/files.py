"""Writing files whole or not at all, and naming content by its hash."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block succeeds.

    The temporary name keeps the suffixes of `path`, since image writers choose by them. When the
    block raises, the temporary file is removed and a file already at `path` stays as it was. When
    it succeeds, the file is on the disk, also after a power cut.

    Raises:
        OSError: it cannot be written; `filename` says which, also of a disk that is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    temporary = path.with_name(f".partial-{secrets.token_hex(6)}{suffix}")
    try:
        with _named_after(path, temporary):
            # Made as any other file is, so that it is for those whom the umask lets.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system lets one."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named_after(path: Path, temporary: Path) -> Iterator[None]:
    """Say of which file the system speaks: a full disk is reported without its name, or with
    one that nobody gave.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file whole or not at all; onto itself it stays as it is.

    Raises:
        OSError: it cannot be read or written.
    """
    if source.resolve() == target.resolve():
        return
    with whole_file(target) as temporary:
        shutil.copyfile(source, temporary)


def hash_bytes(*parts: bytes | memoryview) -> str:
    """SHA-256 over the parts, each preceded by its length, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(memoryview(part).nbytes.to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits (what `sha256sum` prints)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
