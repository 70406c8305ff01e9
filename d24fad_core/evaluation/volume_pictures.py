"""The best and the worst case of a benchmark on volumes, with the truth beside the heatmap."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.export.pictures.display import SliceDisplay
from d24fad_core.export.pictures.png_file import write_png
from d24fad_core.volumes.volume import Volume

_TRUTH, _MARKED = "#4dd0e1", "white"
_DPI = 110


def draw_case(
    volume: Volume,
    truth: NDArray[np.bool_],
    heatmap: NDArray[np.float32],
    threshold: float,
    title: str,
    path: Path,
) -> None:
    """Draw two slices of a case, each without and with the heatmap, lesions outlined.

    The first is the slice with most lesion voxels, the second the one with the highest score.

    Args:
        volume: the case.
        truth: True inside lesions, on its grid.
        heatmap: z units on its grid.
        threshold: z from which the heatmap is shown.
        title: what to write above.
        path: PNG, written whole or not at all.
    """
    axis = _slice_axis(volume)
    others = tuple(other for other in range(3) if other != axis)
    largest = int(truth.sum(axis=others).argmax())
    highest = int(heatmap.max(axis=others).argmax())
    display = SliceDisplay.of(volume.affine, axis)
    scale = ColourScale.above(max(threshold, 0.0))
    height, width = display.size_mm(volume.shape)
    figure = Figure(
        figsize=(12.0, 11.4 / 4 * height / width + 0.8), layout="constrained", facecolor="white"
    )
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(1, 4)
    rows = ((largest, "most lesion"), (highest, "highest score"))
    for number, (index, words) in enumerate(rows):
        for column, with_heatmap in enumerate((False, True)):
            axes = panels[2 * number + column]
            _draw_slice(axes, display, volume, index)
            if with_heatmap:
                image = axes.imshow(
                    display.picture(heatmap, index),
                    **{"cmap": "inferno", "vmin": 0.0, "vmax": scale.maximum},
                    extent=(0.0, width, height, 0.0),
                )
                _outline(axes, display, display.picture(heatmap >= threshold, index), _MARKED)
            _outline(axes, display, display.picture(truth, index), _TRUTH)
            axes.set(xlim=(0.0, width), ylim=(height, 0.0))
            what = "heatmap" if with_heatmap else words
            axes.set_title(f"{display.plane.value} {index}: {what}", fontsize=9)
    figure.colorbar(image, ax=panels, fraction=0.02, pad=0.01, label="anomaly score, z")
    figure.supxlabel(
        f"Blue outline: lesion. White outline: marked, z of {threshold:.1f} and more. "
        f"{RESEARCH_USE_ONLY}",
        fontsize=8,
    )
    write_png(figure, path, _DPI)


def best_and_worst(case_aurocs: dict[str, float]) -> Sequence[tuple[str, str]]:
    """("best", case) and ("worst", case) by the voxel AUROC of each lesion case by itself."""
    ordered = sorted(case_aurocs, key=lambda name: (-case_aurocs[name], name))
    if len(ordered) == 1:
        return [("only", ordered[0])]
    return [("best", ordered[0]), ("worst", ordered[-1])]


def _draw_slice(axes: Axes, display: SliceDisplay, volume: Volume, index: int) -> None:
    height, width = display.size_mm(volume.shape)
    inside = volume.array[volume.array > volume.array.min()]
    low, high = np.percentile(inside, (1.0, 99.5)) if inside.size else (0.0, 1.0)
    axes.imshow(
        display.picture(volume.array, index),
        cmap="gray",
        vmin=float(low),
        vmax=float(max(high, low + 1e-6)),
        extent=(0.0, width, height, 0.0),
    )
    axes.set_axis_off()


def _outline(axes: Axes, display: SliceDisplay, inside: NDArray[np.bool_], colour: str) -> None:
    """Outline what is inside, in mm of the picture."""
    if not inside.any():
        return
    # The border closes the outlines of what touches the picture's edge.
    padded = np.pad(inside, 1).astype(np.float64)
    rows = (np.arange(padded.shape[0]) - 0.5) * display.row_mm
    columns = (np.arange(padded.shape[1]) - 0.5) * display.column_mm
    axes.contour(columns, rows, padded, levels=[0.5], colors=[colour], linewidths=1.0)


def _slice_axis(volume: Volume) -> int:
    """The array axis with the widest spacing, or the one nearest to head-foot of a fine scan."""
    spacing = np.array(volume.spacing)
    if spacing.max() > 1.5 * spacing.min():
        return int(spacing.argmax())
    return int(np.abs(volume.affine[2, :3]).argmax())
