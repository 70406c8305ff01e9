"""The analysis of a case as the panel shows it: findings, slice scores, support shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .changes import Box, Change, SincePrior, read_box
from .records import Document, malformed, number, text


@dataclass(frozen=True)
class Finding:
    """A region that stands out from the normal studies.

    Attributes:
        rank: 1 for the finding with the highest peak score.
        volume_ml: volume in ml.
        peak_score: highest score inside, in z units.
        peak_ras_mm: where it is, RAS, mm.
        slice_range: first and last slice touched, inclusive.
        region: name of the lobe, structure or organ it is in; empty where that is not known.
        nearest_normal: name of the support study that is most like the case there; empty where
            that is not known.
        box: first and last voxel (i, j, k) of the image as the server read it; None where the
            report does not say.
    """

    rank: int
    volume_ml: float
    peak_score: float
    peak_ras_mm: tuple[float, float, float]
    slice_range: tuple[int, int]
    region: str = ""
    nearest_normal: str = ""
    box: Box | None = None

    @classmethod
    def read(cls, document: Document) -> Finding:
        """Read it from a report.

        Raises:
            ExplainedError: the report lacks one of its parts.
        """
        peak = document.get("peak_ras_mm")
        first_last = document.get("slice_range")
        if not isinstance(peak, list) or len(peak) != 3:
            raise malformed("a finding has no position")
        if not isinstance(first_last, list) or len(first_last) != 2:
            raise malformed("a finding has no range of slices")
        return cls(
            rank=int(number(document, "rank")),
            volume_ml=number(document, "volume_ml"),
            peak_score=number(document, "peak_score"),
            peak_ras_mm=(float(peak[0]), float(peak[1]), float(peak[2])),
            slice_range=(int(first_last[0]), int(first_last[1])),
            region=_region(document.get("place")),
            nearest_normal=str(document.get("nearest_normal") or ""),
            box=read_box(document.get("bounding_box")),
        )

    @property
    def place(self) -> str:
        """The position of the peak in a radiologist's words, e.g. `L 12  A 34  S 5 mm`."""
        names = (("R", "L"), ("A", "P"), ("S", "I"))
        parts = []
        for axis, value in enumerate(self.peak_ras_mm):
            positive, negative = names[axis]
            parts.append(f"{positive if round(value) >= 0 else negative} {abs(round(value))}")
        return "  ".join(parts) + " mm"


def _region(document: object) -> str:
    """The region with the largest share, with its side; servers of earlier versions name none."""
    if not isinstance(document, dict):
        return ""
    words = [document.get("side"), document.get("region")]
    name = " ".join(word for word in words if isinstance(word, str))
    return name if document.get("certain") is True else f"{name}?"


@dataclass(frozen=True)
class SupportShare:
    """A support study and the share that learn-to-weight gave it in a result."""

    name: str
    content_hash: str
    share: float


