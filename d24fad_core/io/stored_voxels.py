"""Reading the voxels of a file slab by slab, forward only."""

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 18
# zlib finds out by itself whether the header is gzip's or its own.
_ANY_HEADER = 32 + zlib.MAX_WBITS
# Neither gzip nor zlib can pack tighter than this; a header that promises more lies.
_LARGEST_RATIO = 1040


@dataclass(frozen=True)
class StoredVoxels:
    """Where the voxels of a file lie; the first axis changes fastest.

    Attributes:
        path: the file.
        shape: voxels along each axis.
        dtype: type of a stored value, with its byte order.
        start: where the voxels, or the compressed stream that holds them, begin in the file.
        compressed: whether that is a stream of gzip or zlib.
        skipped: bytes of the stream before the first voxel.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    start: int = 0
    compressed: bool = False
    skipped: int = 0

    def slabs(self, depth: int) -> Iterator[NDArray[Any]]:
        """The stored values in slabs along the last axis, in one pass through the file.

        The last slab comes before the end of the stream is reached, where its checksum stands: only
        whoever takes them all knows that they are whole.

        Args:
            depth: slices of a slab; the last may have fewer.

        Raises:
            EOFError: the file ends before the voxels do, or cannot hold what is promised; that is
                noticed before memory is taken.
            zlib.error: the compressed stream is damaged.
            ValueError: it holds voxels of which the header says nothing.
        """
        rows, columns, slices = self.shape
        self._check_promise()
        with self.path.open("rb") as file:
            file.seek(self.start)
            stream = io.BufferedReader(_Unpacked(file), _CHUNK) if self.compressed else file
            _read(stream, self.skipped)
            for first in range(0, slices, depth):
                count = min(depth, slices - first)
                content = _read(stream, rows * columns * count * self.dtype.itemsize)
                yield content.view(self.dtype).reshape((rows, columns, count), order="F")
            self._check_end(stream)

    def whole(self) -> NDArray[Any]:
        """All stored values, read to the end of the stream and its checksum.

        Raises:
            EOFError: as `slabs`, like the others.
            zlib.error: see there.
            ValueError: see there.
        """
        (values,) = self.slabs(self.shape[2])
        return values

    def _check_promise(self) -> None:
        promised = self.skipped + math.prod(map(int, self.shape)) * self.dtype.itemsize
        size = self.path.stat().st_size - self.start
        if promised > (_LARGEST_RATIO if self.compressed else 1) * size:
            raise EOFError(f"{promised} bytes promised in a file of {size}")

    def _check_end(self, stream: BinaryIO | io.BufferedReader) -> None:
        """Read to the end: some writers pad there, but with less than a plane of voxels."""
        _, *others = sorted(map(int, self.shape), reverse=True)
        plane = math.prod(others) * self.dtype.itemsize
        if sum(map(len, iter(lambda: stream.read(min(plane, _CHUNK)), b""))) >= plane:
            raise ValueError("voxels behind the last one that the header promises")


class _Unpacked(io.RawIOBase):
    """What a stream of gzip (of one or several members) or zlib holds."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unpacker = zlib.decompressobj(_ANY_HEADER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or part of it.

        Returns:
            How many bytes; 0 at the end.

        Raises:
            EOFError: the stream was cut off.
        """
        while True:
            packed = self._unpacker.unconsumed_tail
            if self._unpacker.eof:
                # Files may be padded with zeros behind the last member.
                packed = self._unpacker.unused_data.lstrip(b"\0")
                while not packed:
                    chunk = self._stream.read(_CHUNK)
                    if not chunk:
                        return 0
                    packed = chunk.lstrip(b"\0")
                self._unpacker = zlib.decompressobj(_ANY_HEADER)
            packed = packed or self._stream.read(_CHUNK)
            if not packed:
                raise EOFError("the compressed stream ends early")
            part = self._unpacker.decompress(packed, len(buffer))
            if part:
                buffer[: len(part)] = part
                return len(part)


def _read(stream: BinaryIO | io.BufferedReader, count: int) -> NDArray[np.uint8]:
    """Exactly `count` bytes."""
    content = np.empty(count, dtype=np.uint8)
    filled = stream.readinto(content.data)  # type: ignore[union-attr]
    if filled < count:
        raise EOFError(f"{count - filled} bytes are missing")
    return content
