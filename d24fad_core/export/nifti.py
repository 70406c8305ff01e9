"""The heatmap and the mask as NIfTI files on the grid of the source."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.files import whole_file

# Scores are noise to gzip: higher levels cost many times the time and save a few per cent.
_COMPRESSION_LEVEL = 1
_QFORM_TOLERANCE_MM = 1e-3


def write_heatmap(result: AnomalyResult, path: Path) -> None:
    """Write the heatmap as float32 NIfTI, unscaled, shape and affine of the source.

    Args:
        result: the analysis to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    _write(result.heatmap.astype(np.float32, copy=False), result.affine, "anomaly score, z", path)


def write_mask(result: AnomalyResult, path: Path) -> None:
    """Write the mask as uint8 NIfTI, 1 where a finding is, shape and affine of the source.

    Args:
        result: the analysis to write.
        path: ends in `.nii` or `.nii.gz`; written whole or not at all.
    """
    _write(result.mask.astype(np.uint8, copy=False), result.affine, "findings, 0/1", path)


def _write(array: NDArray[Any], affine: NDArray[np.float64], description: str, path: Path) -> None:
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"D24FAD {description}. {RESEARCH_USE_ONLY}"
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    if _largest_deviation_mm(image.get_qform(), affine, array.shape) > _QFORM_TOLERANCE_MM:
        # The float32 quaternion is coarse for rotations near 180 degrees and knows no shear; a
        # reader that prefers the qform would be misled, so it is marked as unknown.
        image.set_qform(None, code="unknown")
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        if path.suffix != ".gz":
            image.to_stream(stream)
            return
        # Without name and time in its header, equal results are equal files.
        with gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, stream, mtime=0) as compressed:
            image.to_stream(compressed)


def _largest_deviation_mm(
    affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]
) -> float:
    """Largest distance between the places that two affines give the corners of a grid."""
    corners = np.stack(np.meshgrid(*((0, length - 1) for length in shape)), axis=-1).reshape(-1, 3)
    moved = corners @ (affine - other)[:3, :3].T + (affine - other)[:3, 3]
    return float(np.linalg.norm(moved, axis=1).max())
