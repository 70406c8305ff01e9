import pytest
import torch

from d24fad_core.training.losses import cosine_loss, self_distillation_loss, teacher_student_loss

FIRST = tuple(
    torch.randn(3, width, size, size, generator=torch.Generator().manual_seed(size))
    for width, size in ((4, 8), (6, 4), (8, 2))
)
SECOND = tuple(
    torch.randn(3, width, size, size, generator=torch.Generator().manual_seed(size + 1))
    for width, size in ((4, 8), (6, 4), (8, 2))
)


def test_flattened_it_is_one_minus_the_cosine_of_whole_images() -> None:
    expected = 0.0
    for one, other in zip(FIRST, SECOND, strict=True):
        for a, b in zip(one, other, strict=True):
            expected += float(1 - (a * b).sum() / (a.norm() * b.norm())) / 3
    assert float(cosine_loss(FIRST, SECOND, per_position=False)) == pytest.approx(expected)


def test_per_position_it_is_the_mean_over_positions() -> None:
    expected = 0.0
    for one, other in zip(FIRST, SECOND, strict=True):
        cosine = (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))
        expected += float((1 - cosine).mean())
    assert float(cosine_loss(FIRST, SECOND, per_position=True)) == pytest.approx(expected)


@pytest.mark.parametrize("per_position", [False, True])
def test_same_features_lose_nothing_and_opposite_ones_two_a_scale(per_position: bool) -> None:
    scaled = tuple(3.0 * each for each in FIRST)
    opposite = tuple(-each for each in FIRST)
    assert float(cosine_loss(FIRST, scaled, per_position=per_position)) == pytest.approx(
        0.0, abs=1e-5
    )
    assert float(cosine_loss(FIRST, opposite, per_position=per_position)) == pytest.approx(6.0)


@pytest.mark.parametrize("loss", [teacher_student_loss, self_distillation_loss])
def test_both_losses_are_the_papers_unless_told_otherwise(loss) -> None:  # type: ignore[no-untyped-def]
    assert loss(FIRST, SECOND) == cosine_loss(FIRST, SECOND, per_position=False)
    assert loss(FIRST, SECOND, per_position=True) == cosine_loss(FIRST, SECOND, per_position=True)


def test_scales_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        cosine_loss(FIRST, SECOND[:2], per_position=False)
