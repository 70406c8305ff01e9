"""Features of the support are computed once, for exactly what shapes them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.io.known_studies import KnownStudy
from d24fad_core.volumes.volume import Modality, Plane, Volume
from tests.detection import small_studies
from tests.detection.small_studies import normals, study

BOXES = DetectionOptions(register=False)


def detector(cache: Path | None, **changes: object) -> Detector:
    """A detector on very small images, with every map; the changes are those of its card."""
    return small_studies.detector(cache, **{"image_size": 32, **changes})  # type: ignore[arg-type]


def files(cache: Path) -> dict[str, int]:
    """Name and time of writing of each study's features in the cache."""
    return {path.name: path.stat().st_mtime_ns for path in cache.glob("*.safetensors")}


def references(cache: Path) -> dict[str, int]:
    """The same of what comparing the studies gave."""
    return files(cache / "references")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the features of three normals, to be read only."""
    folder = tmp_path_factory.mktemp("filled")
    detector(folder).prepare_support(normals(), BOXES)
    assert len(files(folder)) == 3
    return folder


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    """The same, the test's own; times of writing are kept."""
    return Path(shutil.copytree(filled, tmp_path / "cache"))


def test_nothing_is_computed_twice(cache: Path) -> None:
    before = files(cache)
    detector(cache).prepare_support(normals(), BOXES)
    detector(cache).prepare_support(normals(), replace(BOXES, threshold=9.0))
    assert files(cache) == before


def test_normals_are_compared_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = references(cache)
    assert len(before) == 1

    def refuse(*_arguments: object) -> None:
        raise AssertionError("compared again")

    monkeypatch.setattr("d24fad_core.detection.feature_comparison.prepare_plane", refuse)
    detector(cache).prepare_support(normals(), BOXES)
    assert references(cache) == before


def test_how_alike_the_normals_are_is_measured_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = detector(None).prepare_support(normals(), BOXES)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("d24fad_core.detection.normal_likeness.mutual_likeness", refuse)
    support = detector(cache).prepare_support(normals(), BOXES)
    assert (support.alike, support.usual_likeness) == (measured.alike, measured.usual_likeness)
    with pytest.raises(AssertionError, match="measured again"):
        detector(cache).prepare_support(normals()[1:], BOXES)


def test_translated_normals_are_compared_once_and_kept_apart(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, plain = files(cache), references(cache)
    translate = replace(BOXES, comparison=ComparisonKind.TRANSLATED)
    first = detector(cache).prepare_support(normals(), translate)
    assert files(cache) == features
    both = references(cache)
    assert len(both) == 2 and plain.items() <= both.items()

    def refuse(*_arguments: object) -> None:
        raise AssertionError("compared again")

    monkeypatch.setattr("d24fad_core.detection.feature_comparison.prepare_plane", refuse)
    monkeypatch.setattr("d24fad_core.detection.feature_comparison.prepare_translated_plane", refuse)
    again = detector(cache).prepare_support(normals(), translate)
    other = detector(cache).prepare_support(normals(), BOXES)
    assert references(cache) == both
    assert again.scales == first.scales != other.scales
    for one, two in zip(again.references, first.references, strict=True):
        assert (one.centre, one.spread) == (two.centre, two.spread)


@pytest.mark.parametrize(
    "other", [normals()[:2], [*normals(), study(3)], normals()[::-1]], ids=["less", "more", "order"]
)
def test_other_company_is_compared_anew(cache: Path, other: list[Volume]) -> None:
    support = detector(cache).prepare_support(other, BOXES)
    fresh = detector(None).prepare_support(other, BOXES)
    assert len(references(cache)) == 2
    assert support.scales == fresh.scales


@pytest.mark.parametrize("content", [b"", b"junk", "half"])
def test_a_damaged_reference_is_made_again(cache: Path, content: bytes | str) -> None:
    (path,) = (cache / "references").iterdir()
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    detector(cache).prepare_support(normals(), BOXES)
    assert path.read_bytes() == whole


def test_the_cache_changes_no_bit_of_a_result(cache: Path) -> None:
    case = study(7, lesion=True)
    results = []
    for each in (detector(cache), detector(None)):
        support = each.prepare_support(normals(), BOXES)
        results.append(each.detect(case, support, BOXES))
    fresh, cached = results
    np.testing.assert_array_equal(fresh.heatmap, cached.heatmap)
    assert fresh.slice_scores == cached.slice_scores
    assert fresh.case_score == cached.case_score
    assert fresh.calibration == cached.calibration
    assert fresh.provenance == cached.provenance


def known(study: Volume, reader: Callable[[], Volume]) -> KnownStudy:
    """The study as one that was read before."""
    return KnownStudy(study.name, study.content_hash, study.modality, reader)


def test_known_studies_are_not_read_where_all_is_kept(cache: Path) -> None:
    studies = [known(each, lambda: pytest.fail("read")) for each in normals()]
    case, results = study(7, lesion=True), []
    for source in (studies, normals()):
        each = detector(cache if source is studies else None)
        results.append(each.detect(case, each.prepare_support(source, BOXES), BOXES))
    of_known, of_volumes = results
    np.testing.assert_array_equal(of_known.heatmap, of_volumes.heatmap)
    assert of_known.calibration == of_volumes.calibration
    assert of_known.provenance == of_volumes.provenance


@pytest.mark.parametrize("lost", ["features", "frame"])
def test_a_known_study_is_read_where_something_is_lacking(cache: Path, lost: str) -> None:
    names: list[str] = []

    def reader(study: Volume) -> Callable[[], Volume]:
        return lambda: names.append(study.name) or study  # type: ignore[func-returns-value]

    if lost == "frame":
        (path,) = (cache / "frames").iterdir()
    else:
        fresh = detector(cache.parent / "two")
        fresh.prepare_support(normals()[:2], BOXES)
        (name,) = files(cache).keys() - files(cache.parent / "two").keys()
        path = cache / name
    content = path.read_bytes()
    path.unlink()
    studies = [known(each, reader(each)) for each in normals()]
    detector(cache).prepare_support(studies, BOXES)
    assert names == [normals()[0 if lost == "frame" else 2].name]
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"junk", "half"])
def test_a_damaged_frame_is_made_again(cache: Path, content: bytes | str) -> None:
    (path,) = (cache / "frames").iterdir()
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    detector(cache).prepare_support(normals(), BOXES)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("card", "options"), [({}, {"ct_window": "lung"}), ({"image_size": 64}, {})]
)
def test_whatever_shapes_the_frame_makes_another(
    cache: Path, card: dict[str, object], options: dict[str, object]
) -> None:
    detector(cache, **card).prepare_support(normals(), replace(BOXES, **options))
    assert len(list((cache / "frames").iterdir())) == 2


