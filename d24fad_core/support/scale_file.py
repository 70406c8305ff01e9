"""A kept scale of scores over all planes."""

from pathlib import Path

from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.volumes.volume import Plane


def save_scale(scale: ScoreScale, path: Path) -> None:
    """Write a scale, whole or not at all; its planes are not kept."""
    values = {
        "centre": scale.centre,
        "spread": scale.spread,
        "threshold": scale.threshold,
        "case_scores": list(scale.case_scores),
        "peak_scores": list(scale.peak_scores),
        "lowest_outline": scale.lowest_outline,
    }
    save_values(values, path)


def load_scale(path: Path, planes: frozenset[Plane] = frozenset(Plane)) -> ScoreScale | None:
    """A kept scale; None where the file is absent or damaged, and it is measured again.

    Args:
        path: its file.
        planes: that it is for.
    """
    try:
        values = load_values(path)
        outline = values["lowest_outline"]
        return ScoreScale(
            planes=planes,
            centre=float(values["centre"]),
            spread=float(values["spread"]),
            threshold=float(values["threshold"]),
            case_scores=tuple(float(score) for score in values["case_scores"]),
            peak_scores=tuple(float(score) for score in values["peak_scores"]),
            lowest_outline=None if outline is None else float(outline),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
