"""The other side of a symmetric organ, and what it says of a change."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.change.kinds import measure_change
from d24fad_core.change.other_side import other_side
from d24fad_core.change.pair import RegisteredPair, register_pair
from d24fad_core.change.regions import ChangedRegion
from d24fad_core.change.result import ChangeKind
from d24fad_core.regions import box_around
from d24fad_core.volumes.volume import Volume
from tests.change.patient import FINE, Lesion, Pose, scan_patient
from tests.support.phantom import CENTRE, GRIDS, Grid, positions

# In a fold between two tissues: what surrounds it cannot say which of the two it should be.
FOCUS = Lesion((-18.0, 0.0, 6.0), 5.0, 60.0)
POSE = Pose(4.0, shift=(3.0, -2.0, 4.0))


def symmetric(scan: Volume, layer: float = 60.0) -> Volume:
    """The phantom with sides alike: a dark layer through the focus, on both sides."""
    where = positions(scan.affine, scan.shape) - CENTRE
    depth = np.abs(np.abs(where[..., 0]) - 18.0)
    folds = 60.0 + layer * np.clip(depth / 6.0, 0.0, 1.0) + 10.0 * np.cos(where[..., 1] / 6.0)
    return replace(scan, array=np.where(scan.array > 0, folds, 0.0).astype(np.float32))


def with_focus(scan: Volume, level: float) -> Volume:
    where = positions(scan.affine, scan.shape) - FOCUS.place
    inside = np.linalg.norm(where, axis=-1) < FOCUS.radius
    return replace(scan, array=np.where(inside, level, scan.array).astype(np.float32))


def noisy(scan: Volume, seed: int) -> Volume:
    noise = np.random.default_rng(seed).normal(0.0, 1.5, scan.shape)
    return replace(scan, array=np.where(scan.array > 0, scan.array + noise, 0).astype(np.float32))


def region_of(pair: RegisteredPair) -> ChangedRegion:
    """The focus, as if it had been outlined exactly."""
    distance = np.linalg.norm(positions(pair.affine, pair.case.shape) - FOCUS.place, axis=-1)
    first, second, third = box_around(distance < FOCUS.radius, pair.spacing, 8.0)
    box = (first, second, third)
    inside: NDArray[np.bool_] = distance[box] < FOCUS.radius
    one, two, three = np.unravel_index(int(distance.argmin()), distance.shape)
    amount = float(np.median((pair.case - pair.prior)[box][inside]))
    return ChangedRegion(box, inside, (int(one), int(two), int(three)), 9.0, amount)


def pair_of(grid: Grid, now: float | None, before: float | None) -> RegisteredPair:
    plain = symmetric(scan_patient(grid, noise=0.0))
    studies = [
        noisy(plain if level is None else with_focus(plain, level), seed)
        for seed, level in enumerate((now, before))
    ]
    return register_pair(studies[0], replace(studies[1], name="prior"))


def other_side_of(pair: RegisteredPair) -> NDArray[np.float32]:
    mirrored = other_side(pair)
    if mirrored is None:
        raise AssertionError("the sides of the phantom are not alike")
    return mirrored


@pytest.mark.parametrize("name", GRIDS)
def test_the_mirror_image_lies_on_the_study_whatever_its_grid(name: str) -> None:
    pair = pair_of(GRIDS[name], None, None)
    mirrored = other_side_of(pair)
    both = pair.inside & (mirrored > 0)
    assert both.sum() > 0.9 * pair.inside.sum()
    assert np.corrcoef(mirrored[both], pair.case[both])[0, 1] > 0.7


def test_where_sides_differ_nothing_is_mirrored() -> None:
    pair = register_pair(scan_patient(seed=1), scan_patient(seed=2, pose=POSE, name="prior"))
    assert other_side(pair) is None


@pytest.mark.parametrize("level", [100.0, 160.0], ids=["like the tissue beside", "like none"])
@pytest.mark.parametrize("appeared", [True, False])
def test_the_study_that_resembles_the_other_side_is_the_normal_one(
    level: float, *, appeared: bool
) -> None:
    """Also where it differs more from its surroundings, in a dark layer, than the lesion does."""
    pair = pair_of(FINE, level if appeared else None, None if appeared else level)
    measure = measure_change(pair, region_of(pair), None, other_side(pair))
    assert measure.kind is (ChangeKind.NEW if appeared else ChangeKind.GONE)
