"""The comparison with a prior that belongs to a stored result, as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from d24fad_core.change.result import Change, ChangeKind, ChangeResult, PriorUse
from d24fad_core.export.pictures.change_picture import write_change_picture
from d24fad_core.volumes.volume import Volume
from monailabel_app.analysis.encodings import Encoding, read_scores, write_heatmap, write_labels
from monailabel_app.failures import RequestError


@dataclass(frozen=True)
class StoredChange:
    """A comparison with a prior on disk, all volumes on the grid of the study.

    Attributes:
        heatmap: NIfTI, signed z in steps of 0.01.
        ranks: uint16 NIfTI, rank of the change that a voxel belongs to.
        prior: float32 NIfTI, the prior laid on the study, in its intensities.
        picture: PNG, prior and study side by side.
    """

    heatmap: Path
    ranks: Path
    prior: Path
    picture: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "StoredChange":
        """The names that the files have in the folder of a result."""
        return cls(
            folder / "change.nii.gz",
            folder / "changes.nii.gz",
            folder / "prior.nii.gz",
            folder / "changes.png",
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.heatmap, self.ranks, self.prior, self.picture)

    @property
    def is_whole(self) -> bool:
        """Whether all files are there."""
        return all(path.is_file() for path in self.files)


def write_change(query: Volume, change: ChangeResult, folder: Path) -> None:
    """Write what a comparison with a prior adds to a result.

    Args:
        query: the study.
        change: its comparison.
        folder: of the result.
    """
    files = StoredChange.in_folder(folder)
    write_heatmap(change.heatmap, change.affine, files.heatmap, Encoding.INT16)
    write_labels(change.ranks, change.affine, files.ranks)
    write_labels(change.prior, change.affine, files.prior)
    write_change_picture(query, change, files.picture)


def load_change(files: StoredChange, document: dict[str, Any]) -> ChangeResult:
    """Put a comparison together again; scores are rounded to 0.01 z.

    Warnings stand with those of the result.

    Args:
        files: of the comparison.
        document: what the report says of it.
    """
    heatmap, affine = read_scores(files.heatmap)
    use = document["prior"]
    return ChangeResult(
        heatmap=heatmap,
        ranks=np.asanyarray(nib.load(files.ranks).dataobj).astype(np.uint16),
        prior=read_scores(files.prior)[0],
        affine=affine,
        threshold=document["threshold"],
        changes=tuple(_read_change(each) for each in document["changes"]),
        use=PriorUse(**{**use, "to_prior": tuple(map(tuple, use["to_prior"]))}),
    )


def no_prior(result: str) -> RequestError:
    """The refusal of what a result without a prior does not have."""
    return RequestError(
        "no_prior",
        f"The result '{result}' was made without a prior.",
        "Analyse the image with the option 'prior', the id of an earlier study of the patient.",
    )


def _read_change(document: dict[str, Any]) -> Change:
    first, last = document["bounding_box"]
    tuples = {
        name: tuple(document[name]) for name in ("centroid_ras_mm", "peak_ras_mm", "peak_voxel")
    }
    kind = ChangeKind(document["kind"])
    return Change(
        **{**document, **tuples, "kind": kind, "bounding_box": (tuple(first), tuple(last))}
    )
