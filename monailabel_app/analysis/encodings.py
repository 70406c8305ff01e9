"""Masks and heatmaps in the file types and number types that clients ask for."""

import gzip
import math
import zlib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.rank_map import label_findings
from d24fad_core.detection.result import Finding
from d24fad_core.files import whole_file
from monailabel_app.failures import RequestError

MASK_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


class Encoding(str, Enum):
    """Number types that heatmaps are written in."""

    UINT8 = "uint8"
    INT16 = "int16"
    FLOAT32 = "float32"


_FINEST_STEP = {Encoding.UINT8: 0.1, Encoding.INT16: 0.01}
_READ_BYTES = 1 << 20
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_heatmap(
    scores: NDArray[np.float32], affine: NDArray[np.float64], path: Path, encoding: Encoding
) -> None:
    """Write a heatmap as NIfTI, as it is or scaled to integers.

    Scaled, a score is `stored * scl_slope`. The steps are the same in every case, 0.1 z with 8 bits
    and 0.01 z with 16, as long as they reach the highest score; coarser beyond. Eight bits
    are for looking: what is less anomalous than the normals, below 0, is stored as 0.

    Args:
        scores: shape (I, J, K), z units.
        affine: 4x4, voxel index to RAS mm.
        path: ends in `.nii.gz`.
        encoding: number type of the file.
    """
    array: NDArray[Any] = scores.astype(np.float32, copy=False)
    slope = 1.0
    if encoding is not Encoding.FLOAT32:
        integers = np.iinfo(encoding.value)
        reach = float(scores.max()) if integers.min == 0 else float(np.abs(scores).max())
        slope = max(_FINEST_STEP[encoding], reach / integers.max)
        array = np.rint(scores / np.float32(slope)).clip(integers.min, integers.max)
        array = array.astype(encoding.value)
    image = nib.Nifti1Image(array, affine)
    image.header.set_data_dtype(array.dtype)
    # nibabel leaves integers as they are and writes the slope beside them.
    image.header.set_slope_inter(slope, 0.0)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"D24FAD anomaly score, z. {RESEARCH_USE_ONLY}"
    with whole_file(path) as temporary:
        nib.save(image, temporary)


def read_scores(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The scores and the affine of a heatmap file, the scaling undone.

    Raises:
        OSError: it is damaged.
    """
    image = _read_to_end(path)
    return np.asanyarray(image.dataobj).astype(np.float32), image.affine


def read_mask(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The voxels and the affine of a mask file.

    Raises:
        RequestError: a voxel is no whole number from 0 to 255; none is rounded or wrapped.
        OSError: it is damaged.
    """
    image = _read_to_end(path)
    return whole_numbers(np.asanyarray(image.dataobj)), image.affine


def _read_to_end(path: Path) -> Any:
    """A NIfTI image whose packed bytes are those that were written; nibabel stops before their
    checksum.
    """
    try:
        image = nib.load(path)
        if not path.name.lower().endswith(".gz"):
            return image
        left = image.dataobj.offset + math.prod(image.shape) * image.get_data_dtype().itemsize
        with gzip.open(path) as stream:
            # A byte more than there should be: the checksum is compared at the end alone.
            while left >= 0 and (part := stream.read(min(left + 1, _READ_BYTES))):
                left -= len(part)
    except (EOFError, zlib.error) as error:
        raise OSError(f"{path.name} is cut off or damaged") from error
    if left:
        raise OSError(f"{path.name} does not end where its voxels do")
    return image


def whole_numbers(voxels: NDArray[Any]) -> NDArray[np.uint8]:
    """Voxels as uint8, where that changes none of them.

    Raises:
        RequestError: it would change one.
    """
    if voxels.dtype.kind in "biuf":
        with np.errstate(invalid="ignore"):
            cast = voxels.astype(np.uint8)
        lost = voxels[cast != voxels]
        if not lost.size:
            return cast
        what = f"voxels of {', '.join(f'{float(value):g}' for value in np.unique(lost)[:3])}"
    else:
        what = f"voxels of the type {voxels.dtype}"
    raise RequestError(
        "unsuitable_image",
        f"The mask has {what}.",
        "Send whole numbers: 1 inside what is marked, 0 outside.",
    )


def require_binary(voxels: NDArray[np.uint8]) -> None:
    """Refuse a mask that says more than inside and outside.

    Raises:
        RequestError: a voxel is neither 0 nor 1.
    """
    others = np.setdiff1d(voxels, (0, 1))
    if others.size:
        raise RequestError(
            "unsuitable_image",
            f"The mask has voxels of {', '.join(map(str, others[:3].tolist()))}.",
            "Send one label: 1 inside what is marked, 0 outside.",
        )


def label_volume(
    mask: Path, findings: Sequence[Finding]
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """The rank of the finding that each voxel belongs to, 0 outside all, and the affine."""
    voxels, affine = read_mask(mask)
    return label_findings(voxels, findings), affine


def check_suffix(suffix: str) -> None:
    """Refuse a file type that masks are not written in.

    Raises:
        RequestError: the ending is none of `MASK_SUFFIXES`.
    """
    if suffix not in MASK_SUFFIXES:
        raise RequestError(
            "bad_request",
            f"'result_extension' is {suffix[:20]!r}.",
            f"It must be one of {', '.join(MASK_SUFFIXES)}.",
        )


def check_labels(path: Path) -> None:
    """Refuse a file that is no image; an empty mask is one.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise RequestError(
            "unreadable_image", "The label cannot be read as an image.", "Send a whole file."
        ) from error


def write_labels(labels: NDArray[Any], affine: NDArray[np.float64], path: Path) -> None:
    """Write a mask or label volume; the path ends in one of `MASK_SUFFIXES`, which is its type."""
    if path.name.endswith((".nii.gz", ".nii")):
        image = nib.Nifti1Image(labels, affine)
        image.header.set_xyzt_units("mm")
        with whole_file(path) as temporary:
            nib.save(image, temporary)
        return
    lps = _RAS_TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    picture = SimpleITK.GetImageFromArray(labels.transpose())
    picture.SetSpacing(spacing.tolist())
    picture.SetOrigin(lps[:3, 3].tolist())
    picture.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    with whole_file(path) as temporary:
        # OHIF's NRRD reader takes no compressed files.
        SimpleITK.WriteImage(picture, str(temporary), useCompression=False)
