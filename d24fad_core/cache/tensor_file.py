"""Tensors in safetensors files that notice when a byte of theirs has changed."""

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.files import hash_bytes
from d24fad_core.safetensors_file import write_safetensors

_TEXTS = "texts"
_CHECKSUM = "checksum"


class StoredTensors:
    """The verified content of a file.

    Args:
        tensors: by name.
        metadata: the texts beside them.
    """

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        self._tensors, self._metadata = tensors, metadata

    def keys(self) -> list[str]:
        """The names of the tensors."""
        return list(self._tensors)

    def get_tensor(self, name: str) -> Tensor:
        """A tensor, mapped from disk into memory.

        Raises:
            KeyError: there is none of this name.
        """
        return self._tensors[name]

    def get_array(self, name: str) -> NDArray[Any]:
        """A tensor as an array.

        Raises:
            KeyError: there is none of this name.
        """
        return self._tensors[name].numpy()

    def metadata(self) -> dict[str, str]:
        """The texts beside the tensors."""
        return dict(self._metadata)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write tensors and texts, with a checksum over them."""
    content = {name: values.contiguous() for name, values in tensors.items()}
    texts = {**metadata, _CHECKSUM: _checksum(content, metadata)}
    # In one text: the library writes several in any order, and equal content gives equal bytes.
    write_safetensors(content, path, {_TEXTS: json.dumps(texts, sort_keys=True)})


@contextmanager
def open_tensors(path: Path) -> Iterator[StoredTensors]:
    """Read a file of `save_tensors` and verify it; what is damaged is removed.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: it is damaged, or the block could not use it.

    Warns:
        CacheWarning: it was damaged.
    """
    try:
        try:
            content = _read(path)
        except SafetensorError as error:
            raise ValueError(f"{path}: {error}") from error
        yield content
    except (ValueError, KeyError, TypeError):
        path.unlink(missing_ok=True)
        warnings.warn(
            f"{path} was damaged; it was removed and is computed again.",
            CacheWarning,
            stacklevel=1,
        )
        raise
    with suppress(OSError):  # what was used last is evicted last
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _read(path: Path) -> StoredTensors:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = json.loads((file.metadata() or {}).get(_TEXTS, "{}"))
    if metadata.pop(_CHECKSUM, None) != _checksum(tensors, metadata):
        raise ValueError(f"{path}: the checksum differs")
    return StoredTensors(tensors, metadata)


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    parts: list[bytes | memoryview] = []
    for name, values in sorted(tensors.items()):
        described = repr((name, str(values.dtype), tuple(values.shape)))
        # Bytes have a buffer whatever the type of the values is.
        content: NDArray[np.uint8] = values.reshape(-1).view(torch.uint8).numpy()
        parts += [described.encode(), content.data]
    return hash_bytes(*parts, repr(sorted(metadata.items())).encode())
