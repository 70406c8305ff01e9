"""One picture of a comparison: prior and case side by side, and the change between them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeResult
from d24fad_core.export.pictures.display import SliceDisplay
from d24fad_core.export.pictures.png_file import write_png
from d24fad_core.export.wording import count_text, volume_text
from d24fad_core.volumes.volume import Plane, Volume

_ROWS = 4
_APART_MM = 6.0
_WIDTH, _ROW_HEIGHT, _HEADER = 10.5, 3.7, 0.9
_DPI = 100
_BACKGROUND, _TEXT, _NOTICE = "#0b0e11", "#e8eaed", "#ffb74d"


def write_change_picture(case: Volume, change: ChangeResult, path: Path) -> None:
    """Draw the axial slices of the first changes, prior, case and change side by side, as PNG.

    Radiological display. Red: brighter than in the prior; blue: darker. Without a change, the
    middle of what was compared is shown.

    Args:
        case: the study.
        change: its comparison with a prior.
        path: written whole or not at all.
    """
    displays = (SliceDisplay.of(case.affine, axis) for axis in range(3))
    display = next(each for each in displays if each.plane is Plane.AXIAL)
    slices = _slices(change, display, case.spacing)
    figure = Figure(figsize=(_WIDTH, _HEADER + _ROW_HEIGHT * len(slices)), facecolor=_BACKGROUND)
    height = figure.get_size_inches()[1]
    count = count_text(len(change.changes), "change")
    for place, words, colour in (
        (0.2, f"{case.name}: {count} since {change.use.name}", _TEXT),
        (0.5, f"{RESEARCH_USE_ONLY} Red: brighter than before; blue: darker.", _NOTICE),
    ):
        figure.text(
            0.02, 1 - place / height, words, color=colour, fontsize=10, va="top", parse_math=False
        )
    limits = _grey_limits(change.prior, change.heatmap, case.array)
    for row, index in enumerate(slices):
        bottom = 1 - (_HEADER + _ROW_HEIGHT * (row + 1)) / height
        for column, title in enumerate(("prior", "now", "change")):
            axes = figure.add_axes(
                (0.01 + 0.33 * column, bottom, 0.32, (_ROW_HEIGHT - 0.35) / height)
            )
            array = change.prior if title == "prior" else case.array
            _draw(axes, display, array, index, limits)
            if title == "change":
                _draw_change(axes, display, change, index)
                axes.set_title(_listed(change, display, index), color=_TEXT, fontsize=7)
            else:
                position = display.position(case.affine, case.shape, index)
                axes.set_title(f"{title}, slice {index}, {position}", color=_TEXT, fontsize=7)
    write_png(figure, path, _DPI)


def _slices(
    change: ChangeResult, display: SliceDisplay, spacing: tuple[float, float, float]
) -> list[int]:
    """Slices through the first changes that lie apart."""
    axis = display.slice_axis
    slices: list[int] = []
    for each in change.changes:
        index = each.peak_voxel[axis]
        if all(abs(index - other) * spacing[axis] >= _APART_MM for other in slices):
            slices.append(index)
    if not slices:
        others = tuple(other for other in range(3) if other != axis)
        compared = np.flatnonzero((change.heatmap != 0).any(axis=others))
        slices = [int(compared[len(compared) // 2])] if len(compared) else [0]
    return slices[:_ROWS]


def _grey_limits(
    prior: NDArray[np.float32], heatmap: NDArray[np.float32], case: NDArray[np.float32]
) -> tuple[float, float]:
    """Black and white of both studies, which have one scale."""
    compared = heatmap != 0
    if not compared.any():
        return float(case.min()), float(case.max())
    values = np.concatenate([case[compared][::7], prior[compared][::7]])
    low, high = np.percentile(values, (0.5, 99.5))
    return min(float(low), 0.0) if low > 0 else float(low), float(high)


def _draw(
    axes: Axes,
    display: SliceDisplay,
    array: NDArray[np.float32],
    index: int,
    limits: tuple[float, float],
) -> None:
    height_mm, width_mm = display.size_mm(array.shape)
    axes.imshow(
        display.picture(array, index),
        cmap="gray",
        vmin=limits[0],
        vmax=limits[1],
        extent=(0.0, width_mm, height_mm, 0.0),
        interpolation="bilinear",
    )
    axes.set_axis_off()
    for x, letters in ((0.01, display.left), (0.95, display.right)):
        axes.text(x, 0.5, letters, transform=axes.transAxes, color=_TEXT, fontsize=8)


def _draw_change(axes: Axes, display: SliceDisplay, change: ChangeResult, index: int) -> None:
    scores = display.picture(change.heatmap, index)
    strength = np.clip((np.abs(scores) / change.threshold - 0.5) / 1.5, 0.0, 1.0)
    colours = np.zeros((*scores.shape, 4), dtype=np.float32)
    colours[scores > 0] = (1.0, 0.25, 0.15, 0.0)
    colours[scores < 0] = (0.2, 0.5, 1.0, 0.0)
    colours[..., 3] = 0.75 * strength
    height_mm, width_mm = display.size_mm(change.heatmap.shape)
    axes.imshow(colours, extent=(0.0, width_mm, height_mm, 0.0), interpolation="bilinear")
    ranks = display.picture(change.ranks, index)
    for rank in np.unique(ranks[ranks > 0]):
        down, across = np.nonzero(ranks == rank)
        axes.text(
            (across.max() + 1.5) * display.column_mm,
            down.min() * display.row_mm,
            str(rank),
            color=_NOTICE,
            fontsize=9,
            fontweight="bold",
        )


def _listed(change: ChangeResult, display: SliceDisplay, index: int) -> str:
    """The changes of a slice in words."""
    ranks = set(np.unique(display.picture(change.ranks, index)).tolist())
    words = [
        f"{each.rank} {each.kind.value}: {volume_text(each.prior_volume_ml)} to "
        f"{volume_text(each.volume_ml)} ml"
        for each in change.changes
        if each.rank in ranks
    ]
    return "; ".join(words[:3]) or "no change here"
