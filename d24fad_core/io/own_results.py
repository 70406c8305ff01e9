"""Telling the heatmaps and masks that this program wrote from the scans of patients."""

import gzip
import zlib
from pathlib import Path

HEATMAP_FILE = "heatmap.nii.gz"
MASK_FILE = "mask.nii.gz"
REPORT_FILE = "report.json"
OVERLAY_FILE = "overlay.png"
RANKS_FILE = "findings.nii.gz"
TABLE_FILE = "findings.csv"
PAGE_FILE = "report.html"
CHANGE_FILE = "change.nii.gz"
CHANGE_TABLE_FILE = "changes.csv"
CHANGE_PICTURE_FILE = "changes.png"
CHANGE_FILES = (CHANGE_FILE, CHANGE_TABLE_FILE, CHANGE_PICTURE_FILE)
"""What a comparison with a prior leaves beside its report."""
RESULT_FILES = (
    HEATMAP_FILE,
    MASK_FILE,
    RANKS_FILE,
    TABLE_FILE,
    REPORT_FILE,
    OVERLAY_FILE,
    PAGE_FILE,
    *CHANGE_FILES,
)
"""What an analysis leaves in its folder."""

DESCRIPTION = "D24FAD"
"""What the descriptions of its NIfTI files begin with."""

_DESCRIPTION_PLACE = slice(148, 228)  # of the NIfTI-1 header


def is_own_result(path: Path) -> bool:
    """Whether a file is a heatmap or a mask that this program wrote, whatever its name is now.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file() or not path.name.lower().endswith((".nii", ".nii.gz")):
        return False
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            header = stream.read(_DESCRIPTION_PLACE.stop)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False  # reading it tells what is wrong
    return header[_DESCRIPTION_PLACE].startswith(DESCRIPTION.encode())
