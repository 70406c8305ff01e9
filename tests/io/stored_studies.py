"""One array stored in every format that is read, on any grid."""

from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tests.io.dicom.dicom_builder import write_enhanced, write_series

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nifti(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    nibabel.Nifti1Image(array, affine).to_filename(folder / "study.nii")
    return folder / "study.nii"


def write_packed_nifti(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    nibabel.Nifti1Image(array, affine).to_filename(folder / "study.nii.gz")
    return folder / "study.nii.gz"


def write_itk(path: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    lps = LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path))
    return path


def write_nrrd(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    return write_itk(folder / "study.nrrd", array, affine)


def write_detached_nrrd(
    folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]
) -> Path:
    return write_itk(folder / "study.nhdr", array, affine)


def write_mha(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    return write_itk(folder / "study.mha", array, affine)


def write_mhd(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    return write_itk(folder / "study.mhd", array, affine)


def write_dicom(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    write_series(folder / "study", array, affine)
    return folder / "study"


def write_multi_frame(folder: Path, array: NDArray[np.int16], affine: NDArray[np.float64]) -> Path:
    write_enhanced(folder / "study.dcm", array, affine, [(1.0, 0.0)] * array.shape[2])
    return folder / "study.dcm"


WRITERS = [
    write_nifti,
    write_packed_nifti,
    write_nrrd,
    write_detached_nrrd,
    write_mha,
    write_mhd,
    write_dicom,
    write_multi_frame,
]


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Any scanner geometry: axes permuted and flipped, oblique, anisotropic, anywhere."""
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    oblique = draw(st.booleans())
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() if oblique else np.eye(3)
    axes = axes[:, draw(st.permutations(range(3)))]
    axes = axes * [draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = axes * [draw(st.floats(0.3, 8.0)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-400, 400)) for _ in range(3)]
    return affine
