"""How alike the normals of a support set are, kept."""

from pathlib import Path

from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.support.likeness import MutualLikeness


def save_likeness(likeness: MutualLikeness, path: Path) -> None:
    """Write it, whole or not at all."""
    save_values({"alike": likeness.alike, "usual": likeness.usual}, path)


def load_likeness(path: Path) -> MutualLikeness | None:
    """A kept likeness; None where the file is absent or damaged, and it is measured again."""
    try:
        values = load_values(path)
        return MutualLikeness(
            alike=tuple((int(one), int(other)) for one, other in values["alike"]),
            usual=float(values["usual"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
