"""Ten test people side by side: slice, truth, map. Outside the brain mask nothing is drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.running import REAL, Settings, TestCase, list_cases
from benchmarks.people.scores import CaseFigures, ScoredCase, is_done, read_scored
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.files import whole_file

_OF_EACH = 5
_AXIAL = 2
_TRUTH, _MARKED = "#4dd0e1", "white"
_DPI = 90


@dataclass(frozen=True, eq=False)
class _Slices:
    """An axial slice of a case: the one with most lesion, or else with the highest score."""

    brain: NDArray[np.float32]
    truth: NDArray[np.float32]
    heat: NDArray[np.float32]
    marked: NDArray[np.float32]
    darkest: float
    brightest: float
    middle: float

    @classmethod
    def of(cls, case: TestCase, scored: ScoredCase) -> "_Slices":
        study, truth = case.read()
        box = ndimage.find_objects((study.brain | truth.inside).astype(np.uint8))[0]
        inside = study.brain[box]
        signal = np.where(inside, study.volume.array[box], 0)
        middle = float(np.median(scored.heatmap[scored.considered]))
        heat = np.where(scored.considered, scored.heatmap, middle)
        orientation = nibabel.orientations.io_orientation(study.volume.affine)
        stacks = [
            nibabel.orientations.apply_orientation(np.asarray(part, np.float32), orientation)
            for part in (signal, scored.truth, heat, scored.marked)
        ]
        beside = tuple(axis for axis in range(3) if axis != _AXIAL)
        profile = stacks[1].sum(axis=beside) if scored.truth.any() else stacks[2].max(axis=beside)
        brain, truth_there, heat_there, marked = (
            np.take(stack, int(profile.argmax()), axis=_AXIAL).T for stack in stacks
        )
        darkest, brightest = np.percentile(signal[inside], (0.5, 99.5))
        return cls(brain, truth_there, heat_there, marked, float(darkest), float(brightest), middle)


def draw_people(settings: Settings, method: str) -> Path | None:
    """Draw five people with lesions and five untouched ones of the first draw.

    Returns:
        The PNG; None where the method has not scored them.
    """
    folder = settings.folder(0, method)
    people = [case for case in _people(settings) if is_done(folder, case.name)]
    if not people:
        return None
    figure = Figure(figsize=(7.5, 2.6 * len(people)), layout="constrained", facecolor="white")
    for row, case in zip(figure.subplots(len(people), 3, squeeze=False), people, strict=True):
        scored = read_scored(folder, case.name)
        _draw_row(row, case, _Slices.of(case, scored), scored.figures)
    figure.suptitle(
        f"{method}, {settings.shots} normals. Blue: lesion. White: marked. {RESEARCH_USE_ONLY}",
        fontsize=8,
    )
    path = settings.out / f"{settings.cohort}-{settings.handed}-K{settings.shots}-{method}.png"
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
    return path


def _people(settings: Settings) -> list[TestCase]:
    cases = list_cases(settings, 0)
    if settings.cohort == REAL:
        return cases
    lesions = [case for case in cases if case.generator]
    untouched = [case for case in cases if not case.generator]
    return [*lesions[:_OF_EACH], *untouched[:_OF_EACH]]


def _draw_row(row: NDArray[Any], case: TestCase, slices: _Slices, figures: CaseFigures) -> None:
    for axes in row[:2]:
        axes.imshow(
            slices.brain, origin="lower", cmap="gray", vmin=slices.darkest, vmax=slices.brightest
        )
    # The same span with and without a lesion: from the brain's middle score past the threshold.
    reach = 1.5 * max(figures.threshold - slices.middle, 1e-6)
    row[2].imshow(
        slices.heat,
        origin="lower",
        cmap="inferno",
        vmin=slices.middle,
        vmax=slices.middle + reach,
    )
    _outline(row[1], slices.truth, _TRUTH)
    _outline(row[2], slices.marked, _MARKED)
    titles = (
        f"{case.person}: {case.kind or 'untouched'}",
        f"lesion {figures.truth_ml:.1f} ml",
        f"score {figures.case_score:.1f}, {figures.marked_ml:.1f} ml marked",
    )
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()


def _outline(axes: Axes, inside: NDArray[np.float32], colour: str) -> None:
    if inside.any():
        axes.contour(inside, levels=[0.5], colors=[colour], linewidths=0.8)
