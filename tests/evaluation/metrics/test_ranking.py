import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import draw_cases
from d24fad_core.evaluation.metrics.ranking import (
    auroc,
    average_precision,
    bootstrap_interval,
    measure_ranking,
    resample_ranking,
    sensitivity_at_specificity,
)

CASES = st.lists(
    st.tuples(st.booleans(), st.integers(-5, 5).map(float)), min_size=2, max_size=30
).filter(lambda cases: len({label for label, _ in cases}) == 2)


@given(CASES)
def test_auroc_is_the_chance_that_an_abnormal_case_scores_higher(
    cases: list[tuple[bool, float]],
) -> None:
    abnormal = [score for label, score in cases if label]
    normal = [score for label, score in cases if not label]
    wins = [(high > low) + 0.5 * (high == low) for high in abnormal for low in normal]
    labels, scores = zip(*cases, strict=True)
    assert auroc(labels, scores) == pytest.approx(np.mean(wins))


@given(CASES)
def test_average_precision_is_precision_averaged_over_recall(
    cases: list[tuple[bool, float]],
) -> None:
    labels, scores = (np.array(values) for values in zip(*cases, strict=True))
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        recall = labels[called].sum() / labels.sum()
        area += (recall - recall_before) * labels[called].mean()
        recall_before = recall
    assert average_precision(labels, scores) == pytest.approx(area)


def test_known_values() -> None:
    labels = [0, 0, 1, 1]
    assert auroc(labels, [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.75)
    assert average_precision(labels, [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert auroc(labels, [1, 2, 3, 4]) == 1.0 and auroc(labels, [4, 3, 2, 1]) == 0.0


@pytest.mark.parametrize("measure", [auroc, average_precision, sensitivity_at_specificity])
@pytest.mark.parametrize("labels", [[0, 0], [1, 1, 1], [True]])
def test_one_class_cannot_be_measured(measure: object, labels: list[int]) -> None:
    with pytest.raises(InputError, match="all cases are of one class"):
        measure(labels, [0.5] * len(labels))


def test_the_interval_holds_the_figure_and_narrows_with_more_cases() -> None:
    generator = np.random.default_rng(0)
    widths = []
    for count in (10, 160):
        labels = [0] * count + [1] * count
        scores = np.concatenate([generator.normal(0, 1, count), generator.normal(1, 1, count)])
        low, high = bootstrap_interval(labels, scores.tolist(), rounds=300)
        assert 0 <= low < auroc(labels, scores) < high <= 1
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


@given(CASES, st.integers(0, 1000))
def test_a_round_of_the_interval_draws_cases_again_within_each_class(
    cases: list[tuple[bool, float]], seed: int
) -> None:
    labels, scores = (np.array(values) for values in zip(*cases, strict=True))
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(part, len(part)) for part in (scores[~labels], scores[labels])]
    expected = auroc(np.repeat([0, 1], [len(part) for part in drawn]), np.concatenate(drawn))
    interval = bootstrap_interval(labels.astype(int).tolist(), scores.tolist(), rounds=1, seed=seed)
    assert interval == pytest.approx((expected, expected))


def test_separate_classes_leave_no_doubt() -> None:
    assert bootstrap_interval([0, 1, 0, 1], [0.0, 1.0, 0.1, 0.9], rounds=50) == (1.0, 1.0)


def best_sensitivity(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """By trying every threshold; a case is called abnormal when it is above."""
    reached = []
    for threshold in (-np.inf, *scores):
        called = scores > threshold
        if (~called[~labels]).mean() >= specificity - 1e-9:
            reached.append(called[labels].mean())
    return max(reached)


@given(CASES, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
def test_sensitivity_is_the_best_that_any_threshold_reaches(
    cases: list[tuple[bool, float]], specificity: float
) -> None:
    labels, scores = (np.array(values) for values in zip(*cases, strict=True))
    sensitivity = sensitivity_at_specificity(labels, scores, specificity)
    assert sensitivity == pytest.approx(best_sensitivity(labels, scores, specificity))


def test_one_of_twenty_normals_may_be_called_abnormal_at_95_percent() -> None:
    labels = [0] * 20 + [1] * 4
    scores = [*range(20), 18.5, 19.5, 17.5, 30]
    assert sensitivity_at_specificity(labels, scores) == 0.75
    scores[18] = 19  # two normals at the top: neither may be called
    assert sensitivity_at_specificity(labels, scores) == 0.5


@given(CASES, st.integers(0, 1000))
def test_resampled_measures_are_those_of_the_cases_written_out(
    cases: list[tuple[bool, float]], seed: int
) -> None:
    labels, scores = (np.array(values) for values in zip(*cases, strict=True))
    drawn = draw_cases(labels, rounds=3, seed=seed)
    samples = resample_ranking(labels, scores, drawn)
    for index, counts in enumerate(drawn.astype(int)):
        again = np.repeat(labels, counts), np.repeat(scores, counts)
        assert samples.auroc[index] == pytest.approx(auroc(*again))
        assert samples.average_precision[index] == pytest.approx(average_precision(*again))
        assert samples.sensitivity[index] == pytest.approx(sensitivity_at_specificity(*again))


def test_measures_stand_inside_their_intervals() -> None:
    generator = np.random.default_rng(0)
    labels = [0] * 60 + [1] * 60
    scores = [*generator.normal(0, 1, 60), *generator.normal(1.5, 1, 60)]
    figures = measure_ranking(labels, scores, rounds=300)
    assert figures.auroc.value == auroc(labels, scores)
    assert figures.auroc.interval == bootstrap_interval(labels, scores, rounds=300)
    for estimate in (figures.auroc, figures.average_precision, figures.sensitivity):
        assert estimate.interval is not None
        assert estimate.interval[0] < estimate.value < estimate.interval[1]


def test_scores_that_are_no_numbers_are_counted() -> None:
    with pytest.raises(InputError, match=r"1 of 3 scores are not finite"):
        auroc([0, 1, 1], [0.0, float("nan"), 1.0])


def test_labels_and_scores_must_belong_together() -> None:
    with pytest.raises(InputError, match=r"shape \(2,\) and scores of shape \(3,\)"):
        auroc([0, 1], [1, 2, 3])


def test_a_specificity_beyond_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"specificity of 95"):
        sensitivity_at_specificity([0, 1], [0, 1], 95)