@dataclass(frozen=True)
class Analysis:
    """A result of the server, without its volumes.

    Attributes:
        result: the result's id on the server; the same id means the same content.
        image: the image's id on the server.
        support_set: the support set used, if it was a named one.
        case_score: one score for the whole study, z units.
        threshold: score above which a voxel belongs to a finding, z units.
        statement: what the calibration can and cannot certify.
        slice_axis: axis of the (I, J, K) array that the slices are stacked along.
        slice_scores: one score for each slice, z units.
        findings: by rank.
        warnings: reasons to doubt the result, a sentence with its remedy each.
        shares: the supports, by falling share.
        affine: 4x4 matrix from voxel index to RAS mm of the image as the server read it.
        shape: voxels along I, J and K.
        document: the server's answer as it came, for the scene.
        since_prior: the comparison with a prior; None where there was none.
        case_sentence: how the case score stands among the normals, in the server's words; empty
            from a server that is too old to say it.
    """

    result: str
    image: str
    support_set: str | None
    case_score: float
    threshold: float
    statement: str
    slice_axis: int
    slice_scores: tuple[float, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    shares: tuple[SupportShare, ...]
    affine: tuple[tuple[float, ...], ...]
    shape: tuple[int, int, int]
    document: Document = field(compare=False, repr=False)
    since_prior: SincePrior | None = None
    case_sentence: str = ""

    @classmethod
    def read(cls, document: Document) -> Analysis:
        """Read it from a result of the server.

        Raises:
            ExplainedError: the result lacks one of its parts.
        """
        report = document.get("report")
        if not isinstance(report, dict):
            raise malformed("a result has no report")
        calibration = report.get("calibration") or {}
        geometry = report.get("geometry") or {}
        affine = tuple(tuple(float(v) for v in row) for row in geometry.get("affine") or ())
        shape = tuple(int(v) for v in geometry.get("shape") or ())
        if len(affine) != 4 or len(shape) != 3:
            raise malformed("a report has no geometry")
        supports = (report.get("provenance") or {}).get("supports") or []
        shares = [
            SupportShare(str(s.get("name")), str(s.get("content_hash")), float(s.get("share", 0)))
            for s in supports
        ]
        return cls(
            result=text(document, "id"),
            image=text(document, "image"),
            support_set=document.get("support_set"),
            case_score=number(report, "case_score"),
            threshold=number(calibration, "threshold"),
            statement=str(calibration.get("statement") or ""),
            slice_axis=int(number(report, "slice_axis")),
            slice_scores=tuple(float(score) for score in report.get("slice_scores") or ()),
            findings=tuple(
                sorted(
                    (Finding.read(finding) for finding in report.get("findings") or ()),
                    key=lambda finding: finding.rank,
                )
            ),
            warnings=tuple(
                f"{warning.get('sentence')} {warning.get('remedy')}"
                for warning in report.get("warnings") or ()
            ),
            shares=tuple(sorted(shares, key=lambda share: -share.share)),
            affine=affine,
            shape=(shape[0], shape[1], shape[2]),
            document=document,
            since_prior=SincePrior.read(report.get("change")),
            case_sentence=str(document.get("case_sentence") or ""),
        )

    def normal_for(self, rank: int | None) -> SupportShare | None:
        """The support study to see beside a finding.

        Args:
            rank: of the finding; None where none is selected.

        Returns:
            The one that is most like the case there; where that is not known, the one with the
            highest share; None of a result that names no support study.
        """
        named = {finding.nearest_normal for finding in self.findings if finding.rank == rank}
        nearest = next((share for share in self.shares if share.name in named), None)
        return nearest or (self.shares[0] if self.shares else None)

    def change_of(self, finding: Finding) -> Change | None:
        """What became of a finding since the prior; None where no change touches it."""
        return None if self.since_prior is None else self.since_prior.change_at(finding.box)

    def slice_centre_ras(self, index: int) -> tuple[float, float, float]:
        """The middle of a slice, RAS, mm."""
        voxel = [(size - 1) / 2 for size in self.shape]
        voxel[self.slice_axis] = float(index)
        position = np.asarray(self.affine) @ np.asarray([*voxel, 1.0])
        return float(position[0]), float(position[1]), float(position[2])

    @property
    def slice_axis_name(self) -> str:
        """The plane of the slices: sagittal, coronal or axial."""
        along = np.abs(np.asarray(self.affine)[:3, self.slice_axis])
        return ("sagittal", "coronal", "axial")[int(np.argmax(along))]

    @property
    def slice_ends(self) -> tuple[str, str]:
        """The sides of the patient that the first and the last slice lie at, e.g. I and S."""
        along = np.asarray(self.affine)[:3, self.slice_axis]
        axis = int(np.argmax(np.abs(along)))
        low, high = (("L", "R"), ("P", "A"), ("I", "S"))[axis]
        return (low, high) if along[axis] > 0 else (high, low)

    def slice_of(self, ras_mm: tuple[float, float, float]) -> int:
        """The slice nearest to a position, within the volume."""
        voxel = np.linalg.inv(np.asarray(self.affine)) @ np.asarray([*ras_mm, 1.0])
        last = self.shape[self.slice_axis] - 1
        return int(np.clip(round(float(voxel[self.slice_axis])), 0, last))


def regions_of(labels: NDArray[Any]) -> dict[int, NDArray[np.int64]]:
    """The voxels of each finding.

    Args:
        labels: rank of the finding of each voxel, shape (K, J, I); 0 for none.

    Returns:
        For each rank the voxels (k, j, i), in the order of the array.
    """
    voxels = np.argwhere(labels)
    ranks = labels[tuple(voxels.T)]
    return {int(rank): voxels[ranks == rank] for rank in np.unique(ranks)}
