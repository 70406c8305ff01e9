"""Masks and what scans show, kept by the hash of their content: a scan is stripped once."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.cache.folder import keep
from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.files import hash_bytes, whole_file
from d24fad_core.masking.coverage import Coverage

COVERAGE_VERSION = 1
"""Raised whenever the same scan is judged otherwise: kept judgements are then void."""


@dataclass(frozen=True, eq=False)
class KeptMask:
    """A mask, and the hash of the scan that it was applied to.

    Attributes:
        inside: (I, J, K) boolean.
        masked_hash: `Volume.content_hash` of the scan with the mask applied.
    """

    inside: NDArray[np.bool_]
    masked_hash: str


class MaskCache:
    """Where masks are kept, a small file each.

    Args:
        folder: of all that is kept; this is in one of its own there. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "masks"

    def mask(self, content_hash: str, method: str) -> KeptMask | None:
        """The mask of a scan by a method; None where it is absent or not readable."""
        if self._folder is None:
            return None
        try:
            with open_tensors(self._mask_path(self._folder, content_hash, method)) as tensors:
                values = json.loads(tensors.metadata()["values"])
                shape = tuple(int(length) for length in values["shape"])
                bits = np.unpackbits(tensors.get_array("bits"), count=int(np.prod(shape)))
                return KeptMask(
                    bits.view(bool).reshape(shape, order="F"), str(values["masked_hash"])
                )
        except (OSError, KeyError, ValueError, TypeError):
            return None

    def keep_mask(self, content_hash: str, method: str, mask: KeptMask) -> None:
        """Keep the mask of a scan, whole or not at all."""
        if self._folder is None:
            return
        path = self._mask_path(self._folder, content_hash, method)
        keep(mask, path, self._folder.parent, _save_mask)

    def coverage(self, content_hash: str) -> Coverage | None:
        """What a scan shows; None where nobody has looked yet."""
        if self._folder is None:
            return None
        try:
            return Coverage(load_values(self._coverage_path(self._folder, content_hash)))
        except (OSError, ValueError):
            return None

    def keep_coverage(self, content_hash: str, coverage: Coverage) -> None:
        """Keep what a scan shows."""
        if self._folder is not None:
            path = self._coverage_path(self._folder, content_hash)
            keep(coverage.value, path, self._folder.parent, save_values)

    @staticmethod
    def _mask_path(folder: Path, content_hash: str, method: str) -> Path:
        return folder / f"{hash_bytes(content_hash.encode(), method.encode())}.safetensors"

    @staticmethod
    def _coverage_path(folder: Path, content_hash: str) -> Path:
        return folder / f"{hash_bytes(content_hash.encode(), str(COVERAGE_VERSION).encode())}.json"


def _save_mask(mask: KeptMask, path: Path) -> None:
    values = {"shape": mask.inside.shape, "masked_hash": mask.masked_hash}
    bits = torch.from_numpy(np.packbits(mask.inside.ravel(order="F")))
    with whole_file(path) as temporary:
        save_tensors({"bits": bits}, temporary, {"values": json.dumps(values)})
