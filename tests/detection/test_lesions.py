"""A lesion at a known place in a simulated head is found there, however the file is stored."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.simulation import Role, SimulationOptions, simulate_subject
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Modality, Plane, Volume
from tests.detection.small_studies import network
from tests.support.phantom import GRIDS, Grid, positions

pytestmark = pytest.mark.slow

COHORT = SimulationOptions(spacing=(3.0, 3.0, 3.0))
CENTRE = np.array([-32.0, 12.0, 22.0])
RADIUS = 13.0
PIXEL = 2.3  # mm, about 220 mm in 96 pixels
OPTIONS = DetectionOptions(planes=tuple(Plane))


@lru_cache(maxsize=8)
def head(role: Role, index: int) -> Volume:
    return simulate_subject(COHORT, role, index).image


def scanned(grid: Grid) -> Volume:
    """A normal head with a bright ball, scanned on another grid."""
    source = head(Role.NORMAL, 0)
    middle = source.affine[:3, :3] @ ((np.array(source.shape) - 1) / 2) + source.affine[:3, 3]
    affine = grid.affine
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2)
    where = positions(affine, grid.shape)
    to_index = np.linalg.inv(source.affine)
    index = where @ to_index[:3, :3].T + to_index[:3, 3]
    array = ndimage.map_coordinates(source.array, np.moveaxis(index, -1, 0), order=1)
    white_matter = np.percentile(source.array[source.array > 0], 60)
    strength = 1 / (1 + np.exp(np.clip(np.linalg.norm(where - CENTRE, axis=-1) - RADIUS, -30, 30)))
    array = array + strength * (1.6 * white_matter - array) * (array > 0)
    return Volume(array.astype(np.float32), affine, Modality.MR, "case")


def inside_ball(volume: Volume, grow: float = 0.0) -> NDArray[np.bool_]:
    where = positions(volume.affine, volume.shape)
    ball: NDArray[np.bool_] = np.linalg.norm(where - CENTRE, axis=-1) < RADIUS + grow
    return ball


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Teacher features alone find this lesion; nothing depends on a trained checkpoint."""
    model = network()
    scoring = ScoringConfig({MapKind.TEACHER_SUPPORT: (0.5, 1.0, 1.0)})
    return Detector(model, ModelCard("untrained", model.config, 96), scoring=scoring)


@pytest.fixture(scope="module")
def support(detector: Detector) -> SupportSet:
    return detector.prepare_support([head(Role.SUPPORT, index) for index in range(3)], OPTIONS)


def assert_found(case: Volume, result: AnomalyResult) -> None:
    assert result.heatmap.shape == case.shape
    np.testing.assert_array_equal(result.affine, case.affine)
    best = result.findings[0]
    assert np.linalg.norm(np.array(best.centroid_ras_mm) - CENTRE) < RADIUS
    # The rim of an even ball differs most; it is known to a pixel of the network.
    assert inside_ball(case, grow=PIXEL)[best.peak_voxel]
    brain = case.array > 0
    ball = inside_ball(case)
    far = brain & ~inside_ball(case, grow=20.0)
    assert result.heatmap[ball & brain].mean() > result.heatmap[far].mean() + 3.0
    nowhere = ndimage.distance_transform_edt(~brain, sampling=case.spacing) > 15.0
    assert nowhere.any()
    assert not result.heatmap[nowhere].any()


@pytest.mark.parametrize(
    ("grid", "plane"),
    [
        ("flipped", Plane.AXIAL),
        ("1x1x6 mm", Plane.AXIAL),
        ("sagittal", Plane.AXIAL),
        ("sagittal", Plane.SAGITTAL),
        ("oblique", Plane.AXIAL),
        ("oblique", Plane.CORONAL),
        ("oblique", Plane.SAGITTAL),
    ],
)
def test_a_lesion_is_found_at_its_place(
    detector: Detector, support: SupportSet, grid: str, plane: Plane
) -> None:
    case = scanned(replace(GRIDS[grid], extent=210.0))
    assert_found(case, detector.detect(case, support, replace(OPTIONS, planes=(plane,))))


def test_all_planes_together_find_it_too(detector: Detector, support: SupportSet) -> None:
    case = scanned(replace(GRIDS["identity"], extent=210.0))
    result = detector.detect(case, support, OPTIONS)
    assert_found(case, result)
    assert result.calibration.p_value == 0.25  # higher than all three normals


def test_a_normal_head_stays_dark(detector: Detector, support: SupportSet) -> None:
    normal = head(Role.NORMAL, 0)
    result = detector.detect(normal, support, OPTIONS)
    lesion = detector.detect(scanned(replace(GRIDS["identity"], extent=210.0)), support, OPTIONS)
    assert result.case_score < lesion.case_score - 2.0
    over = result.heatmap[normal.array > 0] > result.calibration.threshold
    assert over.mean() < 0.002


def test_the_shipped_checkpoint_tells_a_lesion_from_a_normal(tmp_path: Path) -> None:
    shipped = Detector.from_checkpoint(cache_folder=tmp_path)
    options = DetectionOptions(comparison=ComparisonKind.WINDOW)
    support = shipped.prepare_support([head(Role.SUPPORT, index) for index in range(4)], options)
    normal = shipped.detect(head(Role.NORMAL, 0), support, options)
    case = scanned(replace(GRIDS["identity"], extent=210.0))
    result = shipped.detect(case, support, options)
    assert result.case_score > normal.case_score
    best = result.findings[0]
    assert inside_ball(case, grow=3.0)[best.peak_voxel]
    over = normal.heatmap[head(Role.NORMAL, 0).array > 0] > normal.calibration.threshold
    assert over.mean() < 0.01
