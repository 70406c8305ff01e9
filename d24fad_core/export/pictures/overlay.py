"""One picture of an analysis: the most anomalous slices with the heatmap over them."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.pictures.colour_scale import SCALE_MAXIMUM, ColourScale
from d24fad_core.export.pictures.display import SliceDisplay, choose_slices
from d24fad_core.export.pictures.grey_scale import grey_range
from d24fad_core.export.pictures.overlay_layout import OverlayLayout
from d24fad_core.export.pictures.overlay_panels import (
    FAINT,
    TEXT,
    PaintedStudy,
    draw_caption,
    draw_colour_bar,
    draw_cross,
    draw_heat,
    draw_scale_bar,
    draw_slice,
)
from d24fad_core.export.pictures.png_file import write_png
from d24fad_core.volumes.volume import Plane, Volume

_SLICE_COUNT, _SLICE_GAP_MM = 6, 8.0
_WARNING_LETTERS = 190
_BACKGROUND, _NOTICE = "#0b0e11", "#ffb74d"
_DPI = 110


def write_overlay(query: Volume, result: AnomalyResult, path: Path) -> None:
    """Draw the slices with the highest scores, heatmap over image, findings outlined, as PNG.

    Up to six slices along `result.slice_axis` in radiological display, in true proportions, by
    falling score, each without and with heat; chosen so that each shows something new (see
    `choose_slices`). Below them, three planes through the peak of the first finding.

    Args:
        query: the study that was analysed.
        result: its analysis, on the same grid.
        path: written whole or not at all.
    """
    figure = _draw(query, result)
    write_png(figure, path, _DPI)


def layout_of(query: Volume, result: AnomalyResult) -> OverlayLayout:
    """Where everything in the picture of an analysis goes."""
    planes = _planes(query) if result.findings else ()
    return OverlayLayout.of(
        len(_slices(query, result)),
        SliceDisplay.of(query.affine, result.slice_axis).size_mm(query.shape),
        tuple(plane.size_mm(query.shape) for plane in planes),
        len(_warning_lines(result)),
    )


def _warning_lines(result: AnomalyResult) -> list[str]:
    return [
        line
        for warning in result.warnings
        for line in textwrap.wrap(f"Warning: {warning}", _WARNING_LETTERS)
    ]


def _slices(query: Volume, result: AnomalyResult) -> list[int]:
    spacing = query.spacing[result.slice_axis]
    return choose_slices(result.slice_scores, result.findings, spacing, _SLICE_COUNT, _SLICE_GAP_MM)


def _draw(query: Volume, result: AnomalyResult) -> Figure:
    display = SliceDisplay.of(query.affine, result.slice_axis)
    layout = layout_of(query, result)
    painted = PaintedStudy(
        query,
        result,
        grey_range(query, str(result.provenance.parameters.get("ct_window", "body"))),
        ColourScale.above(result.calibration.threshold),
        result.ranks,
    )
    figure = Figure(figsize=layout.size, facecolor=_BACKGROUND)
    visible: set[int] = set()
    for number, index in enumerate(_slices(query, result)):
        draw_slice(figure.add_axes(layout.plain(number)), display, painted, index)
        axes = figure.add_axes(layout.heat(number))
        draw_slice(axes, display, painted, index)
        draw_heat(axes, display, painted, index)
        draw_scale_bar(axes, display, painted)
        draw_caption(axes, _slice_words(display, painted, index))
        visible |= set(np.unique(display.picture(painted.ranks, index)).tolist())
    for number, plane in enumerate(_planes(query) if result.findings else ()):
        _draw_plane(figure.add_axes(layout.plane(number)), plane, painted)
        visible.add(result.findings[0].rank)
    draw_colour_bar(figure.add_axes(layout.colour_bar()), painted.scale)
    _write_header(figure, layout, query.name, result)
    for number, line in enumerate(_warning_lines(result)):
        top = layout.size[1] - layout.title + 0.06 - number * layout.warning_line
        _write(figure, layout, layout.margin, top, line, 9, _NOTICE)
    _write_footer(figure, layout, display.plane, result, painted.scale, visible)
    return figure


def _planes(query: Volume) -> tuple[SliceDisplay, ...]:
    """The axial, the coronal and the sagittal display of a study."""
    displays = [SliceDisplay.of(query.affine, axis) for axis in range(3)]
    return tuple(sorted(displays, key=lambda display: -display.plane.axis))


def _draw_plane(axes: Axes, display: SliceDisplay, painted: PaintedStudy) -> None:
    """Draw a plane through the peak of the first finding."""
    finding = painted.result.findings[0]
    index = finding.peak_voxel[display.slice_axis]
    draw_slice(axes, display, painted, index)
    draw_heat(axes, display, painted, index)
    draw_cross(axes, display, painted, finding.peak_voxel)
    place = display.position(painted.query.affine, painted.query.shape, index)
    carried = f" ({finding.carried_by})" if finding.carried_by else ""
    draw_caption(axes, f"finding {finding.rank}{carried}, {display.plane.value}  ·  {place}")


def _slice_words(display: SliceDisplay, painted: PaintedStudy, index: int) -> str:
    result = painted.result
    reduction = result.reduction
    number = index if reduction is None else reduction.middle_voxel(result.slice_axis, index)
    return (
        f"{display.plane.value} slice {number}  ·  "
        f"{display.position(painted.query.affine, painted.query.shape, index)}  ·  "
        f"score {result.slice_scores[index]:.1f}"
    )


def _write_header(figure: Figure, layout: OverlayLayout, name: str, result: AnomalyResult) -> None:
    top, right = layout.size[1] - 0.2, layout.size[0] - 0.2
    count = len(result.findings)
    findings = "no finding" if count == 0 else "1 finding" if count == 1 else f"{count} findings"
    patients = result.calibration.normal_patients
    measures = (
        f"case score {result.case_score:.1f} z",
        f"p = {result.calibration.p_value:.3f} against {patients} normal "
        + ("patient" if patients == 1 else "patients"),
        findings,
        *([" + ".join(use.contrast for use in result.contrasts)] if result.contrasts else []),
    )
    _write(figure, layout, layout.margin, top, _shortened(name), 15, TEXT, weight="bold")
    _write(figure, layout, layout.margin, top - 0.32, "   ·   ".join(measures), 11, TEXT)
    _write(figure, layout, right, top - 0.02, RESEARCH_USE_ONLY, 10, _NOTICE, align="right")


def _write_footer(
    figure: Figure,
    layout: OverlayLayout,
    plane: Plane,
    result: AnomalyResult,
    scale: ColourScale,
    visible: set[int],
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
    if hidden := [finding.rank for finding in result.findings if finding.rank not in visible]:
        named = ", ".join(str(rank) for rank in hidden[:12]) + (", …" if len(hidden) > 12 else "")
        lines.append(f"Findings not in these slices: {named}.")
    _write(figure, layout, layout.margin, layout.footer - 0.12, "\n".join(lines), 8, FAINT)


def _write(
    figure: Figure,
    layout: OverlayLayout,
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
