"""Pairs of scans of one person, with lesions planted that are new, grown, shrunk, gone or stable.

Both scans come from one real scan. The second is turned by about 3 degrees, has other slices, gain,
bias field and noise, and is bent by a fraction of a millimetre, as gradients and age do.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.result import ChangeKind
from d24fad_core.simulation.anatomy import smooth_field
from d24fad_core.simulation.lesions import lesion_blob
from d24fad_core.support.frame import from_simpleitk, grid_image, to_simpleitk
from d24fad_core.volumes.volume import Modality, Volume

SLICES_MM = (1.0, 1.5, 2.0, 3.0)
TURN_DEGREES = 3.0
SHIFT_MM = 4.0
BEND_MM = 0.25
_BEND_CORRELATION_MM = 30.0
_LATTICE_MM = 6.0
_BIAS = 0.08
_BIAS_CORRELATION_MM = 50.0
_GAIN = (0.6, 1.6)
_NOISE = (0.015, 0.035)
_DARKER = (0.25, 0.5)
_EDGE_MM = 0.8
_RADII_MM = (3.0, 7.0)
_SMALL_RADII_MM = (1.5, 2.8)
_APART_MM = 6.0


@dataclass(frozen=True, eq=False)
class PlantedLesion:
    """A lesion and what became of it.

    Attributes:
        kind: what became of it.
        mask: (I, J, K) boolean on the grid of the case, where it is or was.
        changed: what of that changed.
        volume_ml: in the case.
        prior_volume_ml: in the prior.
    """

    kind: ChangeKind
    mask: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    volume_ml: float
    prior_volume_ml: float

    @property
    def changed_ml(self) -> float:
        """Volume that changed."""
        return abs(self.volume_ml - self.prior_volume_ml)


@dataclass(frozen=True, eq=False)
class SimulatedPair:
    """A pair and the truth about it."""

    case: Volume
    prior: Volume
    lesions: tuple[PlantedLesion, ...]


_CHANGED = (
    *(ChangeKind.NEW,) * 3,
    *(ChangeKind.GROWN,) * 2,
    ChangeKind.SHRUNK,
    ChangeKind.GONE,
    *(ChangeKind.STABLE,) * 2,
)
_UNCHANGED = (ChangeKind.STABLE,) * 4


def simulate_pair(person: Volume, seed: int, *, changed: bool) -> SimulatedPair:
    """Simulate two scans of a person.

    Args:
        person: a real scan of a brain in T1, 0 outside.
        seed: drives lesions and scans.
        changed: whether anything changed; the lesions are all stable otherwise.
    """
    rng = np.random.default_rng(seed)
    before, now = person.array.copy(), person.array.copy()
    occupied = np.zeros(person.shape, dtype=bool)
    lesions = []
    for number, kind in enumerate(_CHANGED if changed else _UNCHANGED):
        small = kind is ChangeKind.NEW and number == 0
        lesion = _plant(person, before, now, occupied, kind, rng, small=small)
        if lesion is not None:
            lesions.append(lesion)
    case = _scan(person, now, rng, slices_mm=None)
    prior = _scan(person, before, rng, slices_mm=float(rng.choice(SLICES_MM)))
    return SimulatedPair(case, prior, tuple(lesions))


def _plant(
    person: Volume,
    before: NDArray[np.float32],
    now: NDArray[np.float32],
    occupied: NDArray[np.bool_],
    kind: ChangeKind,
    rng: np.random.Generator,
    *,
    small: bool,
) -> PlantedLesion | None:
    """Plant a lesion into one or both scans; None where there is no room."""
    large = rng.uniform(*(_SMALL_RADII_MM if small else _RADII_MM))
    # Half to a fifth of the volume remains.
    little = large * rng.uniform(0.55, 0.8)
    radii = {
        ChangeKind.NEW: (0.0, large),
        ChangeKind.GROWN: (little, large),
        ChangeKind.SHRUNK: (large, little),
        ChangeKind.GONE: (large, 0.0),
        ChangeKind.STABLE: (large, large),
    }[kind]
    spacing = np.array(person.spacing)
    brain = person.array > 0
    depth = ndimage.distance_transform_edt(brain & ~occupied, sampling=spacing)
    smooth = ndimage.gaussian_filter(person.array, 1.5 / spacing)
    white = smooth > np.percentile(person.array[brain], 60.0)
    places = np.flatnonzero(white & (depth > large + _APART_MM))
    if not len(places):
        return None
    centre = np.array(np.unravel_index(rng.choice(places), person.shape))
    level = float(smooth[tuple(centre)]) * (1.0 - rng.uniform(*_DARKER))
    outline = int(rng.integers(2**31))
    masks = []
    for array, radius in zip((before, now), radii, strict=True):
        mask = np.zeros(person.shape, dtype=bool)
        if radius > 0:
            same = np.random.default_rng(outline)
            box, blob = lesion_blob(centre, radius, _EDGE_MM, spacing, person.shape, same)
            blob *= brain[box]
            # Texture stays, weaker.
            array[box] += blob * (level - array[box]) * np.float32(0.85)
            mask[box] = blob >= 0.5
        masks.append(mask)
    union = masks[0] | masks[1]
    occupied |= union
    return PlantedLesion(
        kind,
        union,
        masks[0] ^ masks[1],
        float(np.count_nonzero(masks[1])) * person.voxel_ml,
        float(np.count_nonzero(masks[0])) * person.voxel_ml,
    )


def _scan(
    person: Volume, truth: NDArray[np.float32], rng: np.random.Generator, slices_mm: float | None
) -> Volume:
    """Scan a head; a second scan has slices of its own and lies otherwise."""
    spacing = np.array(person.spacing)
    brain = (person.array > 0).astype(np.float32)
    affine, shape, transform = person.affine, person.shape, sitk.Transform(3, sitk.sitkIdentity)
    if slices_mm is not None:
        slices = max(slices_mm, float(spacing[2]))
        steps = np.array([1.0, 1.0, slices / spacing[2]])
        sigma = np.sqrt(max(slices**2 - spacing[2] ** 2, 0.0) / 12.0) / spacing[2]
        truth = ndimage.gaussian_filter1d(truth, sigma, 2) if sigma > 0 else truth
        lengths = np.floor(np.array(shape) / steps).astype(int)
        shape = (int(lengths[0]), int(lengths[1]), int(lengths[2]))
        affine = person.affine @ np.diag([*steps, 1.0])
        transform = _moved(person, rng)
    seen, inside = (
        from_simpleitk(
            sitk.Resample(
                to_simpleitk(part, person.affine),
                grid_image(shape, affine),
                transform,
                sitk.sitkBSpline if part is truth else sitk.sitkLinear,
                0.0,
            )
        )
        for part in (truth, brain)
    )
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    seen = np.maximum(seen, 0.0) * _bias(shape, sizes, rng) * np.float32(rng.uniform(*_GAIN))
    bright = float(np.percentile(seen[inside > 0.5], 90))
    deviation = bright * rng.uniform(*_NOISE)
    real, imaginary = rng.normal(0.0, deviation, (2, *shape)).astype(np.float32)
    noisy = np.hypot(seen + real, imaginary)
    array = np.where(inside > 0.5, np.maximum(noisy, 1e-3), 0.0).astype(np.float32)
    return Volume(array, affine, Modality.MR, person.name)


def _moved(person: Volume, rng: np.random.Generator) -> sitk.Transform:
    """How the patient lies in the second scan: turned, shifted and slightly bent."""
    middle = person.affine @ np.array([*((np.array(person.shape) - 1) / 2), 1.0])
    centre = (middle[:3] * [-1, -1, 1]).tolist()
    axis = rng.normal(size=3)
    turn = sitk.VersorRigid3DTransform()
    turn.SetCenter(centre)
    turn.SetRotation((axis / np.linalg.norm(axis)).tolist(), np.radians(TURN_DEGREES))
    turn.SetTranslation(rng.uniform(-SHIFT_MM, SHIFT_MM, 3).tolist())
    extent = np.array(person.shape) * person.spacing
    lattice = tuple(int(length) for length in np.ceil(extent / _LATTICE_MM) + 1)
    field = np.stack(
        [
            BEND_MM * smooth_field(rng, lattice, _BEND_CORRELATION_MM / _LATTICE_MM)
            for _ in range(3)
        ],
        axis=-1,
    )
    image = sitk.GetImageFromArray(field.transpose(2, 1, 0, 3).astype(np.float64), isVector=True)
    placed = grid_image(
        (lattice[0], lattice[1], lattice[2]),
        person.affine @ np.diag([*(_LATTICE_MM / np.array(person.spacing)), 1.0]),
    )
    image.CopyInformation(placed)
    return sitk.CompositeTransform([sitk.DisplacementFieldTransform(image), turn])


def _bias(
    shape: tuple[int, int, int], sizes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    lattice = tuple(int(length) for length in np.ceil(np.array(shape) * sizes / _LATTICE_MM) + 2)
    field = smooth_field(rng, lattice, _BIAS_CORRELATION_MM / _LATTICE_MM / 2)
    places = np.meshgrid(
        *(np.arange(n) * s / _LATTICE_MM for n, s in zip(shape, sizes, strict=True)),
        indexing="ij",
    )
    fine = ndimage.map_coordinates(field, places, order=1, mode="nearest")
    bias: NDArray[np.float32] = np.exp(_BIAS * fine).astype(np.float32)
    return bias
