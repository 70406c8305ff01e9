"""The DICOM objects that one command writes, among them pictures for viewers without more."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import ConfigurationError
from d24fad_core.export.dicom.objects import dicom_objects, write_dicom
from d24fad_core.export.dicom.source import DicomSource
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.io.reading import read_volume
from d24fad_core.volumes.volume import Modality
from tests.export.dicom.test_dicom import OBLIQUE, errors, orthogonal, series

STRAIGHT = np.diag([1.0, 1.0, 3.0, 1.0])


def write(folder: Path, affine: np.ndarray, modality: Modality = Modality.MR) -> Path:
    source, result = series(folder / "series", affine, modality)
    write_dicom(dicom_objects(source, result, read_volume(folder / "series")), folder / "dicom")
    return folder / "dicom"


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="Debian's dicom3tools are not installed"
)
@pytest.mark.parametrize("modality", list(Modality))
def test_a_validator_finds_no_error_in_any_object(tmp_path: Path, modality: Modality) -> None:
    folder = write(tmp_path, orthogonal(OBLIQUE), modality)
    files = [*folder.glob("*.dcm"), *sorted((folder / "pictures").glob("*.dcm"))[:2]]
    assert len(files) == 5
    assert {path.name: errors(path) for path in files if errors(path)} == {}


def test_there_is_a_colour_picture_of_each_slice_where_the_slice_is(tmp_path: Path) -> None:
    folder = write(tmp_path, STRAIGHT)
    source, result = series(tmp_path / "again", STRAIGHT)
    pictures = [pydicom.dcmread(path) for path in sorted((folder / "pictures").glob("*.dcm"))]
    assert len(pictures) == len(source.images) == 12
    assert len({picture.SeriesInstanceUID for picture in pictures}) == 1
    for picture, image in zip(pictures, source.images, strict=True):
        assert picture.ImagePositionPatient[2] == pytest.approx(image.ImagePositionPatient[2])
        # The outer corner of the first pixel, whatever its size.
        outer, expected = (
            float(each.ImagePositionPatient[0])
            - 0.5 * float(each.PixelSpacing[1]) * float(each.ImageOrientationPatient[0])
            for each in (picture, image)
        )
        assert outer == pytest.approx(expected, abs=1e-4)
        assert picture.PatientID == image.PatientID
    assert RESEARCH_USE_ONLY in pictures[0].ImageComments

    finding = result.findings[0]
    column, row, number = finding.peak_voxel
    pixels = pictures[number].pixel_array
    size = pixels.shape[0] // result.mask.shape[1]
    colour = pixels[row * size + size // 2, column * size + size // 2].astype(int)
    red, green, blue, alpha = ColourScale.above(3.0).rgba(np.float32([finding.peak_score]))[0]
    heat = 255 * alpha * np.array([red, green, blue])
    # Between heat over black and heat over white.
    assert (colour >= heat - 1).all() and (colour <= heat + 255 * (1 - alpha) + 1).all()
    assert np.ptp(pictures[0].pixel_array[: pixels.shape[0] // 2].astype(int), axis=-1).max() == 0


def test_the_objects_of_a_later_analysis_take_the_place_of_the_earlier(tmp_path: Path) -> None:
    folder = write(tmp_path, STRAIGHT)
    (folder / "pictures" / "0099.dcm").write_bytes(b"of a longer series")
    source, result = series(tmp_path / "later", STRAIGHT)
    write_dicom(dicom_objects(source, replace(result, findings=())), folder)
    assert {path.name for path in folder.iterdir()} == {
        "segmentation.dcm",
        "parametric_map.dcm",
        "report.dcm",
    }


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "mine.txt").write_text("mine")
    source, result = series(tmp_path / "series", STRAIGHT)
    with pytest.raises(ConfigurationError, match="holds no DICOM results"):
        write_dicom(dicom_objects(source, result), tmp_path / "dicom")
    assert (tmp_path / "dicom" / "mine.txt").read_text() == "mine"
    assert isinstance(source, DicomSource)
