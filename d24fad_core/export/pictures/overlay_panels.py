"""The panels of the picture of an analysis: a slice, heat, outlines, scale bar, colour bar."""

from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import NDArray

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.export.pictures.display import SliceDisplay
from d24fad_core.volumes.volume import Volume

TEXT, FAINT = "#e8eaed", "#9aa0a6"
_OUTLINE, _CROSS, _TISSUE = "#4dd0e1", "#73f28c", "#606060"
_SHADOW = [patheffects.withStroke(linewidth=2.2, foreground="#000000b0")]
_BAR_LENGTHS_MM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
_BAR_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class PaintedStudy:
    """A study and how it is painted.

    Attributes:
        query: the study.
        result: its analysis.
        grey_limits: values shown as black and as white.
        scale: colours of scores.
        ranks: rank of the finding that a voxel belongs to, 0 outside all.
    """

    query: Volume
    result: AnomalyResult
    grey_limits: tuple[float, float]
    scale: ColourScale
    ranks: NDArray[np.uint16]


def draw_slice(axes: Axes, display: SliceDisplay, painted: PaintedStudy, index: int) -> None:
    """Draw a slice in grey, in true proportions, with the sides of the patient named."""
    height_mm, width_mm = display.size_mm(painted.query.shape)
    low, high = painted.grey_limits
    axes.imshow(
        display.picture(painted.query.array, index),
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=(0.0, width_mm, height_mm, 0.0),
        interpolation="bilinear",
    )
    axes.set_axis_off()
    axes.set_anchor("N")
    for x, y, horizontal, vertical, letters in (
        (0.015, 0.5, "left", "center", display.left),
        (0.985, 0.5, "right", "center", display.right),
        (0.5, 0.985, "center", "top", display.top),
        (0.5, 0.015, "center", "bottom", display.bottom),
    ):
        axes.text(
            x,
            y,
            letters,
            transform=axes.transAxes,
            ha=horizontal,
            va=vertical,
            color=TEXT,
            fontsize=9,
            path_effects=_SHADOW,
        )


def draw_heat(axes: Axes, display: SliceDisplay, painted: PaintedStudy, index: int) -> None:
    """Draw heat and outlines over a slice."""
    height_mm, width_mm = display.size_mm(painted.query.shape)
    colours = painted.scale.rgba(display.picture(painted.result.heatmap, index))
    axes.imshow(colours, extent=(0.0, width_mm, height_mm, 0.0), interpolation="bilinear")
    _draw_findings(axes, display, display.picture(painted.ranks, index))


def draw_scale_bar(axes: Axes, display: SliceDisplay, painted: PaintedStudy) -> None:
    """Draw a bar of a round length at the lower right."""
    height_mm, width_mm = display.size_mm(painted.query.shape)
    fitting = [length for length in _BAR_LENGTHS_MM if length <= _BAR_SHARE * width_mm]
    length = max(fitting, default=_BAR_LENGTHS_MM[0])
    right, low = 0.97 * width_mm, 0.95 * height_mm
    axes.plot(
        (right - length, right),
        (low, low),
        color=TEXT,
        linewidth=2,
        solid_capstyle="butt",
        path_effects=_SHADOW,
    )
    axes.annotate(
        f"{length:g} mm" if length < 10 else f"{length / 10:g} cm",
        (right - length / 2, low),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=TEXT,
        fontsize=8,
        path_effects=_SHADOW,
    )


def draw_caption(axes: Axes, words: str) -> None:
    """Write words below a panel."""
    axes.annotate(
        words,
        (0.5, 0.0),
        xycoords="axes fraction",
        xytext=(0, -5),
        textcoords="offset points",
        ha="center",
        va="top",
        color=TEXT,
        fontsize=9,
    )


def draw_cross(
    axes: Axes, display: SliceDisplay, painted: PaintedStudy, voxel: tuple[int, int, int]
) -> None:
    """Mark a voxel by lines that leave it free."""
    shape = painted.query.shape
    height_mm, width_mm = display.size_mm(shape)
    row, column = voxel[display.row_axis], voxel[display.column_axis]
    if display.flip_rows:
        row = shape[display.row_axis] - 1 - row
    if display.flip_columns:
        column = shape[display.column_axis] - 1 - column
    down, across = (row + 0.5) * display.row_mm, (column + 0.5) * display.column_mm
    gap = 0.06 * max(height_mm, width_mm)
    limits = axes.get_xlim(), axes.get_ylim()
    for horizontal, vertical in (
        ((0.0, across - gap), (down, down)),
        ((across + gap, width_mm), (down, down)),
        ((across, across), (0.0, down - gap)),
        ((across, across), (down + gap, height_mm)),
    ):
        if horizontal[0] <= horizontal[1] and vertical[0] <= vertical[1]:
            axes.plot(horizontal, vertical, color=_CROSS, linewidth=0.7)
    axes.set(xlim=limits[0], ylim=limits[1])


def _draw_findings(axes: Axes, display: SliceDisplay, ranks: NDArray[np.uint16]) -> None:
    """Outline each finding in a slice and write its rank at its upper right."""
    limits = axes.get_xlim(), axes.get_ylim()
    # The border of background closes the outlines of findings that touch the picture's edge.
    padded = np.pad(ranks, 1)
    rows = (np.arange(padded.shape[0]) - 0.5) * display.row_mm
    columns = (np.arange(padded.shape[1]) - 0.5) * display.column_mm
    for rank in np.unique(ranks[ranks > 0]):
        inside = padded == rank
        axes.contour(columns, rows, inside, levels=[0.5], colors=[_OUTLINE], linewidths=1.1)
        down, across = np.nonzero(inside)
        near_right_edge = columns[across.max()] > 0.92 * columns[-1]
        axes.text(
            columns[across.min() if near_right_edge else across.max()],
            rows[down.min()],
            str(rank),
            color=_OUTLINE,
            fontsize=10,
            fontweight="bold",
            ha="right" if near_right_edge else "left",
            va="bottom",
            path_effects=_SHADOW,
            zorder=4,
        )
    axes.set(xlim=limits[0], ylim=limits[1])


def draw_colour_bar(axes: Axes, scale: ColourScale) -> None:
    """The colours as they look over mid-grey tissue, from 0 to the maximum."""
    ramp = np.linspace(0, scale.maximum, 256, dtype=np.float32)[:, None]
    axes.set_facecolor(_TISSUE)
    axes.imshow(
        scale.rgba(ramp), extent=(0.0, 1.0, 0.0, scale.maximum), origin="lower", aspect="auto"
    )
    axes.axhline(scale.threshold, color=_OUTLINE, linewidth=1.4)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.tick_params(colors=TEXT, labelsize=8, length=3)
    ticks = np.linspace(0, scale.maximum, 6)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks[:-1]] + [f"≥ {ticks[-1]:g}"])
    axes.set_ylabel(
        f"anomaly score, z\nline: threshold {scale.threshold:.2f}", color=TEXT, fontsize=8
    )
    for spine in axes.spines.values():
        spine.set_color(FAINT)
