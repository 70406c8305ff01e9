"""The common space of a support set: every study is brought there, every map back from there.

The frame lies on the first support study, cropped to its foreground. A study is aligned to it by
laying the foreground boxes upon each other, so that slices match by relative position along the
body, and, where registration is wanted, by an affine registration that starts from there. All
slices of all studies then share one grid: slice 40 of one is at the place of slice 40 of another.
"""

from dataclasses import dataclass
from functools import cached_property

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.files import hash_bytes
from d24fad_core.support.profile import StudyProfile
from d24fad_core.support.registration import correlation, register_affinely, register_roughly
from d24fad_core.volumes.preprocessing import (
    Normalisation,
    find_foreground,
    intensity_range,
)
from d24fad_core.volumes.slices import SliceStack, cut_slices, normalisation_of
from d24fad_core.volumes.volume import Plane, Volume, spacing_of

FRAME_SCHEMA = 1
"""Raised whenever `make_frame` makes another frame of the same study: kept ones are then void."""

_MARGIN = 1.06
_REGISTRATION_MM = 4.0
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Frame:
    """The common space.

    Attributes:
        shape: voxels along right, anterior and superior.
        affine: 4x4 matrix from voxel index to RAS mm, in the world of the first support study.
        centre: canonical voxel index, in the frame, of the centre of the first study's foreground.
        size: size of that foreground's box in voxels of the frame.
        coarse: the first study at about 4 mm, which others are registered to.
        content_hash: changes whenever any of the above does.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]
    coarse: sitk.Image
    content_hash: str

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        first, second, third = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(first), float(second), float(third)


@dataclass(frozen=True, eq=False)
class AlignedStudy:
    """A study in the frame.

    Attributes:
        volume: the study, resampled onto the frame's grid.
        to_study: transform from points of the frame to points of the study, LPS mm.
        profile: what of it is compared as a whole.
        ct_window: window that CT is seen in.
    """

    volume: Volume
    to_study: sitk.Transform
    profile: StudyProfile
    ct_window: str

    @cached_property
    def normalisation(self) -> Normalisation:
        """Its foreground and limits of intensity, found once for all planes.

        Raises:
            InputError: the study has no foreground in the frame.
        """
        return normalisation_of(self.volume, self.ct_window)

    def slices(self, plane: Plane, image_size: int) -> SliceStack:
        """Its normalised slices in one plane.

        Args:
            plane: plane to slice in.
            image_size: pixels a side.

        Raises:
            InputError: the study has no foreground in the frame.
        """
        return cut_slices(self.volume, self.normalisation, plane, image_size)

    @property
    def similarity(self) -> float:
        """Correlation with the frame's own study at about 4 mm; 1 for the same."""
        return self.profile.similarity


@dataclass(frozen=True, eq=False)
class _Body:
    """Foreground box of a study in RAS order, and the intensities that matter."""

    affine: NDArray[np.float64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]
    limits: tuple[float, float]

    @property
    def spacing(self) -> NDArray[np.float64]:
        spacing: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing


def make_frame(study: Volume, image_size: int, ct_window: str) -> Frame:
    """Make the common space from the first study of a support set.

    Voxels are as large as the network's pixels, or as the study's own where those are larger, so
    that work does not grow with the resolution of the scan.

    Args:
        study: the first support study.
        image_size: pixels a side that the network will see.
        ct_window: window that CT is seen in.

    Raises:
        InputError: the study has no foreground.
    """
    body = _find_body(study, ct_window)
    pixel = float((body.size * body.spacing).max()) * _MARGIN / image_size
    return _frame(study, body, pixel, ct_window)


def make_frame_of_voxels(study: Volume, voxel_mm: float, ct_window: str) -> Frame:
    """Make the common space with voxels of a given size, or the study's own where those are larger.

    Args:
        study: the first support study.
        voxel_mm: side of a voxel in mm.
        ct_window: window that CT is seen in.

    Raises:
        InputError: the study has no foreground.
    """
    return _frame(study, _find_body(study, ct_window), voxel_mm, ct_window)


def _frame(study: Volume, body: "_Body", voxel_mm: float, ct_window: str) -> Frame:
    steps = np.maximum(voxel_mm / body.spacing, 1.0)
    shape = np.ceil(body.size * _MARGIN / steps).astype(int)
    to_body = np.diag([*steps, 1.0])
    to_body[:3, 3] = body.centre - (shape - 1) / 2.0 * steps
    return Frame(
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        affine=body.affine @ to_body,
        centre=(shape - 1) / 2.0,
        size=body.size / steps,
        coarse=_coarse(study, body),
        content_hash=hash_bytes(
            study.content_hash.encode(), ct_window.encode(), repr(shape.tolist()).encode()
        ),
    )


