"""Paired differences against the figures worked out from the single runs."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.image_tasks.paired import differences
from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, measure_runs
from tests.evaluation.scored_runs import scored_run


def pair(separation: float = 1.0, draws: int = 3) -> list[ImageScores]:
    """Two methods that see the same images with the same noise; `own` is better by a little."""
    intervals = []
    for draw in range(draws):
        other = scored_run("other", draw=draw, separation=separation)
        better = tuple(
            score + 0.3 * label for score, label in zip(other.scores, other.labels, strict=True)
        )
        intervals += [other, *(replace(other, method="own", seed=s, scores=better) for s in (0, 1))]
    return intervals


def test_a_difference_is_taken_draw_by_draw_on_the_same_images() -> None:
    measured = measure_runs(pair(), rounds=400)
    (row,) = differences(measured, "own", "other")
    rows = {one.row.method: one.row.auroc for one in measured}
    assert row.difference == pytest.approx(rows["own"].mean - rows["other"].mean)
    assert row.draws == 3 and row.shots == 4 and row.deviation is not None
    # Surer than the two intervals let hope: both methods err on the same images.
    assert row.interval[0] >= 0 < row.difference < row.interval[1]
    width = rows["other"].interval[1] - rows["other"].interval[0]
    assert row.interval[1] - row.interval[0] < width / 2
    (back,) = differences(measured, "other", "own")
    assert back.difference == pytest.approx(-row.difference)


def test_only_common_draws_are_compared() -> None:
    runs = [run for run in pair() if run.method == "own" or run.draw != 1]
    measured = measure_runs(runs, rounds=20)
    (row,) = differences(measured, "own", "other")
    expected = [
        np.mean(
            [roc_auc_score(r.labels, r.scores) for r in runs if (r.method, r.draw) == ("own", d)]
        )
        - np.mean(
            [roc_auc_score(r.labels, r.scores) for r in runs if (r.method, r.draw) == ("other", d)]
        )
        for d in (0, 2)
    ]
    assert row.draws == 2 and row.difference == pytest.approx(np.mean(expected))


def test_the_mean_difference_needs_every_task() -> None:
    two = [*pair(), *(replace(run, task="knees") for run in pair(2.0))]
    rows = differences(measure_runs(two, rounds=50), "own", "other")
    assert [row.task for row in rows] == ["hands", "knees", MEAN_OF_TASKS]
    assert rows[2].difference == pytest.approx((rows[0].difference + rows[1].difference) / 2)
    lacking = [*two, scored_run("own", task="feet")]
    rows = differences(measure_runs(lacking, rounds=50), "own", "other")
    assert [row.task for row in rows] == ["hands", "knees"]


def test_methods_without_a_common_draw_or_images_cannot_be_compared() -> None:
    apart = [scored_run("own", draw=0), scored_run("other", draw=1)]
    with pytest.raises(InputError, match="no draw of supports in common"):
        differences(measure_runs(apart, rounds=20), "own", "other")
    unlike = [scored_run("own"), scored_run("other", images=20)]
    with pytest.raises(InputError, match="scored on different images"):
        differences(measure_runs(unlike, rounds=20), "own", "other")
