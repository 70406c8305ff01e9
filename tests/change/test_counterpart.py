"""Where the other side shows the place of a change, though it lies some millimetres off."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.change.counterpart import counterpart
from d24fad_core.change.kinds import Abnormality, measure_change
from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.result import ChangeKind
from tests.change.patient import FINE
from tests.change.test_other_side import other_side_of, pair_of, region_of

LESION = 100.0
"""Like the tissue beside the layer."""


def moved(mirrored: NDArray[np.float32], pair: RegisteredPair, mm: float) -> NDArray[np.float32]:
    """The other side, some mm off along the first axis, across the layer that the change is in."""
    return np.roll(mirrored, round(mm / pair.spacing[0]), axis=0)


@pytest.fixture(scope="module")
def appeared() -> RegisteredPair:
    """A lesion in the case alone."""
    return pair_of(FINE, LESION, None)


@pytest.fixture(scope="module")
def vanished() -> RegisteredPair:
    """A lesion in the prior alone."""
    return pair_of(FINE, None, LESION)


@pytest.mark.parametrize("off_mm", [0.0, 3.0, -4.0])
def test_the_layer_is_met_where_it_lies_on_the_other_side(
    appeared: RegisteredPair, off_mm: float
) -> None:
    region = region_of(appeared)
    there = counterpart(appeared, region, moved(other_side_of(appeared), appeared, off_mm))
    assert there is not None
    known, normal = there
    before = float(np.median(appeared.prior[region.box][region.inside][known]))
    # Of the tissue beside the layer it would be some 20 more.
    assert normal == pytest.approx(before, abs=6.0)


def test_the_kind_of_a_change_survives_sides_that_lie_off(
    appeared: RegisteredPair, vanished: RegisteredPair
) -> None:
    for pair, kind in ((appeared, ChangeKind.NEW), (vanished, ChangeKind.GONE)):
        mirrored = moved(other_side_of(pair), pair, 4.0)
        assert measure_change(pair, region_of(pair), None, mirrored).kind is kind


@pytest.mark.parametrize("normals_say_new", [True, False])
def test_the_patients_own_other_side_is_asked_before_normals(
    appeared: RegisteredPair, *, normals_say_new: bool
) -> None:
    """Normals decide where it shows nothing."""
    high, low = np.ones_like(appeared.case), np.zeros_like(appeared.case)
    abnormality = Abnormality(*((high, low) if normals_say_new else (low, high)))
    region = region_of(appeared)
    change = measure_change(appeared, region, abnormality, other_side_of(appeared))
    assert change.kind is ChangeKind.NEW
    for nowhere in (None, np.zeros_like(appeared.case)):
        alone = measure_change(appeared, region, abnormality, nowhere)
        assert alone.kind is (ChangeKind.NEW if normals_say_new else ChangeKind.GONE)


def test_without_another_side_nothing_is_said(appeared: RegisteredPair) -> None:
    assert counterpart(appeared, region_of(appeared), np.zeros_like(appeared.case)) is None


def test_a_change_that_fills_all_that_is_compared_has_no_surroundings(
    appeared: RegisteredPair,
) -> None:
    region = region_of(appeared)
    inside = np.zeros_like(appeared.inside)
    inside[region.box] = region.inside
    filled = replace(appeared, inside=inside)
    assert counterpart(filled, region, other_side_of(appeared)) is None