def align(
    study: Volume, frame: Frame, ct_window: str, *, register: bool, roughly: bool = False
) -> AlignedStudy:
    """Bring a study into the frame.

    Registration maximises the correlation of intensities (the studies of a support set are of one
    kind) and is deterministic; where it ends worse than the boxes did, the boxes stay.

    Args:
        study: any.
        frame: the common space.
        ct_window: window that CT is seen in.
        register: align it by affine registration; otherwise its box is laid upon the frame's.
        roughly: register at half the resolution alone.

    Raises:
        InputError: the study has no foreground.
    """
    body = _find_body(study, ct_window)
    coarse = _coarse(study, body)
    transform = _box_transform(body, frame)
    similarity = correlation(frame.coarse, coarse, transform)
    if register:
        registering = register_roughly if roughly else register_affinely
        registered = registering(frame.coarse, coarse, transform)
        reached = -1.0 if registered is None else correlation(frame.coarse, coarse, registered)
        if registered is not None and reached > similarity:
            transform, similarity = registered, reached
    resampled = sitk.Resample(
        to_simpleitk(study.array, study.affine),
        grid_image(frame.shape, frame.affine),
        transform,
        sitk.sitkLinear,
        float(study.array.min()),
    )
    volume = Volume(
        from_simpleitk(resampled), frame.affine, study.modality, study.name, study.modality_source
    )
    profile = _profile(body, coarse, frame, transform, similarity)
    return AlignedStudy(volume, transform, profile, ct_window)


def _profile(
    body: _Body,
    coarse: sitk.Image,
    frame: Frame,
    to_study: sitk.Transform,
    similarity: float,
) -> StudyProfile:
    first, second, third = body.size * body.spacing
    return StudyProfile(
        spacing_mm=spacing_of(body.affine),
        extent_mm=(float(first), float(second), float(third)),
        similarity=similarity,
        picture=_warped(frame.coarse, coarse, to_study),
        picture_spacing_mm=frame.coarse.GetSpacing(),
    )


def to_source(
    heatmap: NDArray[np.float32], frame: Frame, aligned: AlignedStudy, source: Volume
) -> NDArray[np.float32]:
    """Bring a map from the frame onto the grid of its study; 0 beyond the frame.

    Args:
        heatmap: (X, Y, Z) on the frame's grid.
        frame: the common space.
        aligned: from `align`.
        source: the study as read.
    """
    resampled = sitk.Resample(
        to_simpleitk(heatmap, frame.affine),
        grid_image(source.shape, source.affine),
        aligned.to_study.GetInverse(),
        sitk.sitkLinear,
        0.0,
    )
    return from_simpleitk(resampled)


def _find_body(study: Volume, ct_window: str) -> _Body:
    orientation = nibabel.orientations.io_orientation(study.affine)
    canonical = nibabel.orientations.apply_orientation(study.array, orientation)
    affine = study.affine @ nibabel.orientations.inv_ornt_aff(orientation, study.shape)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    foreground = find_foreground(
        canonical, (sizes[0], sizes[1], sizes[2]), study.modality, study.name
    )
    first, last = np.array(foreground.first), np.array(foreground.last)
    return _Body(
        affine=affine,
        centre=(first + last) / 2.0,
        size=last - first + 1.0,
        limits=intensity_range(canonical, foreground, study.modality, ct_window),
    )


def _box_transform(body: _Body, frame: Frame) -> sitk.AffineTransform:
    """The transform from frame to study that lays the frame's foreground box on the study's."""
    scaling = np.diag([*(body.size / frame.size), 1.0])
    scaling[:3, 3] = body.centre - scaling[:3, :3] @ frame.centre
    world = _LPS @ body.affine @ scaling @ np.linalg.inv(frame.affine) @ _LPS
    centre = _LPS @ frame.affine @ np.array([*frame.centre, 1.0])
    transform = sitk.AffineTransform(3)
    # A centre inside the body keeps rotation and translation apart for the optimiser.
    transform.SetCenter(centre[:3].tolist())
    transform.SetMatrix(world[:3, :3].flatten().tolist())
    transform.SetTranslation(((world @ centre) - centre)[:3].tolist())
    return transform


def _warped(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform
) -> NDArray[np.float32]:
    """(Z, Y, X) the values of one image at the voxels of another; 0 beyond it."""
    warped = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)
    values: NDArray[np.float32] = sitk.GetArrayFromImage(warped)
    return values


def _coarse(study: Volume, body: _Body) -> sitk.Image:
    """The study at about 4 mm, its window of intensities brought to 0 to 1."""
    low, high = body.limits
    ratio = np.maximum(np.round(_REGISTRATION_MM / np.array(study.spacing)), 1)
    factors = np.minimum(ratio, study.shape).astype(int)
    shrunk = sitk.BinShrink(to_simpleitk(study.array, study.affine), factors.tolist())
    return sitk.Clamp((shrunk - low) / (high - low), sitk.sitkFloat32, 0.0, 1.0)


def to_simpleitk(array: NDArray[np.float32], affine: NDArray[np.float64]) -> sitk.Image:
    """An array with its RAS affine as a SimpleITK image, which is LPS."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    return _placed(image, affine)


def grid_image(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> sitk.Image:
    """An empty image on a grid, with its RAS affine, for SimpleITK to resample onto."""
    return _placed(sitk.Image(list(shape), sitk.sitkUInt8), affine)


def _placed(image: sitk.Image, affine: NDArray[np.float64]) -> sitk.Image:
    lps = _LPS @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).flatten().tolist())
    return image


def from_simpleitk(image: sitk.Image) -> NDArray[np.float32]:
    """The voxels of a SimpleITK image, (I, J, K)."""
    array: NDArray[np.float32] = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    return array
