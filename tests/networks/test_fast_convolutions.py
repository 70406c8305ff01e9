"""Faster forms of a convolution give its results."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d24fad_core.networks.fast_convolutions import FewPositionsConvolution, WinogradConvolution


def exact(convolution: nn.Conv2d, features: torch.Tensor) -> torch.Tensor:
    bias = None if convolution.bias is None else convolution.bias.double()
    return F.conv2d(
        features.double(),
        convolution.weight.double(),
        bias,
        stride=convolution.stride,
        padding=convolution.padding,  # type: ignore[arg-type]
    )


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 19),
    width=st.integers(1, 19),
    batch=st.integers(1, 3),
    channels=st.sampled_from([(3, 5), (16, 8)]),
    bias=st.booleans(),
)
def test_winograd_convolves(
    height: int, width: int, batch: int, channels: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(*channels, 3, padding=1, bias=bias)
    features = torch.randn(batch, channels[0], height, width)
    with torch.inference_mode():
        expected = exact(convolution, features)
        output = WinogradConvolution(convolution)(features)
    assert output.shape == expected.shape
    assert float((output - expected).abs().max()) < 2e-5 * float(expected.abs().max())


@pytest.mark.parametrize("size", [4, 8, 16])
def test_winograd_of_many_channels_stays_near_float64(size: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(512, 512, 3, padding=1)
    features = torch.randn(2, 512, size, size).relu()
    with torch.inference_mode():
        expected = exact(convolution, features)
        output = WinogradConvolution(convolution)(features)
    assert float((output - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_winograd_leaves_channels_last_in_memory() -> None:
    features = torch.randn(2, 8, 8, 8)
    with torch.inference_mode():
        output = WinogradConvolution(nn.Conv2d(8, 8, 3, padding=1))(features)
    assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("suited", "convolution"),
    [
        (True, nn.Conv2d(256, 512, 3, padding=1)),
        (False, nn.Conv2d(128, 512, 3, padding=1)),
        (False, nn.Conv2d(256, 512, 3, padding=1, stride=2)),
        (False, nn.Conv2d(256, 512, 3, padding=0)),
        (False, nn.Conv2d(256, 512, 3, padding="same")),
        (False, nn.Conv2d(256, 512, 3, padding=1, padding_mode="reflect")),
        (False, nn.Conv2d(256, 512, 3, padding=2, dilation=2)),
        (False, nn.Conv2d(512, 512, 3, padding=1, groups=2)),
        (False, nn.Conv2d(256, 512, 1)),
        (False, nn.Conv2d(256, 512, 3, padding=1).bfloat16()),
    ],
)
def test_winograd_is_for_one_form_of_convolution(suited: bool, convolution: nn.Conv2d) -> None:
    assert WinogradConvolution.is_suited(convolution) is suited


@settings(deadline=None, max_examples=30)
@given(
    size=st.integers(4, 8),
    kernel=st.sampled_from([(1, 0), (2, 0), (3, 1), (5, 2)]),
    stride=st.integers(1, 3),
    bias=st.booleans(),
)
def test_few_positions_convolve(
    size: int, kernel: tuple[int, int], stride: int, bias: bool
) -> None:
    torch.manual_seed(0)
    side, padding = kernel
    convolution = nn.Conv2d(6, 5, side, stride=stride, padding=padding, bias=bias)
    features = torch.randn(2, 6, size, size + 1)
    with torch.inference_mode():
        expected = exact(convolution, features)
        output = FewPositionsConvolution(convolution)(features)
    torch.testing.assert_close(output.double(), expected, rtol=1e-5, atol=1e-5)
