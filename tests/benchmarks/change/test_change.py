"""Pairs with lesions whose truth is known, measured by every method."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.change.cross_section import AGAINST_NORMALS, CrossSection, measure_case
from benchmarks.change.measuring import (
    METHODS,
    MeasuredPair,
    TrueLesion,
    measure_pair,
    measured_once,
    scanned,
)
from benchmarks.change.planting import SimulatedPair, simulate_pair
from benchmarks.change.tables import write_tables
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeKind
from d24fad_core.volumes.volume import Volume
from tests.change.patient import FINE, TISSUE, Lesion, Pose, scan_patient

FOCUS = Lesion((10.0, -8.0, 6.0), 6.0, 50.0)


@cache
def simulated(changed: bool) -> SimulatedPair:
    return simulate_pair(scan_patient(FINE, noise=0.0), 5, changed=changed)


def ball(lesion: Lesion, study: Volume) -> NDArray[np.bool_]:
    """Where a lesion is on the grid of a study."""
    where = np.moveaxis(np.indices(study.shape), 0, -1) @ study.affine[:3, :3].T
    distance = np.linalg.norm(where + study.affine[:3, 3] - lesion.place, axis=-1)
    inside: NDArray[np.bool_] = distance <= lesion.radius
    return inside


def pair(name: str = "pair") -> MeasuredPair:
    """A new dark lesion."""
    case = scan_patient(lesions=(FOCUS,), seed=1)
    mask = ball(FOCUS, case)
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
    patient = simulated(True)
    lesion = next(each for each in patient.lesions if each.kind is ChangeKind.NEW)
    healthy = simulated(False).case
    inside = patient.case.array[lesion.mask].mean() / np.median(
        patient.case.array[healthy.array > 0]
    )
    before = healthy.array[lesion.mask].mean() / np.median(healthy.array[healthy.array > 0])
    assert inside < 0.9 * before


def test_both_scans_of_a_pair_differ_in_all_that_scanners_do() -> None:
    patient = simulated(False)
    assert patient.prior.shape[2] <= patient.case.shape[2]
    medians = [
        float(np.median(each.array[each.array > 0])) for each in (patient.case, patient.prior)
    ]
    assert medians[0] != pytest.approx(medians[1], rel=0.01)


class Darkness(CrossSection):
    """A stand-in for detection against normals: what is dark is abnormal."""

    def maps(self, case: Volume) -> dict[str, NDArray[np.float32]]:
        filled = np.where(case.array > 0, case.array, np.float32(TISSUE))
        dark = np.clip(TISSUE - ndimage.gaussian_filter(filled, 1.0), 0.0, None)
        return {"darkness": np.where(case.array > 0, dark, np.float32(0.0))}


def test_detection_in_the_case_alone_is_held_against_what_the_case_shows(tmp_path: Path) -> None:
    """It finds the old lesion too, which is false once, and neither way once."""
    old = Lesion((-12.0, 14.0, -8.0), 6.0, 20.0)
    new = pair()
    case = scan_patient(lesions=(FOCUS, old), seed=1)
    prior = scan_patient(lesions=(old,), pose=Pose(3.0), seed=2, name="prior")
    mask = ball(old, case)
    volume = float(np.count_nonzero(mask)) * case.voxel_ml
    stable = TrueLesion(ChangeKind.STABLE, mask, np.zeros_like(mask), volume, volume)
    both = MeasuredPair("both", case, prior, (*new.lesions, stable), darker=True)
    figures = measure_case(both, Darkness([]))
    strict, lenient = (scanned(figures, name.format(kind="darkness")) for name in AGAINST_NORMALS)
    (hit,) = strict.hits
    assert hit is not None and lenient.hits == strict.hits
    # The old lesion is the darkest place; its rim counts neither way.
    assert max(strict.false_positives) > 2 * max(lenient.false_positives)
    pairs = [measure_pair(both)]
    text = write_tables(pairs, [figures], [], tmp_path / "tables.md")
    assert "darkness against normals, old lesions left out" in text
    assert set(pairs[0]["methods"]) == set(METHODS)


def test_measured_pairs_are_kept_and_make_tables(tmp_path: Path) -> None:
    figures = measured_once(tmp_path / "a.json", lambda: measure_pair(pair()))
    again = measured_once(tmp_path / "a.json", lambda: pytest.fail("measured twice"))
    assert figures == again == json.loads((tmp_path / "a.json").read_text())
    assert [change["true_kind"] for change in figures["changes"]] == ["new"]
    assert figures["missed"] == []
    for method in METHODS:
        candidates = scanned(figures, method)
        assert len(candidates.hits) == 1
    text = write_tables([figures, figures], [], [figures], tmp_path / "tables.md")
    assert (tmp_path / "tables.md").read_text() == text + "\n"
    assert "1.00" in text and RESEARCH_USE_ONLY in text
    assert all(method in text for method in METHODS)
