"""One picture of an analysis: the most anomalous slices with the heatmap over them."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import font_manager, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.findings import label_findings
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.colour_scale import SCALE_MAXIMUM, ColourScale
from d24fad_core.export.display import SliceDisplay, choose_slices
from d24fad_core.export.grey_scale import grey_range
from d24fad_core.files import whole_file
from d24fad_core.volumes.volume import Plane, Volume

_SLICE_COUNT, _SLICE_GAP_MM = 6, 8.0
_BACKGROUND, _TEXT, _FAINT = "#0b0e11", "#e8eaed", "#9aa0a6"
_OUTLINE, _NOTICE, _TISSUE = "#4dd0e1", "#ffb74d", "#606060"
_SHADOW = [patheffects.withStroke(linewidth=2.2, foreground="#000000b0")]
_DPI = 110


def write_overlay(query: Volume, result: AnomalyResult, path: Path) -> None:
    """Draw the slices with the highest scores, heatmap over image, findings outlined, as PNG.

    Up to six slices along `result.slice_axis` in radiological display, in true proportions, by
    falling score; chosen so that each shows something new (see `choose_slices`).

    Args:
        query: the study that was analysed.
        result: its analysis, on the same grid.
        path: written whole or not at all.
    """
    figure = _draw(query, result)
    with whole_file(path) as temporary:
        figure.savefig(
            temporary,
            format="png",
            dpi=_DPI,
            facecolor=_BACKGROUND,
            metadata={"Software": "D24FAD", "Comment": RESEARCH_USE_ONLY},
        )


@dataclass(frozen=True)
class _Layout:
    """Where everything goes, in inches from the lower left corner of the picture."""

    columns: int
    rows: int
    panel_height: float

    panel_width = 3.7
    margin = 0.35
    gutter = 0.14
    caption = 0.34
    header = 0.9
    footer = 1.1
    bar_space = 1.2

    @classmethod
    def of(cls, panels: int, height_mm: float, width_mm: float) -> "_Layout":
        columns = min(panels, 3)
        height = float(np.clip(cls.panel_width * height_mm / width_mm, 1.1, 5.2))
        return cls(columns, -(-panels // columns), height)

    @property
    def panels_width(self) -> float:
        # The words above and below need the width of two panels even where there is one.
        return max(self.columns, 2) * (self.panel_width + self.gutter)

    @property
    def size(self) -> tuple[float, float]:
        panels_height = self.rows * (self.panel_height + self.caption)
        return self.margin + self.panels_width + self.bar_space, (
            self.header + panels_height + self.footer
        )

    def panel(self, number: int) -> tuple[float, float, float, float]:
        """Left, bottom, width, height of a panel as fractions of the picture."""
        row, column = divmod(number, self.columns)
        left = self.margin + column * (self.panel_width + self.gutter)
        top = self.size[1] - self.header - row * (self.panel_height + self.caption)
        return self._fractions(left, top - self.panel_height, self.panel_width, self.panel_height)

    def colour_bar(self) -> tuple[float, float, float, float]:
        """The same of the colour bar."""
        top = self.size[1] - self.header
        height = min(max(self.panel_height, 2.6), top - 0.2)
        return self._fractions(self.margin + self.panels_width + 0.12, top - height, 0.2, height)

    def _fractions(
        self, left: float, bottom: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        whole_width, whole_height = self.size
        return (
            left / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )


def _draw(query: Volume, result: AnomalyResult) -> Figure:
    display = SliceDisplay.of(query.affine, result.slice_axis)
    slices = choose_slices(
        result.slice_scores,
        result.findings,
        query.spacing[result.slice_axis],
        _SLICE_COUNT,
        _SLICE_GAP_MM,
    )
    layout = _Layout.of(len(slices), *display.size_mm(query.shape))
    scale = ColourScale.above(result.calibration.threshold)
    grey_limits = grey_range(query, str(result.provenance.parameters.get("ct_window", "body")))
    ranks = label_findings(result.mask, result.findings)

    figure = Figure(figsize=layout.size, facecolor=_BACKGROUND)
    shown: set[int] = set()
    for number, index in enumerate(slices):
        axes = figure.add_axes(layout.panel(number))
        _draw_slice(axes, display, query, grey_limits, result, scale, index)
        slice_ranks = display.picture(ranks, index)
        _draw_findings(axes, display, slice_ranks)
        shown |= set(np.unique(slice_ranks).tolist())
    _draw_colour_bar(figure.add_axes(layout.colour_bar()), scale)
    _write_header(figure, layout, query.name, result)
    _write_footer(figure, layout, display.plane, result, scale, shown)
    return figure


def _draw_slice(
    axes: Axes,
    display: SliceDisplay,
    query: Volume,
    grey_limits: tuple[float, float],
    result: AnomalyResult,
    scale: ColourScale,
    index: int,
) -> None:
    height_mm, width_mm = display.size_mm(query.shape)
    extent = (0.0, width_mm, height_mm, 0.0)
    low, high = grey_limits
    grey = display.picture(query.array, index)
    colours = scale.rgba(display.picture(result.heatmap, index))
    axes.imshow(grey, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    axes.imshow(colours, extent=extent, interpolation="bilinear")
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
            color=_TEXT,
            fontsize=9,
            path_effects=_SHADOW,
        )
    reduction = result.reduction
    number = index if reduction is None else reduction.middle_voxel(result.slice_axis, index)
    axes.annotate(
        f"{display.plane.value} slice {number}  ·  "
        f"{display.position(query.affine, query.shape, index)}  ·  "
        f"score {result.slice_scores[index]:.1f}",
        (0.5, 0.0),
        xycoords="axes fraction",
        xytext=(0, -5),
        textcoords="offset points",
        ha="center",
        va="top",
        color=_TEXT,
        fontsize=9,
    )


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


def _draw_colour_bar(axes: Axes, scale: ColourScale) -> None:
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
    axes.tick_params(colors=_TEXT, labelsize=8, length=3)
    ticks = np.linspace(0, scale.maximum, 6)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks[:-1]] + [f"≥ {ticks[-1]:g}"])
    axes.set_ylabel(
        f"anomaly score, z\nline: threshold {scale.threshold:.2f}", color=_TEXT, fontsize=8
    )
    for spine in axes.spines.values():
        spine.set_color(_FAINT)


def _write_header(figure: Figure, layout: _Layout, name: str, result: AnomalyResult) -> None:
    top, right = layout.size[1] - 0.2, layout.size[0] - 0.2
    count = len(result.findings)
    findings = "no finding" if count == 0 else "1 finding" if count == 1 else f"{count} findings"
    patients = result.calibration.normal_patients
    measures = (
        f"case score {result.case_score:.1f} z",
        f"p = {result.calibration.p_value:.3f} against {patients} normal "
        + ("patient" if patients == 1 else "patients"),
        findings,
    )
    _write(figure, layout, layout.margin, top, _shortened(name), 15, _TEXT, weight="bold")
    _write(figure, layout, layout.margin, top - 0.32, "   ·   ".join(measures), 11, _TEXT)
    _write(figure, layout, right, top - 0.02, RESEARCH_USE_ONLY, 10, _NOTICE, align="right")


def _write_footer(
    figure: Figure,
    layout: _Layout,
    plane: Plane,
    result: AnomalyResult,
    scale: ColourScale,
    shown: set[int],
) -> None:
    if scale.maximum == SCALE_MAXIMUM:
        colours = "Colours mean the same score in every case."
    else:
        colours = f"For the high threshold, colours end at {scale.maximum:g} z here."
    left = "anterior" if plane is Plane.SAGITTAL else "the patient's right"
    lines = [
        *textwrap.wrap(result.calibration.statement, int(layout.size[0] * 16)),
        f"Radiological display: {left} is on the left of each picture. Slices by falling score, "
        "counted from 0 in the file.",
        f"{colours} Unit: {result.calibration.unit}.",
    ]
    if hidden := [finding.rank for finding in result.findings if finding.rank not in shown]:
        named = ", ".join(str(rank) for rank in hidden[:12]) + (", …" if len(hidden) > 12 else "")
        lines.append(f"Findings not in these slices: {named}.")
    _write(figure, layout, layout.margin, layout.footer - 0.12, "\n".join(lines), 8, _FAINT)


def _write(
    figure: Figure,
    layout: _Layout,
    x: float,
    y: float,
    words: str,
    size: float,
    colour: str,
    *,
    weight: str = "normal",
    align: str = "left",
) -> None:
    """Write words with their top at (x, y), in inches."""
    figure.text(
        x / layout.size[0],
        y / layout.size[1],
        _printable(words),
        fontsize=size,
        fontweight=weight,
        color=colour,
        ha=align,
        va="top",
        linespacing=1.5,
        parse_math=False,
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 48 else f"{name[:30]}…{name[-17:]}"


def _printable(words: str) -> str:
    """Replace what the font cannot draw, so that a name in any script gives a picture."""
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    return "".join(
        letter if letter == "\n" or font.get_char_index(ord(letter)) else "□" for letter in words
    )
