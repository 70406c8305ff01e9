"""Whether a folder holds a scan that was made with the same model, normals and options."""

import json
from pathlib import Path

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.archive.analyst import AnalystPlan
from d24fad_core.errors import ConfigurationError
from d24fad_core.files import write_text


def check_same_scan(path: Path, plan: AnalystPlan, folder: Path) -> None:
    """Refuse to mix scans: rows of one table are comparable.

    The support is prepared here once, so that its faults show before any worker starts and the
    workers find its features in the cache.

    Args:
        path: file that says what made the scan; written where there is none.
        plan: what makes it now.
        folder: of the scan, to be named.

    Raises:
        ConfigurationError: another model, support or choice made what is there.
        D24FADError: the model or the support cannot be had.
    """
    shaping = {
        "identity": list(plan.load().identity()),
        "options": repr(plan.options),
        "brain": plan.brain.value,
        "notice": RESEARCH_USE_ONLY,
    }
    text = json.dumps(shaping, indent=1) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise ConfigurationError(
            f"{folder} holds a scan with another model, support or options",
            "give another output folder, or the same choices to go on.",
        )
