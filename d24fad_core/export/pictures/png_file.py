"""Drawn pictures as PNG files."""

from pathlib import Path

from matplotlib.figure import Figure

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.files import whole_file


def write_png(figure: Figure, path: Path, dpi: int) -> None:
    """Write a picture on its own background; the file says that it is for research alone.

    Args:
        figure: the picture.
        path: written whole or not at all.
        dpi: pixels an inch.
    """
    with whole_file(path) as temporary:
        figure.savefig(
            temporary,
            format="png",
            dpi=dpi,
            facecolor=figure.get_facecolor(),
            metadata={"Software": "D24FAD", "Comment": RESEARCH_USE_ONLY},
        )
