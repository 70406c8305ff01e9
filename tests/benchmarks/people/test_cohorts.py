from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmarks.people.cohorts import (
    COHORTS,
    DS002748,
    IXI,
    SHOTS,
    draw,
    find_brain,
    read_mask,
    resample,
)
from d24fad_core.errors import ConfigurationError, InputError
from tests.benchmarks.people.small_people import TINY, person


def test_people_who_teach_never_test() -> None:
    assert not {f"sub-{number}" for number in range(17, 52)} & set(DS002748.people)
    assert (len(IXI.people), len(DS002748.people)) == (24, 12)


@pytest.mark.parametrize("cohort", COHORTS.values(), ids=lambda cohort: cohort.name)
@pytest.mark.parametrize("shots", SHOTS)
def test_everyone_has_one_part(cohort, shots: int) -> None:
    division = draw(cohort, 1)
    parts = [part(shots) for part in (division.support, division.untouched, division.planted)]
    assert sorted(sum(parts, ())) == sorted(cohort.people)
    assert abs(len(parts[1]) - len(parts[2])) <= 1


def test_whoever_is_tested_with_more_normals_keeps_the_part() -> None:
    division = draw(IXI, 2)
    assert set(division.support(2)) < set(division.support(8))
    assert set(division.planted(8)) < set(division.planted(4)) < set(division.planted(2))
    assert set(division.untouched(8)) < set(division.untouched(4))


def test_draws_are_repeatable_and_differ() -> None:
    assert draw(IXI, 0) == draw(IXI, 0)
    assert draw(IXI, 0).order != draw(IXI, 1).order


def test_normals_must_leave_people_to_test() -> None:
    with pytest.raises(ConfigurationError, match="leave nobody to test"):
        draw(DS002748, 0).support(12)


def test_heads_need_a_mask() -> None:
    with pytest.raises(ConfigurationError, match="--masks"):
        find_brain(TINY, person(0).volume, None)


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    study = person(0)
    moved = study.volume.affine.copy()
    moved[0, 3] += 3
    path = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(study.brain.astype(np.uint8), moved), path)
    with pytest.raises(InputError, match="own grid"):
        read_mask(path, study.volume)


def test_resampling_keeps_place_and_size() -> None:
    study = person(0)
    volume, brain = resample(study.volume, study.brain, 8.0)
    assert volume.spacing == pytest.approx((8.0, 8.0, 8.0))
    assert brain.sum() * volume.voxel_ml == pytest.approx(
        study.brain.sum() * study.volume.voxel_ml, rel=0.03
    )
    centres = [
        grid.affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + grid.affine[:3, 3]
        for grid, mask in ((volume, brain), (study.volume, study.brain))
    ]
    assert np.abs(centres[0] - centres[1]).max() < 0.5


def test_resampling_makes_nothing_finer() -> None:
    study = person(0)
    assert resample(study.volume, study.brain, 2.0)[0] is study.volume


def test_a_brain_alone_is_dark_outside() -> None:
    study = person(0)
    head = replace(study, volume=replace(study.volume, array=study.volume.array + 7))
    assert (head.alone.volume.array[~head.brain] == 0).all()
    assert (head.alone.volume.array[head.brain] == head.volume.array[head.brain]).all()
