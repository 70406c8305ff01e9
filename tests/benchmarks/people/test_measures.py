from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.people.cohorts import Truth
from benchmarks.people.measures import mean_of_draws, measure, measure_kinds
from benchmarks.people.methods import Score
from benchmarks.people.scores import (
    CaseFigures,
    ScoredCase,
    compare,
    is_done,
    read_scored,
    write_case,
)
from tests.benchmarks.people.small_people import person

FIGURES = CaseFigures("case", "someone", "pathology", "mass", *(0.0,) * 7, findings=0, seconds=1.0)


def _scored(
    number: int, lesion: bool, heat: np.ndarray | None = None, *, clear: bool = True
) -> ScoredCase:
    study = person(number)
    truth = np.zeros(study.brain.shape, bool)
    if lesion:
        truth[20:24, 24:28, 18:22] = True
    heatmap = np.where(study.brain, 0.1, 0) + truth if heat is None else heat
    score = Score(heatmap.astype(np.float32), heatmap > 0.5, float(heatmap.max()), 0.5)
    figures = replace(FIGURES, case=f"c{number}", generator="pathology" if lesion else "")
    return compare(figures, study, Truth(truth, truth & clear), score)


def test_volumes_are_measured_in_ml_and_outside_the_brain_too() -> None:
    study = person(0)
    heat = np.where(study.brain, 0.1, 0)
    heat[20:24, 24:28, 18:20] = 1.0
    heat[0:2, 0:2, 0] = 1.0
    figures = _scored(0, True, heat).figures
    assert figures.truth_ml == pytest.approx(64 * 0.064)
    assert figures.marked_ml == pytest.approx(36 * 0.064)
    assert figures.marked_outside_brain_ml == pytest.approx(4 * 0.064)
    assert (figures.overlap_ml, figures.touching_ml) == pytest.approx((32 * 0.064,) * 2)
    assert figures.findings == 2
    assert figures.dice == pytest.approx(2 * 32 / (36 + 64))
    assert figures.volume_error == pytest.approx(0.5)


def test_what_was_not_analysed_counts_as_lowest() -> None:
    heat = np.where(person(0).brain, 3.0, 0)
    heat[20:24, 24:28, 18:22] = 0
    heat[25, 20, 20] = -1.0
    scored = _scored(0, True, heat)
    assert (scored.heatmap[scored.truth] == -1.0).all()


def test_a_case_is_read_as_it_was_written(tmp_path: Path) -> None:
    scored = _scored(0, True)
    write_case(tmp_path, scored)
    assert is_done(tmp_path, "c0")
    again = read_scored(tmp_path, "c0")
    assert again.figures == scored.figures
    assert again.clear.any()
    for name in ("truth", "clear", "considered", "marked"):
        assert (getattr(again, name) == getattr(scored, name)).all()
    inside = scored.considered
    assert (again.heatmap[inside] == scored.heatmap[inside]).all()
    assert again.spacing == scored.spacing


def test_a_perfect_method_reaches_everything() -> None:
    cases = [_scored(number, number < 2) for number in range(4)]
    measures = measure(cases, rounds=20)
    for name in (
        "voxel_auroc",
        "average_precision",
        "aupro",
        "froc",
        "froc_clear",
        "volume_auroc",
        "hit",
    ):
        assert getattr(measures, name).value == pytest.approx(1.0), name
    assert measures.dice.value == pytest.approx(1.0)
    assert measures.volume_error.value == pytest.approx(0.0)
    assert (measures.untouched_ml.value, measures.untouched_findings.value) == (0, 0)


def test_marks_in_untouched_people_count() -> None:
    heat = np.where(person(2).brain, 0.1, 0)
    heat[20:24, 24:28, 18:22] = 1.1
    cases = [_scored(0, True), _scored(1, False), _scored(2, False, heat)]
    measures = measure(cases, rounds=20)
    assert measures.untouched_ml.value == pytest.approx(64 * 0.064 / 2)
    assert measures.untouched_ml.interval is not None
    assert measures.untouched_findings.value == 0.5
    assert measures.volume_auroc.value == pytest.approx(0.75)


def test_the_mean_of_draws_is_that_of_values_and_bounds() -> None:
    good = measure([_scored(number, number < 2) for number in range(4)], rounds=20)
    heat = np.where(person(0).brain, 0.1, 0)
    bad = measure(
        [_scored(0, True, heat), _scored(1, True, heat), _scored(2, False), _scored(3, False)],
        rounds=20,
    )
    mean = mean_of_draws([good, bad])
    assert mean.dice.value == pytest.approx(0.5)
    assert mean.dice.interval == pytest.approx((0.5, 0.5))
    faint = measure([_scored(0, True, clear=False), _scored(1, False)], rounds=20)
    assert faint.froc_clear is None
    assert mean_of_draws([good, faint]).froc_clear == good.froc_clear


def test_kinds_are_measured_apart() -> None:
    other = _scored(1, True)
    other = replace(other, figures=replace(other.figures, kind="lacunes"))
    kinds = measure_kinds([_scored(0, True), other, _scored(2, False)])
    assert [(kind.kind, kind.cases) for kind in kinds] == [("lacunes", 1), ("mass", 1)]
    assert kinds[0].average_precision == pytest.approx(1.0)
