"""Convolutions with less arithmetic, or better use of the processor, than PyTorch's on CPUs.

A runtime such as ONNX Runtime would spare this code for the small default network, where it is
faster but saves less than a fifth of a whole request; for the network of the paper it is slower
than what is here (docs/speed.md, "Runtimes").
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEW_POSITIONS = 16
"""Output positions up to which a convolution is faster as one matrix product. Measured on CPU."""

_MANY_CHANNELS = 256
"""Channels from which fewer products outweigh the transforms around them. Measured on CPU."""

_SMALL_TILE, _LARGE_TILE = 2, 4
_LARGE_TILE_FROM = 8
"""Height and width from which large tiles are faster: below, they read more weights than data."""


class FewPositionsConvolution(nn.Module):
    """A convolution that is a matrix product where it has few positions.

    Kernels for convolutions divide their work by position; with 4 x 4 of them and a thousand
    channels they reach a third of the processor's arithmetic.

    Args:
        convolution: a dense one, neither dilated nor padded by name.
        precision: what is multiplied in; sums, bias and result are float32.
    """

    def __init__(self, convolution: nn.Conv2d, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.convolution = convolution
        self._precision = precision
        self._lowered: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the convolution's own output."""
        conv = self.convolution
        (tall, wide), (down, across) = conv.kernel_size, conv.stride
        (above, beside) = (int(length) for length in conv.padding)
        batch, channels, height, width = features.shape
        height, width = height + 2 * above, width + 2 * beside
        rows, columns = (height - tall) // down + 1, (width - wide) // across + 1
        if rows * columns > _FEW_POSITIONS or features.device.type != "cpu":
            output: Tensor = conv(features)
            return output
        lying = features.to(self._precision).permute(0, 2, 3, 1)
        padded = F.pad(lying, (0, 0, beside, beside, above, above)).contiguous()
        image, row, column, channel = padded.stride()
        patches = padded.as_strided(
            (batch, rows, columns, tall, wide, channels),
            (image, row * down, column * across, row, column, channel),
        ).reshape(batch * rows * columns, -1)
        bias = conv.bias if conv.bias is not None else features.new_zeros(())
        products = self._multiplied(patches, bias)
        return products.view(batch, rows, columns, -1).permute(0, 3, 1, 2)

    def _multiplied(self, patches: Tensor, bias: Tensor) -> Tensor:
        if self._precision is torch.float32:
            return torch.addmm(bias, patches, self._weight_columns())
        if self._lowered is None:
            self._lowered = self._weight_columns().to(self._precision)
        return (patches @ self._lowered).float().add_(bias)

    def _weight_columns(self) -> Tensor:
        """(C·h·w, C'), of weights that lie channels-last a view."""
        weight = self.convolution.weight.permute(0, 2, 3, 1)
        return weight.reshape(self.convolution.out_channels, -1).T


class WinogradConvolution(nn.Module):
    """A 3 x 3 convolution of many channels with a fourth, or for small images 4/9, of its products.

    Tiles of the input are transformed so that convolving becomes multiplying (Lavin and Gray 2016,
    "Fast algorithms for convolutional neural networks", F(4x4, 3x3) and F(2x2, 3x3)). In float32
    results are those of the convolution to about 1e-5 of their size; lower precisions would not do.

    Args:
        convolution: one for which `is_suited` holds; a copy of its weights is
            transformed, four times their size for large tiles.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._weight = convolution.weight.detach()
        bias = convolution.bias
        self._bias = bias.detach() if bias is not None else self._weight.new_zeros(())
        self._transformed: dict[int, Tensor] = {}

    @staticmethod
    def is_suited(convolution: nn.Conv2d) -> bool:
        """Whether it has the form, the channels and the precision that this class is for."""
        return (
            convolution.kernel_size == (3, 3)
            and convolution.stride == (1, 1)
            and convolution.padding == (1, 1)
            and convolution.dilation == (1, 1)
            and convolution.groups == 1
            and convolution.padding_mode == "zeros"
            and min(convolution.in_channels, convolution.out_channels) >= _MANY_CHANNELS
            and convolution.weight.dtype == torch.float32
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W), float32."""
        batch, channels, height, width = features.shape
        # By the size of the image alone, so that an image's result does not depend on its batch.
        tile = _LARGE_TILE if min(height, width) >= _LARGE_TILE_FROM else _SMALL_TILE
        rows, columns = -(-height // tile), -(-width // tile)
        below, right = rows * tile - height, columns * tile - width
        padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + below))
        padded = padded.contiguous()
        image, row, column, channel = padded.stride()
        side = tile + 2
        patches = padded.as_strided(
            (side, side, batch, rows, columns, channels),
            (row, column, image, row * tile, column * tile, channel),
        ).reshape(side * side, -1)
        into, out_of = (matrix.to(features) for matrix in _TRANSFORMS[tile])
        products = (into @ patches).view(side * side, -1, channels) @ self._weights(tile)
        results = (out_of @ products.flatten(1)).view(tile, tile, batch, rows, columns, -1)
        whole = results.permute(2, 3, 0, 4, 1, 5).reshape(batch, rows * tile, columns * tile, -1)
        return (whole.add_(self._bias))[:, :height, :width].permute(0, 3, 1, 2)

    def _weights(self, tile: int) -> Tensor:
        """((tile + 2)², C, C') transformed weights, made when first wanted."""
        if tile not in self._transformed:
            kernel = _KERNEL_TRANSFORMS[tile]
            transform = torch.einsum(
                "ia,jb,ocab->ijco", kernel, kernel, self._weight.double().cpu()
            )
            self._transformed[tile] = transform.flatten(0, 1).to(self._weight).contiguous()
        return self._transformed[tile]


def _both_axes(one: list[list[float]]) -> Tensor:
    """The matrix that applies another one along rows and along columns."""
    matrix = torch.tensor(one, dtype=torch.float64)
    return torch.kron(matrix, matrix).float()


_TRANSFORMS = {
    _SMALL_TILE: (
        _both_axes([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
        _both_axes([[1, 1, 1, 0], [0, 1, -1, -1]]),
    ),
    _LARGE_TILE: (
        _both_axes(
            [
                [4, 0, -5, 0, 1, 0],
                [0, -4, -4, 1, 1, 0],
                [0, 4, -4, -1, 1, 0],
                [0, -2, -1, 2, 1, 0],
                [0, 2, -1, -2, 1, 0],
                [0, 4, 0, -5, 0, 1],
            ]
        ),
        _both_axes(
            [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
        ),
    ),
}
"""Per tile: what is applied to patches of the input, and what to their products."""

_KERNEL_TRANSFORMS = {
    _SMALL_TILE: torch.tensor(
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]], dtype=torch.float64
    ),
    _LARGE_TILE: torch.tensor(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        dtype=torch.float64,
    ),
}
