from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.people.cohorts import Study
from benchmarks.people.lesions import plaques
from benchmarks.people.lesions.anatomy import analyse, step_size
from benchmarks.people.lesions.canvas import Canvas
from benchmarks.people.lesions.pathology import Kind, plant_pathology
from d24fad_core.errors import InputError
from d24fad_core.simulation.template import average_brain
from d24fad_core.volumes.volume import Modality, Volume
from tests.benchmarks.people.small_people import LESION_MNI, anatomy_of, person, write_lesions


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_changes_what_its_mask_says(kind: Kind) -> None:
    study = person(0)
    planted = plant_pathology(study, anatomy_of(0), kind, np.random.default_rng(3))
    assert planted.mask.any()
    assert not (planted.mask & ~study.brain).any()
    assert planted.contrast > 0.1
    changed = np.abs(planted.array - study.volume.array)
    assert changed[planted.mask].mean() > 3 * changed[study.brain & ~planted.mask].mean()
    assert (planted.array == study.volume.array)[~study.brain].all()
    assert (planted.array >= 0).all()


def test_a_seed_gives_the_same_lesion_and_another_seed_another() -> None:
    one, again, other = (
        plant_pathology(person(0), anatomy_of(0), Kind.MASS, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert (one.array == again.array).all()
    assert (one.mask == again.mask).all()
    assert (one.mask != other.mask).any()


def test_tissues_are_told_apart() -> None:
    anatomy = anatomy_of(1)
    fluid, grey, white = anatomy.levels
    assert fluid < 0.7 * grey < grey < 0.95 * white
    shares = np.stack([anatomy.fluid, anatomy.grey, anatomy.white])
    assert shares.sum(axis=0)[anatomy.brain] == pytest.approx(1.0, abs=1e-5)
    assert 0.3 < anatomy.white.sum() / anatomy.brain.sum() < 0.6
    assert (anatomy.to_ventricles == 0).any()


def test_above_and_right_follow_the_affine() -> None:
    study = person(1)
    turned = Study(
        Volume(
            np.ascontiguousarray(study.volume.array[::-1, :, ::-1]),
            study.volume.affine @ _flip(study.volume.shape),
            Modality.MR,
            "turned",
        ),
        study.brain[::-1, :, ::-1],
    )
    straight, other = analyse(study), analyse(turned)
    assert other.above_centre[0, 0, 0] == pytest.approx(-other.above_centre[0, 0, -1], abs=12)
    assert np.sign(other.above_centre[0, 0, 0]) == -np.sign(straight.above_centre[0, 0, 0])
    assert np.sign(other.beside_midline[0, 0, 0]) == -np.sign(straight.beside_midline[0, 0, 0])


def _flip(shape: tuple[int, int, int]) -> np.ndarray:
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])
    flip[0, 3], flip[2, 3] = shape[0] - 1, shape[2] - 1
    return flip


def test_pushing_moves_tissue_outward_and_leaves_the_rest() -> None:
    anatomy = anatomy_of(0)
    canvas = Canvas(anatomy, np.random.default_rng(0))
    middle = np.array(anatomy.brain.shape) // 2
    place = middle * anatomy.spacing
    radius = 12.0
    # A bright shell just inside the radius ends up outside it.
    shell = np.abs(canvas.distance(place) - 10) < 3
    canvas.signal = np.where(shell, 1000.0, 0.0).astype(np.float32)
    before = float((canvas.distance(place) * canvas.signal).sum() / canvas.signal.sum())
    canvas.push(place, radius, 0.9)
    after = float((canvas.distance(place) * canvas.signal).sum() / canvas.signal.sum())
    assert after > before + 1.5
    assert canvas.signal[canvas.distance(place) > 45].max() < 1.0


@pytest.mark.slow
def test_real_shapes_land_where_they_were(tmp_path: Path) -> None:
    template = average_brain()
    write_lesions(tmp_path, template.affine, template.grey_matter.shape)
    study = person(2)
    to_average = plaques.register_average_brain(study)
    rng = np.random.default_rng(0)
    planted = plaques.plant_plaques(study, anatomy_of(2), to_average, tmp_path, rng)
    affine = study.volume.affine
    centre = affine[:3, :3] @ np.argwhere(planted.mask).mean(axis=0) + affine[:3, 3]
    # The simulated person is the average brain, turned by 3 degrees and scaled by 4 %.
    assert np.linalg.norm(centre - LESION_MNI) < 8
    inside = planted.array[planted.mask].mean()
    assert inside < study.volume.array[planted.mask].mean()


def test_patients_who_may_teach_are_not_planted() -> None:
    assert set(plaques.PATIENTS) <= {7, *range(16, 31)}


def test_what_replaces_tissue_is_as_noisy_as_tissue_was() -> None:
    anatomy = anatomy_of(0)
    canvas = Canvas(anatomy, np.random.default_rng(0))
    everywhere = np.ones_like(anatomy.signal)
    canvas.paint(everywhere, 100 * anatomy.levels[2], unevenness=0.0)
    assert step_size(canvas.signal, anatomy.brain) == pytest.approx(anatomy.grain, rel=0.03)


def test_nothing_to_paint_changes_nothing() -> None:
    canvas = Canvas(anatomy_of(0), np.random.default_rng(0))
    before = canvas.signal.copy()
    canvas.paint(np.zeros_like(before), 0.0)
    assert (canvas.signal == before).all()
    assert not canvas.share.any()


def test_no_lesion_inside_the_brain_is_an_error(tmp_path: Path) -> None:
    (tmp_path / plaques.MASKS).mkdir()
    for patient in plaques.PATIENTS:
        empty = nibabel.Nifti1Image(np.zeros((9, 9, 9), np.uint8), np.eye(4))
        nibabel.save(empty, tmp_path / plaques.MASKS / f"patient{patient:02d}.nii.gz")
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="no patient's lesions"):
        plaques.plant_plaques(
            person(0), anatomy_of(0), sitk.Transform(3, sitk.sitkIdentity), tmp_path, rng
        )
