"""Every input that cannot be analysed, and a piece of the one sentence that says why.

Each builder puts the input into an empty folder and returns what the user would give.
"""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from tests.io.dicom.dicom_builder import change, new_image, write_series

AXIAL = np.diag([-0.8, -0.7, 3.0, 1.0])
VALUES = np.arange(5 * 4 * 6, dtype=np.int16).reshape(5, 4, 6)

Builder = Callable[[Path], Path]


def nifti(array: NDArray[np.generic], name: str = "study.nii.gz") -> Builder:
    def build(folder: Path) -> Path:
        nibabel.Nifti1Image(array, np.eye(4)).to_filename(folder / name)
        return folder / name

    return build


def itk(array: NDArray[np.generic], name: str, vector: bool = False) -> Builder:
    def build(folder: Path) -> Path:
        image = SimpleITK.GetImageFromArray(array, isVector=vector)
        SimpleITK.WriteImage(image, str(folder / name))
        return folder / name

    return build


def file(name: str, content: bytes) -> Builder:
    def build(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return build


def cut(build: Builder, share: float = 0.6) -> Builder:
    def build_cut(folder: Path) -> Path:
        path = build(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        return path

    return build_cut


def series(
    affine: NDArray[np.float64] = AXIAL, array: NDArray[np.int16] = VALUES, **options: object
) -> Builder:
    def build(folder: Path) -> Path:
        write_series(folder / "series", array, affine, **options)  # type: ignore[arg-type]
        return folder / "series"

    return build


def changed(index: int | None = None, **attributes: object) -> Builder:
    """A series in which one slice, or every slice, has other attributes."""

    def build(folder: Path) -> Path:
        paths = write_series(folder / "series", VALUES, AXIAL)
        for path in paths if index is None else paths[index : index + 1]:
            change(path, **attributes)
        return folder / "series"

    return build


def with_value(value: float) -> NDArray[np.float32]:
    array = VALUES.astype(np.float32)
    array[2, 2, 2] = value
    return array


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def folder_of_series(folder: Path) -> Path:
    write_series(folder / "patient" / "t1", VALUES, AXIAL)
    return folder / "patient"


def folder_of_files(folder: Path) -> Path:
    for name in ("a.nii", "b.nii"):
        nifti(VALUES, name)(folder)
    return folder


def folder_of_folders(folder: Path) -> Path:
    write_series(folder / "patient" / "visit" / "t1", VALUES, AXIAL)
    return folder / "patient"


def two_series(folder: Path) -> Path:
    write_series(folder / "series", VALUES, AXIAL, number=2, description="AX T1")
    write_series(folder / "series", VALUES, AXIAL, number=5, description="AX T2", prefix="b")
    return folder / "series"


def copied_slice(folder: Path) -> Path:
    first, *_ = write_series(folder / "series", VALUES, AXIAL)
    (folder / "series" / "copy.dcm").write_bytes(first.read_bytes())
    return folder / "series"


def uneven_series(folder: Path) -> Path:
    for index, path in enumerate(write_series(folder / "series", VALUES, AXIAL)):
        change(path, ImagePositionPatient=[0, 0, index**1.5])
    return folder / "series"


def stray_slice(folder: Path) -> Path:
    paths = write_series(folder / "series", VALUES, AXIAL)
    change(paths[2], ImagePositionPatient=[5, 0, 6])
    return folder / "series"


def damaged_slice(content: Callable[[bytes], bytes]) -> Builder:
    def build(folder: Path) -> Path:
        path = write_series(folder / "series", VALUES, AXIAL)[3]
        path.write_bytes(content(path.read_bytes()))
        return folder / "series"

    return build


def frames_without_positions(folder: Path) -> Path:
    image = new_image(folder / "cine.dcm", "1.2.840.10008.5.1.4.1.1.7.3")
    image.Modality, image.SeriesInstanceUID = "MR", "1.2"
    image.Rows, image.Columns, image.NumberOfFrames = 4, 5, 6
    image.PixelData = VALUES.tobytes()
    image.save_as(folder / "cine.dcm", write_like_original=False)
    return folder / "cine.dcm"


def one_dicom_file(folder: Path) -> Path:
    return write_series(folder / "series", VALUES, AXIAL)[0]


def singular_affine(folder: Path) -> Path:
    image = nibabel.Nifti1Image(VALUES, np.eye(4))
    image.header["srow_z"] = 0
    image.header["sform_code"] = 1
    content = bytearray(image.to_bytes())
    content[280:328] = struct.pack("<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    (folder / "flat.nii").write_bytes(bytes(content))
    return folder / "flat.nii"


def promising_header(folder: Path) -> Path:
    """A few bytes that claim to be 30000 x 30000 x 30000 voxels."""
    content = bytearray(nibabel.Nifti1Image(VALUES, np.eye(4)).to_bytes())
    content[42:48] = struct.pack("<3h", 30000, 30000, 30000)
    (folder / "huge.nii.gz").write_bytes(gzip.compress(bytes(content)))
    return folder / "huge.nii.gz"


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
TILTED = AXIAL + np.array([[0, 0, 0, 0], [0, 0, 0.8, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
NOISE = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()

CASES: dict[str, tuple[Builder, str]] = {
    "absent": (lambda folder: folder / "absent.nii.gz", "no such file or folder"),
    "other format": (file("study.jpg", b"\xff\xd8\xff"), "not a format that can be read"),
    "no suffix": (file("study", b"text"), "not a format that can be read"),
    "empty NIfTI": (file("study.nii", b""), "not a whole NIfTI image"),
    "empty packed NIfTI": (file("study.nii.gz", b""), "not a whole NIfTI image"),
    "garbage NIfTI": (file("study.nii", NOISE), "not a whole NIfTI image"),
    "garbage packed NIfTI": (file("study.nii.gz", NOISE), "not a whole NIfTI image"),
    "garbage NRRD": (file("study.nrrd", NOISE), "not a whole NRRD image"),
    "garbage MetaImage": (file("study.mha", NOISE), "not a whole MetaImage image"),
    "cut NIfTI": (cut(nifti(VALUES, "study.nii")), "not a whole NIfTI image"),
    "cut packed NIfTI": (cut(nifti(VALUES)), "not a whole NIfTI image"),
    "cut NRRD": (cut(itk(VALUES, "study.nrrd")), "not a whole NRRD image"),
    "cut MetaImage": (cut(itk(VALUES, "study.mha"), 0.9), "not a whole MetaImage image"),
    "header of a file that is absent": (
        file("s.mhd", b"NDims = 3\nDimSize = 2 2 2\nElementType = MET_SHORT\nElementDataFile = no"),
        "not a whole MetaImage image",
    ),
    "larger than its file": (promising_header, "not a whole NIfTI image"),
    "singular affine": (singular_affine, "affine is singular"),
    "4-D NIfTI": (nifti(np.zeros((4, 5, 6, 3), np.int16)), "4 x 5 x 6 x 3 is a series of 3-D"),
    "5-D NIfTI": (nifti(np.zeros((4, 5, 6, 1, 2), np.int16)), "is a series of 3-D"),
    "2-D NIfTI": (nifti(VALUES[:, :, 0]), "5 x 4 is one slice"),
    "one axial slice": (nifti(VALUES[:, :, :1]), "5 x 4 x 1 is one slice"),
    "one sagittal slice": (nifti(VALUES[:1]), "1 x 4 x 6 is one slice"),
    "2-D NRRD": (itk(VALUES[0], "study.nrrd"), "is one slice"),
    "one slice of MetaImage": (itk(VALUES[:1], "study.mha"), "is one slice"),
    "NaN": (nifti(with_value(np.nan)), "1 voxel is NaN or infinite"),
    "infinite": (nifti(with_value(-np.inf)), "NaN or infinite"),
    "beyond float32": (nifti(with_value(1.0).astype(np.float64) * 1e300), "NaN or infinite"),
    "constant": (nifti(np.full((4, 5, 6), 7, np.int16)), "every voxel is 7"),
    "zeros": (itk(np.zeros((4, 5, 6), np.int16), "study.nrrd"), "every voxel is 0"),
    "RGB NIfTI": (nifti(np.zeros((4, 5, 6), RGB)), "values of type RGB"),
    "RGB NRRD": (
        itk(np.zeros((4, 5, 6, 3), np.uint8), "study.nrrd", vector=True),
        "with 3 components",
    ),
    "complex NIfTI": (nifti(VALUES.astype(np.complex64)), "complex"),
    "empty folder": (empty_folder, "no DICOM image directly in this folder"),
    "folder of series": (folder_of_series, r"a folder of 1 studies; give one, such as .*t1\."),
    "folder of files": (folder_of_files, r"a folder of 2 studies; give one, such as .*a\.nii\."),
    "folder of folders": (folder_of_folders, r"no DICOM image directly in .*such as .*visit"),
    "two series": (
        two_series,
        r"2 series \(number 2 'AX T1', 6 files; number 5 'AX T2', 6 files\); move each series",
    ),
    "PET": (series(modality="PT"), "modality PT; only CT and MR"),
    "no modality": (changed(Modality=None), "does not say the modality"),
    "gantry tilt": (series(TILTED, modality="CT"), r"tilted by 14\.9 degrees"),
    "missing slice": (series(leave_out=[2]), r"1 slice is missing \(a gap of 6\.00 mm"),
    "missing slices": (series(leave_out=[1, 3]), "2 slices are missing"),
    "copied slice": (copied_slice, "1 slice lies at the place of another"),
    "uneven slices": (uneven_series, r"vary from 1\.00 to 3\.18 mm"),
    "stray slice": (stray_slice, r"lies 5\.00 mm off the straight stack"),
    "one slice of DICOM": (series(array=VALUES[:, :, :1]), "one slice; a volume needs"),
    "one file of a series": (one_dicom_file, "one slice; a volume needs"),
    "frames without positions": (frames_without_positions, "6 frames, positions for 1"),
    "no position": (changed(ImagePositionPatient=None), r"\(no ImagePositionPatient\)"),
    "no pixel spacing": (changed(PixelSpacing=None), r"\(no PixelSpacing\)"),
    "pixel spacing of zero": (changed(PixelSpacing=[0, 1]), "PixelSpacing"),
    "scout among the slices": (
        changed(3, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        "several orientations",
    ),
    "skew orientation": (
        changed(ImageOrientationPatient=[1, 0, 0, 0.5, 0.8, 0]),
        "not two perpendicular unit vectors",
    ),
    "slices of several sizes": (
        changed(1, PixelSpacing=[2, 2]),
        r"slices of 5 x 4 pixels, .*2 x 2 mm.* in one series; give a series of one size",
    ),
    "colour DICOM": (changed(PhotometricInterpretation="RGB"), "a colour image"),
    "empty DICOM file": (damaged_slice(lambda content: b""), "is named like a DICOM image"),
    "garbage DICOM file": (damaged_slice(lambda content: NOISE), "is named like a DICOM image"),
    "cut DICOM header": (damaged_slice(lambda content: content[:300]), "does not say the modality"),
    "cut DICOM pixels": (damaged_slice(lambda content: content[:-7]), "not a whole DICOM image"),
    "constant DICOM": (series(array=np.zeros((4, 5, 6), np.int16)), "every voxel is 0"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("largest", [None, 8], ids=["whole", "reduced"])
@pytest.mark.parametrize(("build", "message"), CASES.values(), ids=CASES.keys())
def test_refused_in_one_sentence(
    build: Builder, message: str, largest: int | None, tmp_path: Path
) -> None:
    path = build(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_volume(path, largest=largest)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert str(path if path.is_dir() else path.name) in text or "affine" in text
    assert ";" in text or "." in text.rstrip(".")
    assert not any(word in text for word in ("Doe", "Jane", "4711"))


def test_a_file_without_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nifti(VALUES)(tmp_path)

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(nibabel, "load", deny)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_volume(path)


def test_lack_of_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nifti(VALUES)(tmp_path)

    def exhaust(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(nibabel, "load", exhaust)
    with pytest.raises(InputError, match="too large for the memory"):
        read_volume(path)
