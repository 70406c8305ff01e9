"""The studies folder of the demo: real heads, one of them with and without a planted lesion."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.files import whole_file

HEADS = Path(__file__).with_name("heads")
"""What ships with the demo; its README says where it comes from."""


@dataclass(frozen=True)
class DemoStudies:
    """What the demo's server is given.

    Attributes:
        folder: the studies folder.
        lesion: image id of the case with a lesion.
        untouched: image id of the same person without it.
    """

    folder: Path
    lesion: str
    untouched: str


def prepare_studies(root: Path) -> DemoStudies:
    """Make the studies folder; what an earlier run made is kept.

    Args:
        root: the demo's folder.
    """
    folder = root / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    for study in sorted(HEADS.glob("*.nii.gz")):
        target = folder / study.name
        if not target.exists():
            with whole_file(target) as temporary:
                shutil.copyfile(study, temporary)
    return DemoStudies(folder, "lesion-sub-62", "untouched-sub-62")
