"""The heatmap as a DICOM Parametric Map (PS3.3, A.75), float, content qualification RESEARCH.

The stored values are shares of the colour scale, 1 at its bright end; the real world value mapping
makes z of them. OHIF shows stored values from 0 to 1 in full colour and leaves the mapping out.
"""

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.dicom.codes import ANOMALY_SCORE, NO_UNITS
from d24fad_core.export.dicom.equipment import EQUIPMENT
from d24fad_core.export.dicom.source import DicomSource, in_unicode
from d24fad_core.export.pictures.colour_scale import ColourScale

_SERIES_NUMBER = 9002


def heatmap_parametric_map(source: DicomSource, result: AnomalyResult) -> Dataset:
    """The score of every voxel: stored value times slope is z.

    Args:
        source: the series that was analysed.
        result: its analysis.
    """
    threshold = result.calibration.threshold
    maximum = ColourScale.above(threshold).maximum
    shares = source.frames((result.heatmap / maximum).astype(np.float32))
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="ANOMALY_Z",
        lut_explanation="Anomaly score in standard deviations of normals",
        unit=NO_UNITS,
        value_range=(float(shares.min()), float(shares.max())),
        slope=maximum,
        intercept=0.0,
        quantity_definition=ANOMALY_SCORE,
    )
    heatmap = hd.pm.ParametricMap(
        source_images=list(source.images),
        pixel_array=shares,
        series_instance_uid=hd.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        **EQUIPMENT,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        # From nothing to twice the threshold, which stands in the middle.
        window_center=threshold / maximum,
        window_width=max(2.0 * threshold, 1.0) / maximum,
        content_label="ANOMALY",
        content_description="Research use only. Not for clinical use.",
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        series_description="D24FAD heatmap (research use only)",
    )
    # The only one of a width below 1 (PS3.3, C.11.2.1.3.2).
    (shared,) = heatmap.SharedFunctionalGroupsSequence
    shared.FrameVOILUTSequence[0].VOILUTFunction = "LINEAR_EXACT"
    # Type 2C of the General Series module (PS3.3, C.7.3.1): there, but not known.
    heatmap.Laterality = ""
    return in_unicode(heatmap)
