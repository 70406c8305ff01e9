"""Slices with heat and outlines as colour pictures (Secondary Capture, PS3.3, A.8).

For viewers that show neither segmentations nor parametric maps: anything that opens a JPEG opens
these. They are for looking, not for measuring.
"""

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from scipy import ndimage

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.dicom.equipment import MANUFACTURER
from d24fad_core.export.dicom.source import DicomSource, in_unicode
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.export.pictures.grey_scale import grey_range
from d24fad_core.volumes.volume import Volume

_SERIES_NUMBER = 9006
_LEAST_PIXELS = 384
_OUTLINE, _NOTICE = (77, 208, 225), (255, 183, 77)
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # LPS, towards and against the axis


def heat_captures(source: DicomSource, query: Volume, result: AnomalyResult) -> list[Dataset]:
    """One picture a slice of the series, in its order.

    Args:
        source: the series that was analysed.
        query: its voxels.
        result: its analysis.
    """
    grey = source.frames(query.array)
    heat = source.frames(result.heatmap)
    ranks = source.frames(result.ranks)
    low, high = grey_range(query, str(result.provenance.parameters.get("ct_window", "body")))
    scale = ColourScale.above(result.calibration.threshold)
    rows, columns = grey.shape[1:]
    enlarged = max(1, -(-_LEAST_PIXELS // max(rows, columns)))
    series_uid = hd.UID()
    captures = []
    for number, image in enumerate(source.images):
        pixels = _picture((grey[number] - low) / (high - low), heat[number], scale)
        pixels = _annotated(pixels, ranks[number], enlarged)
        capture = hd.sc.SCImage.from_ref_dataset(
            image,
            pixel_array=pixels,
            photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
            bits_allocated=8,
            coordinate_system=hd.CoordinateSystemNames.PATIENT,
            series_instance_uid=series_uid,
            series_number=_SERIES_NUMBER,
            sop_instance_uid=hd.UID(),
            instance_number=number + 1,
            manufacturer=MANUFACTURER,
            patient_orientation=_patient_orientation(image),
        )
        capture.SeriesDescription = "D24FAD pictures (research use only)"
        capture.BurnedInAnnotation = "YES"
        # Type 2C of the General Series module (PS3.3, C.7.3.1): there, but not known.
        capture.Laterality = ""
        capture.ImageComments = RESEARCH_USE_ONLY
        _place(capture, image, enlarged)
        captures.append(in_unicode(capture))
    return captures


def _picture(
    grey: NDArray[np.float32], heat: NDArray[np.float32], scale: ColourScale
) -> NDArray[np.uint8]:
    """Grey with heat over it, (rows, columns, 3), in the colours of overlay.png."""
    colours = scale.rgba(heat)
    alpha = colours[..., 3:]
    blended = grey.clip(0, 1)[..., None] * (1 - alpha) + colours[..., :3] * alpha
    pixels: NDArray[np.uint8] = np.rint(255 * blended).astype(np.uint8)
    return pixels


def _annotated(
    pixels: NDArray[np.uint8], ranks: NDArray[np.uint16], enlarged: int
) -> NDArray[np.uint8]:
    """A picture enlarged to be legible, with outlines, numbers and the notice."""
    large = pixels.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    ranks = ranks.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    inside = ranks > 0
    large[inside & ~ndimage.binary_erosion(inside)] = _OUTLINE
    picture = Image.fromarray(large)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(12, picture.width // 32))
    for rank, box in enumerate(ndimage.find_objects(ranks.astype(np.int32)), start=1):
        if box is not None:
            pen.text((box[1].stop + 2, box[0].start), str(rank), _OUTLINE, font, anchor="lb")
    pen.text((4, picture.height - 4), RESEARCH_USE_ONLY, _NOTICE, font, anchor="lb")
    return np.asarray(picture)


def _patient_orientation(image: Dataset) -> tuple[str, str]:
    """The side of the patient that rows and columns run towards."""
    cosines = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    rows, columns = (
        _LETTERS[axis][0 if direction[axis] > 0 else 1]
        for direction in cosines
        for axis in [int(np.abs(direction).argmax())]
    )
    return rows, columns


def _place(capture: Dataset, image: Dataset, enlarged: int) -> None:
    """Say where a picture lies, so that viewers sort the series and link it with the source."""
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"):
        setattr(capture, name, getattr(image, name))
    capture.PositionReferenceIndicator = ""
    capture.SliceThickness = image.SliceThickness
    row_mm, column_mm = (float(size) / enlarged for size in image.PixelSpacing)
    capture.PixelSpacing = [f"{row_mm:.8g}", f"{column_mm:.8g}"]
    # The corner is the middle of the first pixel, which an enlarged one has elsewhere.
    cosines = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    sizes = np.array([float(image.PixelSpacing[1]), float(image.PixelSpacing[0])])
    shift = (0.5 / enlarged - 0.5) * (sizes[:, None] * cosines).sum(axis=0)
    corner = np.array(image.ImagePositionPatient, float) + shift
    capture.ImagePositionPatient = [f"{place:.10g}"[:16] for place in corner]
