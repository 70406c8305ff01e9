"""Places in simulated brains, whose deformation is known."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.places.atlas import BrainRegion, brain_atlas
from d24fad_core.places.brain import align_brain, brain_places, labels_at
from d24fad_core.places.place import Side
from d24fad_core.simulation.anatomy import sample_anatomy, sample_places
from d24fad_core.simulation.appearance import render
from d24fad_core.simulation.contrast import Contrast
from d24fad_core.volumes.volume import MaskKind, Modality, Volume
from tests.masking.heads import brain_of, head

SPACING = (3.0, 3.0, 3.0)


@lru_cache(maxsize=4)
def person(contrast: Contrast, seed: int = 3) -> tuple[Volume, NDArray[np.float64]]:
    """A simulated brain, and where in the average brain each of its voxels comes from."""
    anatomy = sample_anatomy(np.random.default_rng(seed), SPACING)
    signal = render(anatomy, contrast, np.random.default_rng(seed + 1), None)
    study = Volume(signal.astype(np.float32), anatomy.affine, Modality.MR, "person")
    places = sample_places(np.random.default_rng(seed), SPACING)
    return study, places.T.reshape(*study.shape, 3)


@pytest.mark.parametrize("contrast", [Contrast.T1, Contrast.T2, Contrast.FLAIR])
def test_voxels_get_the_names_of_where_they_come_from(contrast: Contrast) -> None:
    study, places = person(contrast)
    alignment = align_brain(study)
    assert alignment is not None
    voxels = np.argwhere(study.array > 0.1 * study.array.max())[::7]
    truth = places[tuple(voxels.T)]
    placed = voxels @ alignment.to_mni[:3, :3].T + alignment.to_mni[:3, 3]
    assert np.median(np.linalg.norm(placed - truth, axis=1)) < 5.0
    same = labels_at(placed, brain_atlas()) == labels_at(truth, brain_atlas())
    assert same.mean() > 0.85


@pytest.mark.parametrize(
    ("place", "side", "region"),
    [
        ((40.0, 40.0, 15.0), Side.RIGHT, BrainRegion.FRONTAL),
        ((-40.0, 40.0, 15.0), Side.LEFT, BrainRegion.FRONTAL),
        ((-35.0, -55.0, 50.0), Side.LEFT, BrainRegion.PARIETAL),
        ((55.0, -20.0, -15.0), Side.RIGHT, BrainRegion.TEMPORAL),
        ((20.0, -92.0, 5.0), Side.RIGHT, BrainRegion.OCCIPITAL),
        ((-12.0, -18.0, 7.0), Side.LEFT, BrainRegion.THALAMUS),
        ((26.0, 2.0, 2.0), Side.RIGHT, BrainRegion.BASAL_GANGLIA),
        ((-28.0, -65.0, -40.0), Side.LEFT, BrainRegion.CEREBELLUM),
        ((0.0, -28.0, -32.0), None, BrainRegion.BRAIN_STEM),
    ],
)
@pytest.mark.parametrize("flipped", [False, True])
def test_known_places_are_named(
    place: tuple[float, float, float], side: Side | None, region: BrainRegion, flipped: bool
) -> None:
    study, places = person(Contrast.T1)
    near = np.linalg.norm(places - place, axis=-1) < 6.0
    if flipped:  # how the array is stored must not change a side
        affine = study.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
        affine[:3, 3] = study.affine[:3, :3] @ [study.shape[0] - 1, 0, 0] + study.affine[:3, 3]
        study, near = replace(study, array=study.array[::-1].copy("F"), affine=affine), near[::-1]
    alignment = align_brain(study)
    assert alignment is not None
    (named,) = brain_places([np.argwhere(near)], alignment)
    assert named is not None
    assert (named.side, named.region, named.certain) == (side, region.value, True)


def test_outside_the_brain_there_is_no_name() -> None:
    study, _ = person(Contrast.T1)
    alignment = align_brain(study)
    assert alignment is not None
    corner = np.argwhere(np.ones((4, 4, 4), bool))
    assert brain_places([corner], alignment) == (None,)


def test_what_is_no_brain_has_no_alignment() -> None:
    study, _ = person(Contrast.T1)
    assert align_brain(replace(study, modality=Modality.CT)) is None
    noise = np.random.default_rng(0).random((30, 30, 30), np.float32)
    assert align_brain(replace(study, array=noise)) is None
    empty = replace(study, array=np.zeros((30, 30, 30), np.float32))
    assert align_brain(empty) is None
    organ = np.zeros((50, 50, 50), np.float32)
    organ[10:30, 10:45, 5:40] = np.random.default_rng(0).uniform(50, 100, (20, 35, 35))
    assert align_brain(replace(study, array=organ)) is None


def test_a_head_gets_a_mask_first() -> None:
    """Of a head made of ellipsoids: the brain's middle is found, but it is no certain brain."""
    alignment = align_brain(head(1))
    assert alignment is not None
    centre = np.append(np.argwhere(brain_of(1)).mean(axis=0), 1.0)
    np.testing.assert_allclose((alignment.to_mni @ centre)[:3], [0.0, -20.0, 8.0], atol=8.0)
    (named,) = brain_places([np.argwhere(brain_of(1))], alignment)
    assert named is not None
    assert not named.certain


def test_a_mask_makes_a_brain() -> None:
    study, _ = person(Contrast.T1)
    masked = apply_mask(study, study.array > 0, MaskKind.DEEPBET)
    assert align_brain(masked) is not None
