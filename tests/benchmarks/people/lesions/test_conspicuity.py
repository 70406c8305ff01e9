from dataclasses import replace

import numpy as np
import pytest

from benchmarks.people.lesions.anatomy import Anatomy
from benchmarks.people.lesions.conspicuity import Conspicuity, is_clear, measure_conspicuity

CLEAR = Conspicuity(1, 1.0, 0.8, -0.8, 4.0)
FLUID, GREY, WHITE = 100.0, 600.0, 1000.0


def _white_matter(noise: float = 20.0) -> Anatomy:
    """A cube of noisy white matter at 2 mm, with a margin of 2 voxels in its study."""
    shape = (30, 30, 30)
    signal = WHITE + noise * np.random.default_rng(0).standard_normal(shape)
    zeros = np.zeros(shape, np.float32)
    return Anatomy(
        box=(slice(2, 32),) * 3,
        spacing=np.array([2.0, 2.0, 2.0]),
        signal=signal.astype(np.float32),
        field=np.full(shape, 1.25, np.float32),
        brain=np.ones(shape, bool),
        fluid=zeros,
        grey=zeros,
        white=zeros + 1,
        levels=(FLUID, GREY, WHITE),
        grain=noise,
        depth=zeros,
        to_ventricles=zeros,
        beside_midline=zeros,
        above_centre=zeros,
    )


def _measure(anatomy: Anatomy, *parts: tuple[tuple[slice, ...], float]) -> tuple[Conspicuity, ...]:
    """Conspicuity of boxes whose signal is changed, in units of white less grey matter."""
    signal = anatomy.signal.copy()
    inside = np.zeros(signal.shape, bool)
    for part, change in parts:
        signal[part] += change * (WHITE - GREY)
        inside[part] = True
    array, mask = np.zeros((34, 34, 34), np.float32), np.zeros((34, 34, 34), bool)
    array[anatomy.box], mask[anatomy.box] = signal * anatomy.field, inside
    return measure_conspicuity(anatomy, array, mask)


def _cube(first: int, size: int) -> tuple[slice, ...]:
    return (slice(first, first + size),) * 3


@pytest.mark.parametrize("change", [-0.8, 0.7])
def test_contrast_is_in_units_of_white_less_grey_matter(change: float) -> None:
    (lesion,) = _measure(_white_matter(), (_cube(12, 6), change))
    assert lesion.volume_ml == pytest.approx(216 * 0.008)
    assert lesion.change == pytest.approx(abs(change), abs=0.01)
    assert lesion.contrast == pytest.approx(change, abs=0.02)
    assert lesion.contrast_to_noise == pytest.approx(abs(change) * 400 / 20, rel=0.1)
    assert lesion.clear


def test_lesions_are_measured_apart_and_not_against_each_other() -> None:
    near, other = _measure(_white_matter(), (_cube(8, 5), -0.9), (_cube(15, 5), -0.2))
    assert near.contrast == pytest.approx(-0.9, abs=0.02)
    assert other.contrast == pytest.approx(-0.2, abs=0.02)
    assert (near.clear, other.clear) == (True, False)


def test_what_blends_with_its_surroundings_is_not_clear() -> None:
    anatomy = _white_matter()
    anatomy.signal[::2] -= 0.9 * (WHITE - GREY)
    (lesion,) = _measure(anatomy, ((slice(12, 18, 1), slice(12, 18), slice(12, 18)), -0.45))
    assert abs(lesion.contrast) < 0.5
    assert lesion.contrast_to_noise < 1.2
    assert not lesion.clear


def test_fluid_around_is_no_tissue() -> None:
    anatomy = _white_matter()
    anatomy.signal[:, :, 18:] = FLUID
    (lesion,) = _measure(anatomy, (_cube(12, 6), -0.8))
    assert lesion.contrast == pytest.approx(-0.8, abs=0.03)


def test_soft_edges_and_what_is_far_away_are_not_compared_with() -> None:
    anatomy = _white_matter()
    edge, ring, white = _cube(11, 8), _cube(9, 12), anatomy.signal.copy()
    anatomy.signal[:] -= 0.8 * (WHITE - GREY)
    anatomy.signal[ring] = white[ring]
    anatomy.signal[edge] -= 0.5 * (WHITE - GREY)
    # A voxel around the lesion is half changed; the tissue 4 mm away is white.
    (lesion,) = _measure(anatomy, (_cube(12, 6), -0.4))
    assert lesion.contrast == pytest.approx(-0.9, abs=0.1)


def test_bright_and_dark_parts_do_not_cancel() -> None:
    parts = [((slice(12, 18), slice(12, 18), slice(k, k + 3)), c) for k, c in ((12, -1), (15, 1))]
    (lesion,) = _measure(_white_matter(), *parts)
    assert abs(lesion.contrast) == pytest.approx(1.0, abs=0.03)
    assert lesion.clear


def test_without_tissue_around_there_is_no_contrast() -> None:
    anatomy = _white_matter()
    (lesion,) = _measure(anatomy, (_cube(0, 30), -0.8))
    assert (lesion.contrast, lesion.contrast_to_noise) == (0, 0)
    assert not lesion.clear


@pytest.mark.parametrize(
    "short",
    [{"volume_ml": 0.29}, {"change": 0.49}, {"contrast": -0.49}, {"contrast_to_noise": 2.1}],
)
def test_a_clear_lesion_is_large_and_stands_out(short: dict[str, float]) -> None:
    assert CLEAR.clear
    assert not replace(CLEAR, **short).clear


def test_the_larger_a_lesion_the_less_contrast_it_needs() -> None:
    small = Conspicuity(1, 0.5, 0.8, -0.8, 1.5)
    assert not small.clear
    large = replace(small, volume_ml=4.0)
    assert large.clear
    # Twice the diameter.
    assert large.visibility == pytest.approx(2 * small.visibility)


def test_a_person_with_clear_lesions_has_one_and_a_millilitre() -> None:
    faint = replace(CLEAR, volume_ml=2.0, contrast=0.1)
    small = replace(CLEAR, volume_ml=0.6)
    assert is_clear([CLEAR])
    assert is_clear([small, faint])
    assert not is_clear([faint])
    assert not is_clear([small])
