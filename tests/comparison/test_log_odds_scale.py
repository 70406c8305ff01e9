import pytest
import torch

from d24fad_core.comparison.log_odds_scale import (
    BRIGHT_ML,
    CASE_ML,
    DARK_ML,
    LARGEST_FALL,
    OUTLINE_FALL,
    measure_scale,
    score_case,
)

VOXEL_ML = 0.01


def normal(seed: int, marked_ml: float = 0.0) -> torch.Tensor:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(seed)) * 0.5 - 4.0
    values[: round(marked_ml / VOXEL_ML)] = 6.0
    return values


def marked_ml(values: torch.Tensor, threshold: float) -> float:
    return float((values > threshold).sum()) * VOXEL_ML


def test_the_decoders_threshold_holds_where_normals_bear_it_out() -> None:
    borne_out = (DARK_ML + BRIGHT_ML) / 2
    scale = measure_scale([normal(seed, borne_out) for seed in range(4)], 0.5, VOXEL_ML)
    assert scale.centre + scale.threshold * scale.spread == pytest.approx(0.5, abs=1e-5)
    assert float(scale.z(torch.tensor(0.5))) == pytest.approx(scale.threshold)


def test_the_threshold_rises_until_half_of_the_normals_are_dark() -> None:
    normals = [normal(seed, marked_ml=2.0) for seed in range(3)] + [normal(9)]
    scale = measure_scale(normals, 0.5, VOXEL_ML)
    dark = [marked_ml(scale.z(values), scale.threshold) <= BRIGHT_ML for values in normals]
    assert sum(dark) * 2 >= len(dark)


def test_it_falls_where_normals_are_dark_but_not_without_end() -> None:
    normals = [normal(seed) - 40.0 for seed in range(4)]
    scale = measure_scale(normals, 1.0, VOXEL_ML)
    reached = scale.centre + scale.threshold * scale.spread
    assert reached == pytest.approx(1.0 - LARGEST_FALL, abs=1e-4)
    bounded = measure_scale(normals, 1.0, VOXEL_ML, least=0.5)
    assert bounded.centre + bounded.threshold * bounded.spread == pytest.approx(0.5, abs=1e-4)


def test_it_falls_to_what_the_normals_reach() -> None:
    normals = [values + 4.0 for values in (normal(seed) for seed in range(4))]
    scale = measure_scale(normals, 3.0, VOXEL_ML)
    marked = [marked_ml(scale.z(values), scale.threshold) for values in normals]
    assert sorted(marked)[2] == pytest.approx(DARK_ML, abs=0.1)


def test_outlines_go_by_the_decoders_threshold_wherever_the_scales_lies() -> None:
    for normals in ([normal(seed) for seed in range(4)], [normal(seed, 2.0) for seed in range(4)]):
        scale = measure_scale(normals, 0.5, VOXEL_ML)
        assert scale.lowest_outline == pytest.approx(scale.z_of(0.5 - OUTLINE_FALL))
        another = measure_scale(normals, 0.5, VOXEL_ML, outline=-3.0)
        assert another.lowest_outline == pytest.approx(scale.z_of(-3.0))


def test_one_abnormal_normal_does_not_raise_it() -> None:
    usual = measure_scale([normal(seed) for seed in range(4)], 0.5, VOXEL_ML)
    normals = [normal(0), normal(1), normal(2), normal(3, marked_ml=40.0)]
    scale = measure_scale(normals, 0.5, VOXEL_ML)
    assert scale.centre + scale.threshold * scale.spread == pytest.approx(
        usual.centre + usual.threshold * usual.spread, abs=1e-4
    )
    assert max(scale.case_scores) == scale.case_scores[3]


def test_a_case_is_scored_by_its_highest_millilitre() -> None:
    scores = torch.zeros(5000)
    scores[: round(CASE_ML / VOXEL_ML / 2)] = 8.0
    assert score_case(scores, VOXEL_ML) == pytest.approx(4.0)
    assert score_case(scores[:3], VOXEL_ML) == pytest.approx(8.0)
