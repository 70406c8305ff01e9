"""Markdown tables of a benchmark on volumes."""

from collections.abc import Callable, Sequence

import numpy as np

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_tables import markdown_table
from d24fad_core.benchmark.volume_cells import FUSION
from d24fad_core.benchmark.volumes import VolumeResult
from d24fad_core.evaluation.metrics.bootstrap import Estimate

_Figure = Callable[[VolumeResult], Estimate | None]

_FIGURES: dict[str, _Figure] = {
    "voxel AUROC": lambda result: result.evaluation.voxels.auroc,
    "voxel AP": lambda result: result.evaluation.voxels.average_precision,
    "AUPRO": lambda result: result.evaluation.voxels.aupro,
    "best Dice": lambda result: result.evaluation.voxels.best_dice,
    "Dice": lambda result: result.evaluation.voxels.dice,
    "FROC": lambda result: result.evaluation.lesions.mean,
    "volume AUROC": lambda result: (
        None if result.evaluation.volumes is None else result.evaluation.volumes.auroc
    ),
}

_READING = """\
Voxels are those of the foreground of all cases together; lesion voxels outside it count as missed.
*Voxel AP* has the prevalence as its chance level. *AUPRO* is the area under the per-region overlap
up to a false-positive rate of 0.3, divided by it. *Best Dice* is the highest that one threshold
reaches, chosen with the truth: an upper bound; *Dice* is at the threshold that the support alone
sets. *FROC* is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan; a
lesion is hit by a local maximum of the heatmap inside it. In brackets the 95 % bootstrap interval
over cases, resampled among those with and without lesions; one case has none. Seconds are the mean
of one analysis on this machine, all planes of a fusion added up."""


def volume_table(results: Sequence[VolumeResult]) -> str:
    """All tables as one Markdown document: each contrast, then the means over contrasts.

    Args:
        results: of any number of contrasts.
    """
    blocks = ["# Benchmark on volumes", f"**{RESEARCH_USE_ONLY}**", _READING]
    contrasts = list(dict.fromkeys(result.contrast for result in results))
    for contrast in contrasts:
        selection = [result for result in results if result.contrast == contrast]
        voxels = selection[0].evaluation.voxels
        kind = "case" if voxels.images == 1 else "cases"
        blocks.append(f"## {contrast}")
        blocks.append(
            f"{voxels.images} {kind}, {voxels.lesions} lesions; prevalence {voxels.prevalence:.2%}."
        )
        blocks.append(_contrast_table(selection))
        blocks.append("Sensitivity at false positives a scan:")
        blocks.append(_froc_table(selection))
    if len(contrasts) > 1:
        blocks.append("## Mean of contrasts")
        blocks.append(_mean_table(results, contrasts))
    return "\n\n".join(blocks) + "\n"


def _contrast_table(results: Sequence[VolumeResult]) -> str:
    lines = []
    for result in results:
        measured = result.evaluation
        lines.append(
            [
                f"`{result.method}`",
                result.planes,
                *(_estimate(figure(result)) for figure in _FIGURES.values()),
                f"{measured.lesions_hit:.0%}",
                "-"
                if measured.normal_voxels_marked is None
                else f"{measured.normal_voxels_marked:.2%}",
                f"{result.seconds:.1f}",
            ]
        )
    heading = [
        *("method", "planes", *_FIGURES),
        *("lesion cases hit", "normal voxels marked", "seconds a case"),
    ]
    return markdown_table(heading, lines)


def _froc_table(results: Sequence[VolumeResult]) -> str:
    rates = results[0].evaluation.lesions.rates
    lines = [
        [
            f"`{result.method}`",
            result.planes,
            *(f"{value.value:.2f}" for value in result.evaluation.lesions.sensitivity),
        ]
        for result in results
        if result.planes == FUSION or not any(other.planes == FUSION for other in results)
    ]
    return markdown_table(["method", "planes", *(f"{rate:g}" for rate in rates)], lines)


def _mean_table(results: Sequence[VolumeResult], contrasts: Sequence[str]) -> str:
    by_key: dict[tuple[str, str], list[VolumeResult]] = {}
    for result in results:
        by_key.setdefault((result.method, result.planes), []).append(result)
    lines = []
    for (method, planes), parts in by_key.items():
        if len(parts) < len(contrasts):
            continue
        cells = []
        for figure in _FIGURES.values():
            values = [value.value for part in parts if (value := figure(part)) is not None]
            cells.append(f"{np.mean(values):.3f}" if len(values) == len(parts) else "-")
        lines.append([f"`{method}`", planes, *cells])
    return markdown_table(["method", "planes", *_FIGURES], lines)


def _estimate(value: Estimate | None) -> str:
    if value is None:
        return "-"
    if value.interval is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} ({value.interval[0]:.3f} to {value.interval[1]:.3f})"
