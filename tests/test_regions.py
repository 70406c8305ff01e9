"""Connected regions against SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.regions import label_regions


@given(
    arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7)),
)
def test_regions_are_those_of_all_neighbours(mask: NDArray[np.bool_]) -> None:
    labels = label_regions(mask)
    expected, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    assert labels.max(initial=0) == count
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


@pytest.mark.parametrize(
    "mask",
    [
        # Masks that connected-components-3d 4.1.1 gets wrong when they are given as bool.
        [[0, 1, 0, 1, 1], [0, 0, 1, 1, 0], [0, 0, 1, 0, 1]],
        [[1, 0, 1, 1]],
        [[[1, 0, 1, 0, 1, 0]]],
    ],
)
def test_nothing_is_marked_that_was_not(mask: list[object]) -> None:
    given_mask = np.array(mask, bool)
    assert ((label_regions(given_mask) > 0) == given_mask).all()


@given(st.integers(1, 6))
def test_an_empty_mask_has_no_region(side: int) -> None:
    assert label_regions(np.zeros((side, side, side), bool)).max() == 0
