"""Blocks of voxels: their means lie where the voxels do, and come back to the same voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.volumes.reduction import (
    LARGEST_WHOLE_SCAN,
    Reduction,
    block_means,
    choose_factors,
    reduced_affine,
)
from tests.io.stored_studies import affines

shapes = st.tuples(*[st.integers(2, 13)] * 3)
factors_of_any_size = st.tuples(*[st.integers(1, 5)] * 3)


@given(shape=shapes, factors=factors_of_any_size, order=st.sampled_from("CF"))
def test_a_block_has_the_mean_of_its_voxels(shape, factors, order) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = array.copy()
    means = block_means(np.asarray(array, order=order), factors)
    assert means.dtype == np.float32 and means.flags.f_contiguous
    assert means.shape == tuple(-(-n // factor) for n, factor in zip(shape, factors, strict=True))
    for index in np.ndindex(means.shape):
        block = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        assert means[index] == pytest.approx(array[block].mean(), abs=1e-6)
    np.testing.assert_array_equal(array, before)


@given(affine=affines(), factors=factors_of_any_size, blocks=shapes)
def test_a_block_lies_in_the_middle_of_its_voxels(affine, factors, blocks) -> None:
    shape = tuple(n * factor for n, factor in zip(blocks, factors, strict=True))
    where = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    reduced = reduced_affine(affine, factors)
    for axis in range(3):
        middles = block_means(where[..., axis].astype(np.float32), factors)
        grid = np.moveaxis(np.indices(blocks), 0, -1)
        expected = grid @ reduced[axis, :3] + reduced[axis, 3]
        np.testing.assert_allclose(middles, expected, atol=1e-3)


@given(shape=shapes, factors=factors_of_any_size)
def test_every_source_voxel_gets_the_value_of_its_block(shape, factors) -> None:
    reduction = Reduction(shape, np.eye(4), factors, "")
    blocks = [-(-n // factor) for n, factor in zip(shape, factors, strict=True)]
    array = np.random.default_rng(0).normal(size=blocks).astype(np.float32)
    source = np.stack(list(reduction.source_slices(array)), axis=2)
    assert source.shape == shape
    for voxel in np.ndindex(shape):
        assert source[voxel] == array[tuple(np.array(voxel) // factors)]
    np.testing.assert_allclose(block_means(source, factors), array, atol=1e-6)


@given(shape=shapes, factors=factors_of_any_size)
def test_blocks_cover_an_axis_without_gap_or_overlap(shape, factors) -> None:
    reduction = Reduction(shape, np.eye(4), factors, "")
    for axis in range(3):
        first, last = reduction.first_voxels(axis), reduction.last_voxels(axis)
        assert first[0] == 0 and last[-1] == shape[axis] - 1
        np.testing.assert_array_equal(first[1:], last[:-1] + 1)
        assert reduction.block_lengths(axis).sum() == shape[axis]
        for block in range(len(first)):
            assert first[block] <= reduction.middle_voxel(axis, block) <= last[block]


@given(
    shape=st.tuples(*[st.integers(64, 4096)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 8)] * 3),
)
def test_a_large_scan_keeps_between_a_sixteenth_and_an_eighth_of_the_limit(shape, spacing) -> None:
    largest = LARGEST_WHOLE_SCAN
    if np.prod(shape) <= largest:
        return
    factors = choose_factors(shape, spacing, largest)
    sizes = [-(-n // factor) for n, factor in zip(shape, factors, strict=True)]
    assert largest / 17 < np.prod(sizes) <= largest / 8
    assert min(sizes) >= 2


def test_voxels_become_as_even_sided_as_may_be() -> None:
    assert choose_factors((1024, 1024, 1000), (0.2, 0.2, 0.2), 2**28) == (4, 3, 3)
    assert choose_factors((2048, 2048, 90), (0.2, 0.2, 3.0), 2**28) == (4, 3, 1)


def test_a_cube_above_the_limit_keeps_twice_the_pixels_of_the_network() -> None:
    for side in range(646, 2000, 50):
        factors = choose_factors((side, side, side), (0.3, 0.3, 0.3), LARGEST_WHOLE_SCAN)
        assert side // max(factors) >= 215
        assert np.mean([side / factor for factor in factors]) >= 256


def test_an_axis_keeps_two_blocks() -> None:
    factors = choose_factors((5, 5, 100), (0.1, 0.1, 5.0), 160)
    assert factors[:2] == (4, 4)
