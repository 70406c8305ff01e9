"""The studies folder of the demo: simulated heads, and real ones where they are at hand."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.errors import D24FADError
from d24fad_core.files import whole_file
from d24fad_core.io.reading import read_volume
from d24fad_core.progress import Progress
from d24fad_core.simulation import SimulationOptions, simulate_cohort

VOLUMES_VARIABLE = "D24FAD_VOLUMES"
_DEVELOPERS_VOLUMES = Path("../shared/volumes")
_OPTIONS = SimulationOptions(support=4, normals=1, lesions=2)


@dataclass(frozen=True)
class DemoStudies:
    """What the demo's server is given.

    Attributes:
        folder: the studies folder.
        lesion: image id of the case with a lesion that is shown.
        normal: image id of the normal case.
        real: image ids of real scans, none where there are none.
    """

    folder: Path
    lesion: str
    normal: str
    real: tuple[str, ...]


def prepare_studies(root: Path, progress: Progress) -> DemoStudies:
    """Make the studies folder; what an earlier run made is kept.

    Args:
        root: the demo's folder.
        progress: told about each simulated head.
    """
    cohort, folder = root / "cohort", root / "studies"
    simulate_cohort(cohort, _OPTIONS, progress)
    folder.mkdir(exist_ok=True)
    for part in ("support", "cases"):
        for study in sorted((cohort / part).glob("*.nii.gz")):
            _copy(study, folder / study.name)
    return DemoStudies(folder, "lesion-001", "normal-001", _real_studies(folder))


def _real_studies(folder: Path) -> tuple[str, ...]:
    """Copy the brain FLAIR scans that the user or the project has; the support is FLAIR too."""
    source = Path(os.environ.get(VOLUMES_VARIABLE, _DEVELOPERS_VOLUMES))
    if not source.is_dir():
        return ()
    names = []
    for scan in sorted(source.rglob("*.nii*")):
        if "flair" not in scan.name.lower() or "mask" in scan.name.lower():
            continue
        name = f"real-{scan.parent.name}-{scan.name.partition('.')[0]}".lower()
        target = folder / f"{name}{''.join(scan.suffixes)}"
        try:
            read_volume(scan)
        except D24FADError:
            continue  # not a scan; the demo is no place to complain about the user's folder
        _copy(scan, target)
        names.append(name)
    return tuple(names)


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        with whole_file(target) as temporary:
            shutil.copyfile(source, temporary)
