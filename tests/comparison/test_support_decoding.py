from dataclasses import replace

import pytest
import SimpleITK as sitk
import torch
from torch import Tensor

from d24fad_core.comparison.normal_response import NormalResponse
from d24fad_core.comparison.support_decoding import (
    SupportViews,
    decode,
    decode_evenly,
    opposite_is_abnormal,
)
from d24fad_core.models.decoder_checkpoint import load_decoder
from d24fad_core.networks.support_decoder import TwofoldDecoder
from tests.comparison.test_deformation import SHAPE, head, stack


@pytest.fixture(scope="module")
def decoder() -> TwofoldDecoder:
    return load_decoder()[0]


def views(study: Tensor, mirror: Tensor) -> SupportViews:
    normals = stack(head(6.0), head(6.2), head(5.8))
    return SupportViews(normals, normals, mirror, mirror, sitk.Transform(3, sitk.sitkIdentity))


def with_lesion(depth: float, wide: int = 5) -> tuple[Tensor, Tensor]:
    """A head with a dark cube, and where it is."""
    place = torch.zeros(SHAPE, dtype=torch.bool)
    place[27 : 27 + wide, 20:25, 16:21] = True
    return head(6.0) - depth * place, place


def test_a_lesion_that_the_other_side_has_not_stands_out(decoder: TwofoldDecoder) -> None:
    study, place = with_lesion(0.4)
    log_odds = decode(decoder, study, views(study, head(6.0)))
    assert log_odds.shape == study.shape
    others = (study > 0.2) & ~place
    assert log_odds[place].mean() > log_odds[others].quantile(0.99)


def test_opposite_a_lesion_it_is_not_the_sides_that_differ(decoder: TwofoldDecoder) -> None:
    study, place = with_lesion(0.4)
    opposite = place.flip(0)
    beside_own = decode(decoder, study, views(study, study.flip(0)))
    # What it would be if the other side were like this one.
    beside_normal = decode(decoder, study, views(study, head(6.0)))
    assert beside_own[place].mean() > beside_normal[opposite].mean() + 4.0
    assert beside_own[opposite].mean() < beside_normal[opposite].mean() + 2.0


def test_the_other_side_is_abnormal_where_it_is_clearly_more_so() -> None:
    log_odds = torch.full(SHAPE, -6.0)
    log_odds[27:32, 20:25, 16:21] = 2.0
    where = opposite_is_abnormal(log_odds, sitk.Transform(3, sitk.sitkIdentity))
    assert where.flip(0)[27:32, 20:25, 16:21].all()
    assert not where[27:32, 20:25, 16:21].any()
    assert not opposite_is_abnormal(log_odds / 3.0, sitk.Transform(3, sitk.sitkIdentity)).any()


def test_what_the_other_side_has_too_is_milder(decoder: TwofoldDecoder) -> None:
    study, place = with_lesion(0.4)
    alone = decode(decoder, study, views(study, head(6.0)))
    on_both = decode(decoder, study, views(study, study))
    assert on_both[place].mean() < alone[place].mean() - 1.0


def test_the_milder_decoder_counts(decoder: TwofoldDecoder) -> None:
    study, place = with_lesion(0.4)
    seen = views(study, head(6.0))
    explained = replace(seen, in_shape=seen.in_shape.with_intensities(study.repeat(3, 1, 1, 1)))
    assert (
        decode(decoder, study, explained)[place].mean()
        < decode(decoder, study, seen)[place].mean() - 1.0
    )


def test_a_thin_sheet_counts_less_than_a_lesion(decoder: TwofoldDecoder) -> None:
    thick, place = with_lesion(0.4)
    thin, sheet = with_lesion(0.4, wide=1)
    of_lesion = decode(decoder, thick, views(thick, head(6.0)))[place].mean()
    of_sheet = decode(decoder, thin, views(thin, head(6.0)))[sheet].mean()
    assert of_sheet < of_lesion


def test_progress_goes_up_to_one(decoder: TwofoldDecoder) -> None:
    shares: list[float] = []
    study = head(6.0)
    decode(decoder, study, views(study, study), lambda step, share: shares.append(share))
    assert shares == sorted(shares)
    assert len(shares) == 9
    assert shares[0] >= 0.0
    assert shares[-1] < 1.0


def test_after_evening_thin_places_count_half_once_more(
    decoder: TwofoldDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sheet where people hardly differ is lifted by evening; a lesion beside it as well."""
    decoded = torch.full(SHAPE, -8.0)
    decoded[10:15, 10:15, 10:15] = -6.0
    decoded[25:26, 10:20, 10:20] = -6.0
    monkeypatch.setattr(
        "d24fad_core.comparison.support_decoding.decode", lambda *_: decoded.clone()
    )
    study = head(6.0)
    seen = views(study, study)
    # Twice as surprising as at an average place.
    response = NormalResponse(torch.full(SHAPE, -8.0), torch.full(SHAPE, 0.5), -8.0, 1.5)
    evened = decode_evenly(decoder, study, seen, response)
    assert float(evened[12, 12, 12]) == pytest.approx(-4.0)
    assert float(evened[25, 15, 15]) == pytest.approx(-6.0)
    assert torch.equal(decode_evenly(decoder, study, seen, None), decoded)
