"""What the normals say of themselves, each scored in units that come from the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.fusion import blur, centred, fuse, top_mean
from d24fad_core.comparison.normal_statistics import compare_normals, summarise_normals
from d24fad_core.comparison.similarity import distances, similarities
from d24fad_core.comparison.translation import translated_distances, translated_scoring
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.reference import prepare_plane, prepare_translated_plane
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.volumes.slices import SliceGrid
from d24fad_core.volumes.volume import Plane
from tests.comparison.test_normal_statistics import SCORING, study
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, detector, normals
from tests.evaluation.networks import untrained_network

SIZE = 64


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


def grid(slices: int) -> SliceGrid:
    return SliceGrid(Plane.AXIAL, (SIZE, SIZE, slices), (2.0, 2.0, 3.0), SIZE)


def scored_by_the_others(
    model: D24FAD, studies: list[StudyFeatures], number: int, thickness: float
) -> Tensor:
    """The fused map of one study, as if only the others had ever been given."""
    others = [each for index, each in enumerate(studies) if index != number]
    units = summarise_normals(model, compare_normals(others, SCORING), range(len(others)), SCORING)
    places = compare_normals(others, SCORING).places
    maps_of_others = distances(
        model, similarities(studies[number].slices[places], places, others, SCORING)
    )
    maps = fuse(units.standardise(maps_of_others, places), SCORING, model.teacher.info, SIZE)
    return blur(maps, SCORING, thickness)


@pytest.mark.parametrize(("slices", "thickness"), [(6, 3.0), (96, 6.0)])
def test_every_normal_is_held_out_of_its_own_units(
    model: D24FAD, slices: int, thickness: float
) -> None:
    studies = [study(seed, slices) for seed in range(3)]
    reference = prepare_plane(model, grid(slices), studies, SCORING)
    maps = [scored_by_the_others(model, studies, number, thickness) for number in range(3)]
    places = compare_normals(studies, SCORING).places
    foregrounds = [each.foreground[places] for each in studies]
    inside = torch.cat([each[where] for each, where in zip(maps, foregrounds, strict=True)])

    assert reference.plane is Plane.AXIAL
    assert len(reference.features) == 3
    assert reference.centre == pytest.approx(float(inside.mean()), rel=1e-4)
    assert reference.spread == pytest.approx(float(inside.std()), rel=1e-4)
    for held_out, own, where in zip(reference.held_out, maps, foregrounds, strict=True):
        z = (own - reference.centre) / reference.spread * where
        torch.testing.assert_close(held_out.float(), z, rtol=1e-3, atol=2e-3)


def test_queries_are_scored_in_units_of_all_normals(model: D24FAD) -> None:
    studies = [study(seed) for seed in range(3)]
    reference = prepare_plane(model, grid(6), studies, SCORING)
    expected = summarise_normals(model, compare_normals(studies, SCORING), range(3), SCORING)
    for key in SCORING.keys:
        assert torch.equal(reference.statistics.offset[key], expected.offset[key])
    assert reference.statistics.unit == expected.unit


def test_a_strange_normal_stands_out(model: D24FAD) -> None:
    """One study of other features among three that are nearly the same."""
    first = study(0)
    alike = [first]
    for seed in (1, 2):
        noisy = {
            scale: (values.float() + 0.1 * torch.randn(values.shape)).half()
            for scale, values in first.slices.teacher.items()
        }
        slices = type(first.slices)(noisy, first.slices.student)
        alike.append(StudyFeatures(slices, study(seed).foreground, 1.0))
    reference = prepare_plane(model, grid(6), [*alike, study(9)], SCORING)
    highest = [top_mean(maps, SCORING.case_fraction) for maps in reference.held_out]
    assert int(np.argmax(highest)) == 3


def test_two_normals_share_their_units(model: D24FAD) -> None:
    reference = prepare_plane(model, grid(6), [study(0), study(1)], SCORING)
    assert all(maps.isfinite().all() for maps in reference.held_out)
    assert reference.spread > 0


@pytest.mark.parametrize(("slices", "thickness"), [(6, 3.0), (96, 6.0)])
def test_every_normal_is_held_out_of_its_own_translation(
    model: D24FAD, slices: int, thickness: float
) -> None:
    scoring = translated_scoring(SCORING)
    studies = [study(seed, slices) for seed in range(3)]
    reference = prepare_translated_plane(model, grid(slices), studies, scoring)
    places = compare_normals(studies, scoring).places
    runs = [
        translated_distances(
            replace(each, slices=each.slices[places], foreground=each.foreground[places]),
            places,
            [other for other in studies if other is not each],
            scoring,
        )
        for each in studies
    ]
    for key in scoring.keys:
        mean = torch.stack([run[key] for run in runs]).mean()
        assert reference.statistics.unit[key] == pytest.approx(float(mean), rel=1e-4)
        assert len(reference.statistics.offset[key]) == slices
    maps, foregrounds = [], [each.foreground[places] for each in studies]
    for run, foreground in zip(runs, foregrounds, strict=True):
        standardised = reference.statistics.standardise(run, places)
        fused = fuse(standardised, scoring, model.teacher.info, SIZE)
        maps.append(centred(blur(fused, scoring, thickness), foreground))
    inside = torch.cat([each[where] for each, where in zip(maps, foregrounds, strict=True)])

    assert reference.plane is Plane.AXIAL
    assert reference.centre == pytest.approx(0.0, abs=1e-4)
    assert reference.spread == pytest.approx(float(inside.std()), rel=1e-3)
    for held_out, own, where in zip(reference.held_out, maps, foregrounds, strict=True):
        z = own / reference.spread * where
        torch.testing.assert_close(held_out.float(), z, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("planes", [(Plane.AXIAL,), tuple(Plane)], ids=["1 plane", "3 planes"])
def test_the_stated_share_of_normal_voxels_is_above_the_threshold(
    planes: tuple[Plane, ...],
) -> None:
    """Each normal against the others, its maps put together as those of a case are."""
    options = DetectionOptions(register=False, planes=planes)
    support = detector().prepare_support(normals(4), options)
    shape, spacing = support.frame.shape, support.frame.spacing
    inside = []
    for number in range(4):
        maps = []
        for reference in support.references:
            held_out = reference.held_out[number].float()
            where = np.linspace(0, len(held_out) - 1, shape[reference.plane.axis])
            place = SliceGrid(reference.plane, shape, spacing, IMAGE_SIZE)
            maps.append(place.to_volume(held_out[np.round(where).astype(int)]))
        mean = np.mean(maps, axis=0)
        inside.append(mean[mean != 0])
    values = np.concatenate(inside)
    scale = support.scale(planes)
    values = (values - scale.centre) / scale.spread
    assert values.mean() == pytest.approx(0.0, abs=1e-3)
    assert values.std() == pytest.approx(1.0, abs=1e-3)
    assert (values >= scale.threshold).mean() == pytest.approx(NORMAL_VOXEL_SHARE, rel=0.1)
    for number, score in enumerate(scale.case_scores):
        own = (torch.from_numpy(inside[number]) - scale.centre) / scale.spread
        assert score == pytest.approx(top_mean(own, EVERY_MAP.case_fraction), rel=1e-3)
