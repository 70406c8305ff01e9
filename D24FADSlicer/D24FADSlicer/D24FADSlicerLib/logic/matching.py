"""Which place of a support study a place of the case is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .records import Document, items, malformed, text

_SHARE_OF_BRIGHTEST = 0.1


@dataclass(frozen=True)
class SupportMatch:
    """How the analysis laid a support study over the case.

    Attributes:
        image: the support study's id on the server.
        query_to_support: 4x4 matrix, row by row, from RAS mm of the case to RAS mm of the support.
    """

    image: str
    query_to_support: tuple[tuple[float, ...], ...]

    @classmethod
    def read(cls, document: Document) -> SupportMatch:
        """Read it from an answer.

        Raises:
            ExplainedError: the answer has no usable matrix.
        """
        try:
            matrix = np.asarray(document.get("query_to_support"), np.float64)
        except (TypeError, ValueError):
            matrix = np.zeros(0)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise malformed("a match has no 4x4 matrix")
        rows = tuple(tuple(float(value) for value in row) for row in matrix)
        return cls(text(document, "image"), rows)

    def place_of(self, ras_mm: tuple[float, float, float]) -> tuple[float, float, float]:
        """The place of the support, RAS mm, that a place of the case was compared with."""
        x, y, z, _ = np.asarray(self.query_to_support) @ np.asarray([*ras_mm, 1.0])
        return float(x), float(y), float(z)


@dataclass(frozen=True)
class Matches:
    """How the analysis laid each support study over the case.

    Attributes:
        result: the result's id on the server.
        supports: in the order of the result.
        document: the server's answer as it came, for the scene.
    """

    result: str
    supports: tuple[SupportMatch, ...]
    document: Document = field(compare=False, repr=False)

    @classmethod
    def read(cls, document: Document) -> Matches:
        """Read it from an answer.

        Raises:
            ExplainedError: the answer lacks one of its parts.
        """
        supports = tuple(SupportMatch.read(item) for item in items(document))
        return cls(text(document, "result"), supports, document)

    def of(self, image: str) -> SupportMatch:
        """The match of a support study.

        Raises:
            ExplainedError: the answer does not name it.
        """
        for support in self.supports:
            if support.image == image:
                return support
        raise malformed(f"the matches do not name {image!r}")


def foreground_range(array: NDArray[Any], axis: int) -> tuple[int, int]:
    """The first and last slice that show the body.

    Args:
        array: voxels; air is darkest.
        axis: the axis that slices are stacked along.

    Returns:
        Indices of the first and last slice; the whole range of an image without contrast.
    """
    means = np.asarray(array, np.float32).mean(
        axis=tuple(other for other in range(array.ndim) if other != axis)
    )
    span = float(means.max() - means.min())
    if span <= 0:
        return 0, len(means) - 1
    inside = np.nonzero(means - means.min() > _SHARE_OF_BRIGHTEST * span)[0]
    return int(inside[0]), int(inside[-1])


def matched_slice(index: int, query: tuple[int, int], support: tuple[int, int]) -> int:
    """The support's slice at the same relative place along the body.

    Args:
        index: slice of the case.
        query: first and last slice of the case that show the body.
        support: the same of the support study.
    """
    first, last = query
    place = (index - first) / max(last - first, 1)
    place = min(max(place, 0.0), 1.0)
    return round(support[0] + place * (support[1] - support[0]))
