"""Masks that reviewers drew, and the final label that a review adds up to."""

import logging
import re
import shutil
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from d24fad_core.files import hash_file, whole_file
from monailabel_app.analysis.encodings import label_volume, read_mask, require_binary
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.review.label_files import require_grid
from monailabel_app.review.states import MARKED_STATES, Review
from monailabel_app.studies.receiving import receive_file

logger = logging.getLogger(__name__)

_HASH = re.compile("[0-9a-f]{64}")
_SUFFIX = ".nii.gz"


class ReviewedMasks:
    """Masks drawn by reviewers, each under the hash of its file.

    Args:
        folder: where they lie; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def receive(
        self, sha256: str, stored_result: StoredResult, body: AsyncIterator[bytes], limit: int
    ) -> Path:
        """Keep a mask that is being sent.

        Raises:
            RequestError: it is too large, has another hash, is not on the image's grid, or has
                voxels other than 0 and 1.
        """
        path = self._path(sha256)
        if self._holds(path):
            return path

        def check(received: Path) -> None:
            _check(received, stored_result)

        await receive_file(body, path, sha256, limit, check)
        return path

    def keep(self, path: Path) -> Path:
        """Keep a copy of a mask under its hash."""
        target = self._path(hash_file(path))
        if not self._holds(target):
            with whole_file(target) as temporary:
                shutil.copyfile(path, temporary)
        return target

    def get(self, sha256: str) -> Path:
        """The file of a mask.

        Raises:
            RequestError: there is none with this hash.
        """
        path = self._path(sha256)
        if not self._holds(path):
            raise RequestError(
                "unknown_upload",
                f"No mask with the hash {sha256[:64]} was sent, or it was damaged since.",
                "Send it first: PUT …/review/masks/HASH.",
            )
        return path

    def of_result(self, sha256: str, stored_result: StoredResult) -> Path:
        """The file of a mask that is to be used in the review of a result.

        Raises:
            RequestError: there is none with this hash, or it was drawn on another grid.
        """
        path = self.get(sha256)
        _check(path, stored_result)
        return path

    def final_label(
        self, stored_result: StoredResult, review: Review
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Join the accepted, edited and added findings; empty where there are none.

        Raises:
            RequestError: a finding is still open.
        """
        undecided = [str(f.finding) for f in review.findings if f.state == "open"]
        if undecided:
            raise RequestError(
                "findings_open",
                f"Finding{'s' if len(undecided) > 1 else ''} {', '.join(undecided[:20])} "
                f"{'are' if len(undecided) > 1 else 'is'} not decided.",
                "Accept, edit or reject every finding first.",
            )
        ranks, affine = label_volume(stored_result.mask, stored_result.findings)
        label = np.zeros(ranks.shape, np.uint8)
        for finding in review.findings:
            if finding.state not in MARKED_STATES:
                continue
            if finding.mask is not None:
                label[read_mask(self.get(finding.mask))[0] > 0] = 1
            else:
                label[ranks == finding.finding] = 1
        return label, affine

    def _holds(self, path: Path) -> bool:
        """Whether a mask is here as it was sent; one that was changed on the disk goes aside."""
        if not path.is_file():
            return False
        if hash_file(path) == path.name.removesuffix(_SUFFIX):
            return True
        aside = path.with_name(f"damaged-{path.name}")
        path.replace(aside)
        logger.error("A mask of a reviewer was changed on the disk; it lies in %s", aside.name)
        return False

    def _path(self, sha256: str) -> Path:
        if not _HASH.fullmatch(sha256):
            raise RequestError(
                "bad_identifier",
                f"{sha256[:80]!r} is no SHA-256 hash.",
                "Give 64 lower-case hexadecimal digits.",
            )
        return self._folder / f"{sha256}{_SUFFIX}"


def _check(path: Path, stored_result: StoredResult) -> None:
    try:
        # The grid first: a small packed file may claim to hold anything.
        mask = nib.load(path)
        require_grid(mask.shape, mask.affine, stored_result)
        voxels, _ = read_mask(path)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise RequestError(
            "unreadable_image", f"The mask cannot be read: {error}.", "Send a .nii.gz file."
        ) from error
    require_binary(voxels)
