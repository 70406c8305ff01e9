"""Who is learned from and who judges; what a verdict and a planted lesion are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.errors import InputError
from d24fad_core.simulation import LesionKind, Role, SimulationOptions, simulate_subject
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.failures import RequestError
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.training.__main__ import StudiesOnDisk
from monailabel_app.training.comparison import HeldOutScores, judge
from monailabel_app.training.plan import (
    MINIMUM_HELD_OUT,
    MINIMUM_TRAINING,
    NormalStudy,
    TrainingPlan,
    hold_out,
    pseudonym,
)
from monailabel_app.training.planting import plant

SERVED = HeldOutScores((2.0, 3.0, 4.0), 1, (0.90, 0.92, 0.94))


@given(st.sets(st.text(min_size=1, max_size=5), min_size=6, max_size=40))
def test_some_learn_some_judge_and_the_choice_is_the_same_every_time(patients: set[str]) -> None:
    judging = hold_out(patients, ())
    assert judging < patients
    assert len(judging) >= MINIMUM_HELD_OUT
    assert len(patients - judging) >= MINIMUM_TRAINING
    assert hold_out(sorted(patients, reverse=True), ()) == judging


@given(st.integers(6, 20), st.integers(1, 10))
def test_nobody_who_was_learned_from_ever_judges(count: int, more: int) -> None:
    patients = {f"patient-{number}" for number in range(count)}
    learned = {pseudonym(patient) for patient in patients - hold_out(patients, ())}
    later = patients | {f"new-{number}" for number in range(more)}
    judging = hold_out(later, learned)
    assert {pseudonym(patient) for patient in judging}.isdisjoint(learned)


def test_too_few_patients_are_refused_with_what_is_needed() -> None:
    with pytest.raises(RequestError, match=r"5 normal patients .* needs 6.*Confirm 1 more"):
        hold_out({"a", "b", "c", "d", "e"}, ())
    patients = {f"p{number}" for number in range(8)}
    with pytest.raises(RequestError, match=r"2 of the 8 .* never learned from.*Confirm 1 new"):
        hold_out(patients, {pseudonym(f"p{number}") for number in range(6)})


@pytest.mark.parametrize(
    ("trained", "accepted"),
    [
        (SERVED, False),
        (replace(SERVED, normal_scores=(1.0, 2.0, 3.0)), True),
        (replace(SERVED, lesion_aurocs=(0.95, 0.95, 0.95)), True),
        # Better in one, worse in another.
        (replace(SERVED, normal_scores=(1.0, 2.0, 3.0), lesion_aurocs=(0.5, 0.5, 0.5)), False),
        (replace(SERVED, normal_scores=(2.1, 3.1, 4.1), lesion_aurocs=(1.0, 1.0, 1.0)), False),
        (replace(SERVED, normal_scores=(1.0, 2.0, 3.0), false_findings=2), False),
        # Nobody would see these differences.
        (replace(SERVED, normal_scores=(1.97, 2.97, 3.97)), False),
        (replace(SERVED, normal_scores=(2.03, 3.03, 4.03), lesion_aurocs=(1.0, 1.0, 1.0)), True),
        (HeldOutScores((0.0, 0.0, 0.0), 0, (0.5, 0.5, 0.5)), False),
        (replace(SERVED, normal_scores=(float("nan"), 1.0, 1.0)), False),
        (replace(SERVED, normal_scores=(0.0, 0.0, 0.0), lesion_aurocs=(float("nan"),)), False),
    ],
)
def test_the_verdict(trained: HeldOutScores, accepted: bool) -> None:
    verdict = judge(SERVED, trained)
    assert verdict.accepted is accepted
    ending = "the new checkpoint is served." if accepted else "the served checkpoint stays."
    assert verdict.statement.endswith(ending)
    assert "3 held-out normal patients" in verdict.statement


def test_a_plan_outlives_the_process(tmp_path: Path) -> None:
    studies = (NormalStudy("a", "p", "/x/a.nii.gz"), NormalStudy("b", "q", "/x/b"))
    plan = TrainingPlan(
        "/c", "f" * 64, studies, studies[:1], studies[1:], ("r",), TrainingOptions(3), "cpu", 1
    )
    assert TrainingPlan.read_stopped(tmp_path) is None
    (tmp_path / "plan.json").write_text(plan.to_json())
    assert TrainingPlan.read_stopped(tmp_path) == plan


@pytest.mark.parametrize("kind", [LesionKind.MASS, LesionKind.REGION])
def test_a_planted_lesion_changes_its_own_place_only(kind: LesionKind) -> None:
    study = simulate_subject(SimulationOptions(spacing=(4.0, 3.0, 5.0)), Role.NORMAL, 0).image
    planted, lesion = plant(study, kind, seed=1)
    again, same = plant(study, kind, seed=1)
    other, _ = plant(study, kind, seed=2)
    np.testing.assert_array_equal(planted.array, again.array)
    np.testing.assert_array_equal(lesion, same)
    assert not np.array_equal(planted.array, other.array)
    difference = planted.array - study.array
    assert lesion.any() and lesion.mean() < 0.1
    assert np.abs(difference[lesion]).mean() > 0.05 * study.array.max()
    away = np.abs(difference) < 1e-6
    assert away.mean() > 0.7
    np.testing.assert_array_equal(planted.affine, study.affine)


def test_a_lesion_in_a_body_that_lies_otherwise_is_where_it_says() -> None:
    array = np.full((30, 32, 20), -1000.0, np.float32)
    array[4:26, 5:27, :] = 40.0
    affine = np.array([[0, 0, 6.0, 0], [-4.0, 0, 0, 0], [0, -4.0, 0, 0], [0, 0, 0, 1]])
    planted, lesion = plant(Volume(array, affine, Modality.CT, "ct"), LesionKind.MASS, seed=0)
    assert planted.array.shape == lesion.shape == (20, 30, 32)
    assert planted.array[lesion].mean() > 150
    assert planted.array[~lesion].max() < 400


def test_a_study_that_is_gone_is_named_without_the_servers_folders(tmp_path: Path) -> None:
    folder = tmp_path / "server" / "studies"
    studies = StudiesOnDisk([NormalStudy("case 7", "p", str(folder / "case7.nii.gz"))])
    with pytest.raises(InputError, match=r"^case 7: ") as refusal:
        studies[0]
    assert "server" not in str(refusal.value)
