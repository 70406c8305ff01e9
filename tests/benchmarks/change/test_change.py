"""Pairs with lesions whose truth is known, measured by every method."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.change.measuring import (
    METHODS,
    MeasuredPair,
    TrueLesion,
    measured_once,
    scanned,
)
from benchmarks.change.planting import SimulatedPair, simulate_pair
from benchmarks.change.tables import write_tables
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeKind
from tests.change.patient import FINE, Lesion, Pose, scan_patient


@cache
def simulated(changed: bool) -> SimulatedPair:
    return simulate_pair(scan_patient(FINE, noise=0.0), 5, changed=changed)


def pair(name: str = "pair") -> MeasuredPair:
    """A new dark lesion."""
    focus = Lesion((10.0, -8.0, 6.0), 6.0, 50.0)
    case = scan_patient(lesions=(focus,), seed=1)
    where = np.moveaxis(np.indices(case.shape), 0, -1) @ case.affine[:3, :3].T
    mask = np.linalg.norm(where + case.affine[:3, 3] - focus.place, axis=-1) <= focus.radius
    volume = float(np.count_nonzero(mask)) * case.voxel_ml
    prior = scan_patient(pose=Pose(3.0), seed=2, name="prior")
    lesion = TrueLesion(ChangeKind.NEW, mask, mask, volume, 0.0)
    return MeasuredPair(name, case, prior, (lesion,), darker=True)


def test_a_pair_without_change_has_stable_lesions_alone() -> None:
    lesions = simulated(False).lesions
    assert lesions and {lesion.kind for lesion in lesions} == {ChangeKind.STABLE}
    assert not any(lesion.changed.any() or lesion.changed_ml for lesion in lesions)


def test_lesions_of_a_pair_are_what_their_kinds_say() -> None:
    lesions = simulated(True).lesions
    assert ChangeKind.NEW in {lesion.kind for lesion in lesions}
    for lesion in lesions:
        now, before = lesion.volume_ml, lesion.prior_volume_ml
        assert {
            ChangeKind.NEW: now > before == 0,
            ChangeKind.GROWN: now > before > 0,
            ChangeKind.SHRUNK: before > now > 0,
            ChangeKind.GONE: before > now == 0,
            ChangeKind.STABLE: before == now > 0,
        }[lesion.kind]


def test_a_lesion_is_darker_where_it_is_new() -> None:
    made = simulated(True)
    lesion = next(each for each in made.lesions if each.kind is ChangeKind.NEW)
    healthy = simulated(False).case
    inside = made.case.array[lesion.mask].mean() / np.median(made.case.array[healthy.array > 0])
    before = healthy.array[lesion.mask].mean() / np.median(healthy.array[healthy.array > 0])
    assert inside < 0.9 * before


def test_both_scans_of_a_pair_differ_in_all_that_scanners_do() -> None:
    made = simulated(False)
    assert made.prior.shape[2] <= made.case.shape[2]
    medians = [float(np.median(each.array[each.array > 0])) for each in (made.case, made.prior)]
    assert medians[0] != pytest.approx(medians[1], rel=0.01)


def test_measured_pairs_are_kept_and_make_tables(tmp_path: Path) -> None:
    figures = measured_once(tmp_path / "a.json", pair)
    again = measured_once(tmp_path / "a.json", lambda: pytest.fail("measured twice"))
    assert figures == again == json.loads((tmp_path / "a.json").read_text())
    assert [change["true_kind"] for change in figures["changes"]] == ["new"]
    assert figures["missed"] == []
    for method in METHODS:
        candidates = scanned(figures, method)
        assert len(candidates.hits) == 1
    text = write_tables([figures, figures], [figures], tmp_path / "tables.md")
    assert (tmp_path / "tables.md").read_text() == text + "\n"
    assert "1.00" in text and RESEARCH_USE_ONLY in text
    assert all(method in text for method in METHODS)
