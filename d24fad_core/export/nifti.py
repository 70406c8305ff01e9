"""The heatmap and the mask as NIfTI files on the grid of the source."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.files import whole_file
from d24fad_core.io.own_results import DESCRIPTION

# Scores are noise to gzip: higher levels cost many times the time and save a few per cent.
_COMPRESSION_LEVEL = 1
_QFORM_TOLERANCE_MM = 1e-3


def write_heatmap(result: AnomalyResult, path: Path) -> None:
    """Write the heatmap as float32 NIfTI, unscaled, shape and affine of the source.

    Its header says that these are z scores, and that a viewer should colour them from the threshold
    to the end of the scale that the picture has.

    Of a source that was reduced, each voxel gets the score of its block; no more than a slice of
    it is held.

    Args:
        result: the analysis to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    scale = ColourScale.above(result.calibration.threshold)
    heatmap = result.heatmap.astype(np.float32, copy=False)
    display_range = (scale.threshold, scale.maximum)
    _write(result, heatmap, "anomaly score, z", path, intent="z score", display_range=display_range)


def write_mask(result: AnomalyResult, path: Path) -> None:
    """Write the mask as uint8 NIfTI, 1 where a finding is, shape and affine of the source.

    Args:
        result: the analysis to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    _write(result, result.mask.astype(np.uint8, copy=False), "findings, 0/1", path)


def write_ranks(result: AnomalyResult, path: Path) -> None:
    """Write the findings as labels, the rank of each, shape and affine of the source.

    uint8, or uint16 beyond 255 findings; 0 outside all. Viewers show it as a segmentation.

    Args:
        result: the analysis to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    ranks = result.ranks
    if len(result.findings) <= np.iinfo(np.uint8).max:
        ranks = ranks.astype(np.uint8)
    _write(result, ranks, "findings, by rank", path, intent="label")


def write_change_map(change: ChangeResult, path: Path) -> None:
    """Write the map of changes as float32 NIfTI: signed z, above 0 where the case is brighter.

    Args:
        change: the comparison to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    reach = 2.0 * change.threshold
    display_range = (-reach, reach)
    header = _header(change.heatmap.dtype, change.heatmap.shape, change.affine, "change, z")
    _write_slices(header, iter(np.moveaxis(change.heatmap, 2, 0)), path, "z score", display_range)


def _write(
    result: AnomalyResult,
    array: NDArray[Any],
    description: str,
    path: Path,
    *,
    intent: str = "none",
    display_range: tuple[float, float] = (0.0, 0.0),
) -> None:
    reduction = result.reduction
    if reduction is None:
        header = _header(array.dtype, array.shape, result.affine, description)
        slices = iter(np.moveaxis(array, 2, 0))
    else:
        header = _header(array.dtype, reduction.shape, reduction.affine, description)
        slices = reduction.source_slices(array)
    _write_slices(header, slices, path, intent, display_range)


def _write_slices(
    header: nib.Nifti1Header,
    slices: Iterator[NDArray[Any]],
    path: Path,
    intent: str,
    display_range: tuple[float, float],
) -> None:
    header.set_intent(intent)
    header["cal_min"], header["cal_max"] = display_range
    with ExitStack() as stack:
        stream: BinaryIO = stack.enter_context(stack.enter_context(whole_file(path)).open("wb"))
        if path.suffix == ".gz":
            # Without name and time in its header, equal results are equal files.
            packed = gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, stream, mtime=0)
            stream = cast(BinaryIO, stack.enter_context(packed))
        header.write_to(stream)
        for each in slices:
            stream.write(each.tobytes(order="F"))


def _header(
    dtype: np.dtype[Any], shape: tuple[int, ...], affine: NDArray[np.float64], description: str
) -> nib.Nifti1Header:
    image = nib.Nifti1Image(np.broadcast_to(np.zeros((), dtype), shape), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"{DESCRIPTION} {description}. {RESEARCH_USE_ONLY}"
    image.header.set_slope_inter(1.0, 0.0)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    if _largest_deviation_mm(image.get_qform(), affine, shape) > _QFORM_TOLERANCE_MM:
        # The float32 quaternion is coarse for rotations near 180 degrees and knows no shear; a
        # reader that prefers the qform would be misled, so it is marked as unknown.
        image.set_qform(None, code="unknown")
    return image.header


def _largest_deviation_mm(
    affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]
) -> float:
    """Largest distance between the places that two affines give the corners of a grid."""
    corners = np.stack(np.meshgrid(*((0, length - 1) for length in shape)), axis=-1).reshape(-1, 3)
    moved = corners @ (affine - other)[:3, :3].T + (affine - other)[:3, 3]
    return float(np.linalg.norm(moved, axis=1).max())
