"""The learned comparison on simulated heads, with the shipped decoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from d24fad_core.cache.folder import cached_files
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import SupportError
from d24fad_core.progress import silent
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Plane, Volume
from tests.detection.small_studies import study

HEADS = SimulationOptions(contrast=Contrast.T1, spacing=(4.0, 4.0, 4.0), seed=31)
OPTIONS = DetectionOptions(comparison=ComparisonKind.LEARNED)
LESION = (slice(14, 20), slice(20, 26), slice(24, 30))


def head(number: int) -> Volume:
    return simulate_subject(HEADS, Role.SUPPORT, number).image


@pytest.fixture(scope="module")
def normals() -> list[Volume]:
    return [head(number) for number in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def detector(folder: Path) -> Detector:
    return Detector.from_checkpoint(cache_folder=folder)


@pytest.fixture(scope="module")
def support(detector: Detector, normals: list[Volume]) -> SupportSet:
    return detector.prepare_support(normals, OPTIONS)


@pytest.fixture(scope="module")
def case() -> Volume:
    normal = head(9)
    array = normal.array.copy()
    array[LESION] = np.where(array[LESION] > 0, 0.1 * array.max(), 0.0)
    return Volume(array, normal.affine, normal.modality, "case")


def test_brains_get_it_where_nobody_names_a_comparison(
    detector: Detector, support: SupportSet, normals: list[Volume], case: Volume
) -> None:
    prepared = detector.prepare_support(normals)
    assert prepared.comparison is ComparisonKind.LEARNED
    assert prepared.scales == support.scales
    result = detector.detect(case, prepared)
    assert result.provenance.parameters["comparison"] == "learned"
    assert result.provenance.parameters["comparison_reason"] == "all normals are brains in MR"
    named = detector.detect(case, support, OPTIONS)
    assert "comparison_reason" not in named.provenance.parameters
    np.testing.assert_array_equal(result.heatmap, named.heatmap)


def test_a_lesion_stands_out(detector: Detector, support: SupportSet, case: Volume) -> None:
    result = detector.detect(case, support, OPTIONS)
    inside = np.zeros(case.shape, dtype=bool)
    inside[LESION] = True
    inside &= case.array > 0
    outside = ~inside & (case.array > 0)
    assert result.heatmap[inside].mean() > result.heatmap[outside].mean() + 2.0
    assert inside[np.unravel_index(result.heatmap.argmax(), case.shape)]
    assert result.provenance.parameters["comparison"] == "learned"
    assert result.provenance.checkpoint_name.startswith("d24fad-support-decoder")


def test_all_that_the_cache_holds_can_be_cleared(support: SupportSet, folder: Path) -> None:
    assert support.response is not None
    files = {path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json")}
    assert {path.parent.name for path in files} >= {"learned-response", "learned-scales"}
    assert {file.path for file in cached_files(folder)} == files


def test_brains_have_a_place_in_what_untouched_people_show(support: SupportSet) -> None:
    response = support.response
    assert response is not None
    assert tuple(response.mean.shape) == support.frame.shape
    assert response.mean.std() > 0.1


def test_what_is_no_brain_has_none() -> None:
    phantoms = [study(number) for number in range(3)]
    support = Detector.from_checkpoint(cache_folder=None).prepare_support(phantoms, OPTIONS)
    assert support.response is None


def test_nothing_is_scored_outside(detector: Detector, support: SupportSet, case: Volume) -> None:
    heatmap = detector.detect(case, support, OPTIONS).heatmap
    # Two interpolations, each over less than two voxels' diagonal.
    far = ndimage.distance_transform_edt(case.array <= 0) > 3.0
    assert not heatmap[far].any()
    assert heatmap[case.array > 0].all()


def test_all_planes_are_compared_whichever_is_shown(
    detector: Detector, support: SupportSet, case: Volume
) -> None:
    axial = detector.detect(case, support, OPTIONS)
    sagittal = detector.detect(case, support, replace(OPTIONS, planes=(Plane.SAGITTAL,)))
    np.testing.assert_array_equal(axial.heatmap, sagittal.heatmap)


def test_a_turned_case_is_scored_alike(
    detector: Detector, support: SupportSet, case: Volume
) -> None:
    turned = Volume(
        np.ascontiguousarray(case.array.transpose(2, 0, 1)[:, ::-1]),
        case.affine[:, [2, 0, 1, 3]] @ _flip(case.shape[0], axis=1),
        case.modality,
        "turned",
    )
    straight = detector.detect(case, support, OPTIONS).heatmap
    back = detector.detect(turned, support, OPTIONS).heatmap[:, ::-1].transpose(1, 2, 0)
    np.testing.assert_allclose(back, straight, atol=0.05)


def test_the_second_time_comes_from_the_cache(
    detector: Detector,
    support: SupportSet,
    normals: list[Volume],
    case: Volume,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    first = detector.detect(case, support, OPTIONS)
    monkeypatch.setattr("d24fad_core.detection.learned_comparison.place_study", refuse)
    monkeypatch.setattr("d24fad_core.detection.learned_comparison.measure_scale", refuse)
    monkeypatch.setattr("d24fad_core.detection.learned_comparison.decode_evenly", refuse)
    fresh = Detector.from_checkpoint(cache_folder=folder)
    again = fresh.prepare_support(normals, OPTIONS)
    comparison = fresh.comparison(ComparisonKind.LEARNED)
    assert len(comparison.held_out(normals, again, OPTIONS, silent)) == len(normals)
    monkeypatch.undo()
    second = detector.detect(case, again, OPTIONS)
    np.testing.assert_array_equal(first.heatmap, second.heatmap)
    assert first.calibration == second.calibration


@pytest.mark.parametrize("damage", ["cut off", "one byte"])
def test_a_damaged_cache_is_made_again(
    damage: str, detector: Detector, support: SupportSet, normals: list[Volume], folder: Path
) -> None:
    for path in folder.glob("learned-*/*.*"):
        content = bytearray(path.read_bytes())
        # A digit of the scale's centre, a voxel in the others.
        content[30 if path.suffix == ".json" else -40] ^= 1
        path.write_bytes(content[:20] if damage == "cut off" else content)
    again = Detector.from_checkpoint(cache_folder=folder).prepare_support(normals, OPTIONS)
    assert again.scales == support.scales


def test_a_support_for_another_comparison_is_refused(
    detector: Detector, support: SupportSet, case: Volume
) -> None:
    window = replace(OPTIONS, comparison=ComparisonKind.WINDOW)
    with pytest.raises(SupportError, match=r"comparison learned; the analysis .* window\."):
        detector.detect(case, support, window)


def _flip(length: int, axis: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[axis, axis] = -1.0
    matrix[axis, 3] = length - 1
    return matrix
