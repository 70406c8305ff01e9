import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.errors import InputError
from d24fad_core.evaluation.metrics import auroc, average_precision, bootstrap_interval

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


@pytest.mark.parametrize("measure", [auroc, average_precision])
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
