import pytest
import torch

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.support_decoder import SupportDecoder, SupportDecoderConfig

SMALL = SupportDecoderConfig(channels=10, widths=(4, 6, 8, 10))


@pytest.mark.parametrize("size", [(8, 8), (13, 21), (40, 33)])
def test_the_map_has_the_size_of_the_slices(size: tuple[int, int]) -> None:
    decoder = SupportDecoder(SMALL).eval()
    with torch.inference_mode():
        log_odds = decoder(torch.rand(3, 10, *size))
    assert log_odds.shape == (3, *size)
    assert torch.isfinite(log_odds).all()


def test_a_slice_is_scored_alike_in_any_company() -> None:
    decoder = SupportDecoder(SMALL).eval()
    slices = torch.rand(4, 10, 24, 24)
    with torch.inference_mode():
        alone, together = decoder(slices[2:3]), decoder(slices)
    torch.testing.assert_close(alone[0], together[2])


def test_an_untaught_decoder_takes_most_for_normal() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        log_odds = SupportDecoder(SMALL).eval()(torch.rand(1, 10, 32, 32))
    assert float(log_odds.mean()) < -1.0


@pytest.mark.parametrize("widths", [(4, 4, 4), (4, 0, 4, 4)])
def test_an_architecture_that_cannot_be_is_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="four positive widths"):
        SupportDecoderConfig(widths=widths)  # type: ignore[arg-type]