def test_a_new_study_leaves_the_others_alone(cache: Path) -> None:
    before = files(cache)
    detector(cache).prepare_support([*normals(), study(3)], BOXES)
    after = files(cache)
    assert len(after) == 4
    assert {name: after[name] for name in before} == before


def test_the_same_studies_without_one_need_nothing_new(cache: Path) -> None:
    before = files(cache)
    detector(cache).prepare_support(normals()[:2], BOXES)
    assert files(cache) == before


def test_another_first_study_is_another_frame(cache: Path) -> None:
    detector(cache).prepare_support(normals()[::-1], BOXES)
    assert len(files(cache)) == 6


CHANGES = {
    "plane": ({}, {"planes": (Plane.CORONAL,)}),
    "window": ({}, {"ct_window": "lung"}),
    "registration": ({}, {"register": True}),
    "weights": ({"weights_hash": "other"}, {}),
    "teacher": ({"teacher_hash": "other"}, {}),
    "image size": ({"image_size": 64}, {}),
    "maps": ({"scoring": ScoringConfig({MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0)})}, {}),
}


@pytest.mark.parametrize(("card", "options"), CHANGES.values(), ids=list(CHANGES))
def test_whatever_shapes_the_features_makes_new_ones(
    cache: Path, card: dict[str, object], options: dict[str, object]
) -> None:
    other = detector(cache, **card)
    other.prepare_support(normals(), replace(BOXES, **options))
    assert len(files(cache)) == 6


@pytest.mark.parametrize("change", ["voxel", "place", "modality"])
def test_a_changed_study_is_computed_again(cache: Path, change: str) -> None:
    first, second, third = normals()
    if change == "voxel":
        array = third.array.copy()
        array[14, 14, 14] += 1
        third = replace(third, array=array)
    elif change == "place":
        affine = third.affine.copy()
        affine[0, 3] += 1
        third = replace(third, affine=affine)
    else:
        # MR is normalised by other limits; the foreground needs values above zero.
        first, second, third = (
            replace(each, array=each.array + 1000, modality=Modality.MR)
            for each in (first, second, third)
        )
    detector(cache).prepare_support([first, second, third], BOXES)
    assert len(files(cache)) == (6 if change == "modality" else 4)


def test_a_renamed_study_is_the_same_study(cache: Path) -> None:
    before = files(cache)
    renamed = [replace(each, name=f"renamed {each.name}") for each in normals()]
    support = detector(cache).prepare_support(renamed, BOXES)
    assert files(cache) == before
    assert [each.name for each in support.studies] == [each.name for each in renamed]


@pytest.mark.parametrize("content", [b"", b"junk", "half"])
def test_a_damaged_file_is_computed_again(cache: Path, content: bytes | str) -> None:
    path = min(cache.iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)  # type: ignore[arg-type]
    before = files(cache)
    detector(cache).prepare_support(normals(), BOXES)
    assert path.read_bytes() == whole
    changed = {name for name, time in files(cache).items() if time != before[name]}
    assert changed == {path.name}


def test_each_plane_has_its_own_file(cache: Path) -> None:
    before = files(cache)
    both = replace(BOXES, planes=(Plane.AXIAL, Plane.SAGITTAL))
    detector(cache).prepare_support(normals(), both)
    assert len(files(cache)) == 6
    detector(cache).prepare_support(normals(), replace(BOXES, planes=(Plane.SAGITTAL,)))
    assert len(files(cache)) == 6
    after = files(cache)
    assert {name: after[name] for name in before} == before
