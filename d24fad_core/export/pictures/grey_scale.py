"""The values of a study that are shown as black and as white."""

import numpy as np

from d24fad_core.volumes.preprocessing import CT_WINDOWS
from d24fad_core.volumes.volume import Modality, Volume

_SAMPLE = 1_000_000
_PERCENTILES = (1.0, 99.5)


def grey_range(study: Volume, ct_window: str) -> tuple[float, float]:
    """Values shown as black and as white: for CT those that the analysis was given.

    Args:
        study: the study to show.
        ct_window: name of the window that CT was analysed in.
    """
    if study.modality is Modality.CT:
        return CT_WINDOWS[ct_window]
    # A million voxels, evenly spread, give the same percentiles as all of a large volume.
    sample = study.array.ravel(order="K")[:: max(1, study.array.size // _SAMPLE)]
    tissue = sample[sample > sample.min()]
    if tissue.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(tissue, _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))
