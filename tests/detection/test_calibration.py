import pytest

from d24fad_core.detection.calibration import UNIT, conformal_p_value, summarise


@pytest.mark.parametrize(
    ("score", "expected"), [(10.0, 0.2), (4.0, 0.4), (3.5, 0.4), (2.0, 0.8), (0.0, 1.0)]
)
def test_the_p_value_counts_normals_that_score_as_high(score: float, expected: float) -> None:
    assert conformal_p_value(score, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(expected)


def test_without_normals_nothing_is_certain() -> None:
    assert conformal_p_value(1e9, []) == 1.0


@pytest.mark.parametrize(("count", "smallest"), [(8, 0.111), (19, 0.05), (20, 0.048), (99, 0.01)])
def test_the_statement_says_what_so_many_normals_can_certify(count: int, smallest: float) -> None:
    summary = summarise(9.0, [1.0] * count, 3.0, translated=False)
    assert summary.p_value == pytest.approx(smallest, abs=5e-4)
    assert f"counts the {count} normal patients of the support set" in summary.statement
    assert f"{summary.p_value:.3f}" in summary.statement
    assert "optimistic" not in summary.statement
    assert (summary.normal_patients, summary.threshold, summary.unit) == (count, 3.0, UNIT)
    assert summary.normal_case_scores == (1.0,) * count


def test_two_normals_are_said_to_be_optimistic() -> None:
    statement = summarise(9.0, [1, 2], 3.0, translated=False).statement
    assert "optimistic; add a third" in statement


def test_translated_normals_are_said_to_share_their_units() -> None:
    statement = summarise(9.0, [1, 2, 3, 4], 3.0, translated=True).statement
    assert "units that they all share, so the p-value is optimistic" in statement
