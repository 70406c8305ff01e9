"""Where a place of an analysed image lies in each support study that it was compared with."""

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.files import write_text
from d24fad_core.io.known_studies import KnownStudies, volume_of
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.study_masks import StudyMasks
from d24fad_core.support.frame import Frame, align, make_frame
from d24fad_core.volumes.volume import Modality, Plane, Volume
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.studies.images import ImageCatalogue

Point = tuple[float, float, float]
"""A position, RAS, in mm."""

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class AlignedGrid:
    """A study's grid and how it lies in the frame of its support set.

    Attributes:
        image: image id.
        shape: voxels along each axis of the study's array.
        affine: 4x4 from voxel index to RAS mm.
        from_frame: 4x4 from RAS mm of the frame to RAS mm of the study.
    """

    image: str
    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]
    from_frame: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, study: Volume, frame: Frame, ct_window: str, *, register: bool) -> "AlignedGrid":
        """Align a study, which gives the same every time, and keep its place alone."""
        to_study = align(study, frame, ct_window, register=register).to_study
        ends = np.vstack([np.zeros(3), np.eye(3)])
        moved = np.array([to_study.TransformPoint(end.tolist()) for end in ends])
        matrix = np.eye(4)
        matrix[:3, :3] = (moved[1:] - moved[0]).T
        matrix[:3, 3] = moved[0]
        return cls(study.name, study.shape, _rows(study.affine), _rows(_LPS @ matrix @ _LPS))

    def voxel(self, place: Point) -> NDArray[np.float64]:
        """Continuous voxel index (3,) of a position."""
        index: NDArray[np.float64] = (np.linalg.inv(self.affine) @ [*place, 1.0])[:3]
        return index

    def position(self, voxel: Sequence[float]) -> Point:
        """Position of a continuous voxel index."""
        return _point(np.array(self.affine) @ [*voxel, 1.0])

    def contains(self, voxel: NDArray[np.float64]) -> bool:
        """Whether a continuous voxel index lies in the volume."""
        return bool(((voxel >= -0.5) & (voxel < np.array(self.shape) - 0.5)).all())

    def axis(self, plane: Plane) -> int:
        """The array's axis that slices of a plane are stacked along."""
        orientation = nibabel.orientations.io_orientation(np.array(self.affine))
        return int(np.flatnonzero(orientation[:, 0] == plane.axis)[0])


@dataclass(frozen=True)
class Alignment:
    """How the studies of an analysis lie to one another.

    Attributes:
        frame_shape: voxels of the common space; nothing beyond it was analysed.
        frame_affine: 4x4 from its voxel index to RAS mm.
        query: the analysed image.
        supports: the support studies, in the order of the result.
    """

    frame_shape: tuple[int, int, int]
    frame_affine: tuple[tuple[float, ...], ...]
    query: AlignedGrid
    supports: tuple[AlignedGrid, ...]

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Alignment":
        """From the plain values of `asdict`."""
        return cls(
            frame_shape=_three(document["frame_shape"]),
            frame_affine=_rows(document["frame_affine"]),
            query=_read_grid(document["query"]),
            supports=tuple(map(_read_grid, document["supports"])),
        )

    def query_to(self, support: AlignedGrid) -> NDArray[np.float64]:
        """4x4 from RAS mm of the query to RAS mm of a support study."""
        matrix: NDArray[np.float64] = np.array(support.from_frame) @ np.linalg.inv(
            self.query.from_frame
        )
        return matrix

    def match(self, place: Point, support: AlignedGrid) -> Point:
        """The place of a support study that a place of the query is compared with."""
        return _point(self.query_to(support) @ [*place, 1.0])

    def centre_of_slice(self, plane: Plane, index: int) -> Point:
        """The middle of the body in a slice of the query.

        Args:
            plane: which of the query's three stacks.
            index: slice of the query's own array.
        """
        middle = (np.array(self.frame_shape) - 1) / 2.0
        body = np.array(self.query.from_frame) @ self.frame_affine @ [*middle, 1.0]
        voxel = self.query.voxel(_point(body))
        voxel[self.query.axis(plane)] = index
        return self.query.position(voxel.tolist())

    def analysed(self, place: Point, plane: Plane) -> bool:
        """Whether the slice through a place of the query lies in the common space."""
        frame = np.array(self.query.from_frame) @ self.frame_affine
        index = (np.linalg.inv(frame) @ [*place, 1.0])[plane.axis]
        return bool(-0.5 <= index < self.frame_shape[plane.axis] - 0.5)


class Alignments:
    """Finds the alignment of a stored result and keeps it beside the result.

    Args:
        images: the studies of the server.
        cache: where masks and what is known of normal studies are kept; None where nothing can
            be kept.
    """

    def __init__(self, images: ImageCatalogue, cache: Path | None) -> None:
        self._images = images
        self._known = None if cache is None else KnownStudies(cache)
        self._cache = cache
        # One at a time, which bounds the memory; the second of two equal requests finds the file.
        self._lock = threading.Lock()

    def of(self, stored_result: StoredResult) -> Alignment:
        """The alignment that a result was made with.

        Registration is deterministic, so aligning again gives what the analysis had.

        Raises:
            RequestError: a study of the result is no longer there, or has changed.
        """
        with self._lock:
            alignment = _read_alignment(stored_result.alignment)
            if alignment is None:
                alignment = self._align(stored_result)
                write_text(stored_result.alignment, json.dumps(asdict(alignment)))
            return alignment

    def _align(self, stored_result: StoredResult) -> Alignment:
        record = stored_result.record
        query = self._images.study(record.image)
        supports = [self._images.study(image) for image in record.support]
        if (
            self._images.content_hash(query) != record.image_sha256
            or self._images.support_hash(supports) != record.support_hash
        ):
            raise RequestError(
                "studies_changed",
                f"The image or a support study of result '{record.id}' has changed since.",
                "Analyse the image again.",
            )
        options = record.options
        window, register = options["ct_window"], options["register"]
        modality = Modality(options["modality"]) if options["modality"] else None
        # Results of before there were masks do not name any.
        masks = StudyMasks(
            BrainMask(options.get("brain", BrainMask.NONE)),
            self._cache,
            strip_heads=record.compared_by is ComparisonKind.LEARNED,
        )
        normals = masks.mask_normals([study.source(self._known, modality) for study in supports])
        case = masks.mask_case(query.volume(modality), brains=masks.show_brains(normals))

        first = volume_of(normals[0])
        frame = make_frame(
            first, stored_result.report["provenance"]["parameters"]["image_size"], window
        )
        grids = [AlignedGrid.of(first, frame, window, register=register)]
        del first
        for study in (*normals[1:], case):
            grids.append(AlignedGrid.of(volume_of(study), frame, window, register=register))
        return Alignment(frame.shape, _rows(frame.affine), grids[-1], tuple(grids[:-1]))


def _read_alignment(path: Path) -> Alignment | None:
    """What was kept; None where it is absent or damaged, which only costs aligning again."""
    try:
        return Alignment.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _rows(matrix: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = values
    return first, second, third


def _point(homogeneous: Any) -> Point:
    return float(homogeneous[0]), float(homogeneous[1]), float(homogeneous[2])


def _read_grid(document: dict[str, Any]) -> AlignedGrid:
    return AlignedGrid(
        document["image"],
        _three(document["shape"]),
        _rows(document["affine"]),
        _rows(document["from_frame"]),
    )
