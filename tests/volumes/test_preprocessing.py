import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.volumes.preprocessing import (
    CT_WINDOWS,
    Foreground,
    find_foreground,
    intensity_range,
)
from d24fad_core.volumes.volume import Modality

SHAPE = (48, 40, 30)
GRID = np.moveaxis(np.indices(SHAPE), 0, -1)
HEAD = np.linalg.norm((GRID - (24, 18, 15)) / (16, 12, 10), axis=-1) <= 1
FIRST, LAST = (8, 6, 5), (40, 30, 25)


def mr() -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    return np.where(HEAD, 400 + 10 * noise, np.abs(noise)).astype(np.float32)


def ct() -> NDArray[np.float32]:
    return np.where(HEAD, 40, -1000).astype(np.float32)


def found_in(
    array: NDArray[np.float32],
    modality: Modality,
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
) -> Foreground:
    return find_foreground(array, spacing, modality, "scan")


@pytest.mark.parametrize(("array", "modality"), [(mr(), Modality.MR), (ct(), Modality.CT)])
def test_the_head_is_found(array: NDArray[np.float32], modality: Modality) -> None:
    foreground = found_in(array, modality)
    assert foreground.step == (1, 1, 1)
    assert (foreground.mask != HEAD).mean() < 0.005
    np.testing.assert_allclose(foreground.first, FIRST, atol=1)
    np.testing.assert_allclose(foreground.last, LAST, atol=1)


def test_air_inside_belongs_to_the_body() -> None:
    array = ct()
    lung = np.linalg.norm((GRID - (24, 18, 15)) / (6, 6, 6), axis=-1) <= 1
    array[lung] = -900
    array[24, :18, 12:18] = -900  # open to the outside
    foreground = found_in(array, Modality.CT)
    assert foreground.mask[lung].all()
    assert foreground.mask[24, 18, 15]


def test_the_table_below_a_patient_does_not_belong_to_him() -> None:
    array = ct()
    array[:, 34:37, :] = 0
    array[23, 28:35, 15] = 0  # touches at one voxel
    foreground = found_in(array, Modality.CT)
    assert not foreground.mask[:, 34:, :].any()
    assert foreground.last[1] < 33


def test_the_background_of_mr_may_be_above_zero() -> None:
    foreground = found_in(mr() + 1000, Modality.MR)
    assert (foreground.mask != HEAD).mean() < 0.005


def test_fine_voxels_are_looked_at_every_3_mm_and_counted_in_full() -> None:
    fine = np.kron(ct(), np.ones((2, 2, 2), np.float32))
    foreground = found_in(fine, Modality.CT, (1.5, 1.5, 3.0))
    assert foreground.step == (2, 2, 1)
    assert foreground.mask.shape == (48, 40, 60)
    np.testing.assert_allclose(foreground.first, np.array(FIRST) * 2, atol=2)
    np.testing.assert_allclose(foreground.last, np.array(LAST) * 2 + 1, atol=2)


def test_the_box_ends_with_the_array() -> None:
    whole = np.full((10, 11, 12), 50, np.float32)
    foreground = found_in(whole, Modality.CT, (1.0, 1.0, 1.0))
    assert foreground.first == (0, 0, 0)
    assert foreground.last == (9, 10, 11)


@pytest.mark.parametrize(
    ("array", "modality"),
    [
        (np.full((9, 9, 9), -1000, np.float32), Modality.CT),
        (np.full((9, 9, 9), 7, np.float32), Modality.MR),
    ],
)
def test_where_nothing_stands_out_the_scan_and_its_values_are_named(
    array: NDArray[np.float32], modality: Modality
) -> None:
    with pytest.raises(InputError, match=f"scan: no foreground found .modality {modality.value}"):
        found_in(array, modality)


def test_ct_is_seen_in_the_named_window() -> None:
    foreground = found_in(ct(), Modality.CT)
    for name, window in CT_WINDOWS.items():
        assert intensity_range(ct(), foreground, Modality.CT, name) == window
        assert window[0] < window[1]
    with pytest.raises(ConfigurationError, match="unknown CT window 'kidney'; choose one of body"):
        intensity_range(ct(), foreground, Modality.CT, "kidney")


def test_mr_is_seen_between_robust_limits_of_the_foreground() -> None:
    array = mr()
    array[24, 18, 15] = 1e6  # a spike
    low, high = intensity_range(array, found_in(array, Modality.MR), Modality.MR, "body")
    inside = array[HEAD]
    assert low == pytest.approx(np.percentile(inside, 1), rel=0.05)
    assert high == pytest.approx(np.percentile(inside, 99.5), rel=0.05)


def test_a_flat_foreground_still_has_a_range() -> None:
    array = np.where(HEAD, 100, 0).astype(np.float32)
    array = np.asarray(array)
    low, high = intensity_range(array, found_in(array, Modality.MR), Modality.MR, "body")
    assert high > low
