"""Taking in a file as it is sent, with a bound on its size and its hash checked."""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from d24fad_core.files import whole_file
from monailabel_app.failures import RequestError


async def receive_file(
    body: AsyncIterator[bytes],
    path: Path,
    sha256: str,
    limit: int,
    check: Callable[[Path], None],
) -> int:
    """Write a body to a file; nothing stays when it is refused or the client goes away.

    Args:
        body: the parts of the body as they come.
        path: where the file goes; its ending is kept while it is checked.
        sha256: the hash that the client says it has.
        limit: most bytes that are taken.
        check: raises `RequestError` when the file is not what it should be.

    Returns:
        Number of bytes.

    Raises:
        RequestError: it is too large, has another hash, or `check` refused it.
    """
    digest = hashlib.sha256()
    length = 0
    with whole_file(path) as temporary:
        with temporary.open("wb") as stream:
            async for part in body:
                length += len(part)
                if length > limit:
                    raise too_large(limit)
                digest.update(part)
                await run_in_threadpool(stream.write, part)
        if digest.hexdigest() != sha256:
            raise RequestError(
                "hash_mismatch",
                f"The file that came has the hash {digest.hexdigest()}, not {sha256}.",
                "Send it again.",
            )
        await run_in_threadpool(check, temporary)
    return length


def too_large(limit: int) -> RequestError:
    """The refusal of a body above the limit."""
    return RequestError(
        "too_large",
        f"The body is larger than the {limit / (1 << 20):.0f} MiB that this server takes.",
        "Send a smaller file, or ask the operator to raise --conf upload_mb.",
    )
