"""The detector as a whole, on small bodies: what it refuses, and that its bits depend on the
study and the support alone."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from d24fad_core.comparison.features import encode_study
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.plane_scores import score_plane
from d24fad_core.detection.reference import prepare_plane
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import CancelledError, ConfigurationError, InputError, SupportError
from d24fad_core.progress import silent
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.slices import SliceGrid, SliceStack
from d24fad_core.volumes.volume import Modality, Plane, Volume
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, detector, network, normals, study
from tests.support.phantom import AIR, GRIDS, scan, stored_otherwise

BOXES = DetectionOptions(register=False)
ALL_PLANES = DetectionOptions(register=False, planes=tuple(Plane))


@pytest.fixture(scope="module")
def small() -> Detector:
    return detector()


Prepared = Callable[..., SupportSet]


@pytest.fixture(scope="module")
def prepared(small: Detector) -> Prepared:
    """Support sets by their options and number of normals; each is prepared once."""

    @cache
    def prepare(options: DetectionOptions, count: int = 3) -> SupportSet:
        return small.prepare_support(normals(count), options)

    return prepare


@pytest.fixture(scope="module")
def support(prepared: Prepared) -> SupportSet:
    return prepared(ALL_PLANES)


@pytest.fixture(scope="module")
def case() -> Volume:
    return study(7, lesion=True)


@pytest.fixture(scope="module")
def result(small: Detector, support: SupportSet, case: Volume) -> AnomalyResult:
    return small.detect(case, support, ALL_PLANES)


def assert_same(one: AnomalyResult, other: AnomalyResult) -> None:
    """Bit for bit, provenance included."""
    np.testing.assert_array_equal(one.heatmap, other.heatmap)
    np.testing.assert_array_equal(one.mask, other.mask)
    for name in ("slice_scores", "case_score", "findings", "calibration", "provenance"):
        assert getattr(one, name) == getattr(other, name), name


def test_the_result_lies_on_the_source_grid(result: AnomalyResult, case: Volume) -> None:
    assert result.heatmap.shape == result.mask.shape == case.shape
    assert result.heatmap.dtype == np.float32
    assert result.mask.dtype == np.uint8
    np.testing.assert_array_equal(result.affine, case.affine)
    assert np.isfinite(result.heatmap).all()
    assert len(result.slice_scores) == case.shape[result.slice_axis]


def test_a_study_scores_the_same_again_and_after_another(
    small: Detector, support: SupportSet, case: Volume, result: AnomalyResult
) -> None:
    assert_same(small.detect(case, support, ALL_PLANES), result)
    small.detect(study(8), support, ALL_PLANES)
    assert_same(small.detect(case, support, ALL_PLANES), result)


def test_preparing_again_gives_the_same_bits(
    small: Detector, case: Volume, result: AnomalyResult
) -> None:
    again = small.prepare_support(normals(), ALL_PLANES)
    assert_same(small.detect(case, again, ALL_PLANES), result)


@pytest.mark.parametrize("plane", Plane)
def test_a_plane_scores_the_same_beside_others(
    small: Detector, prepared: Prepared, support: SupportSet, case: Volume, plane: Plane
) -> None:
    """The support was prepared for all three planes."""
    options = replace(BOXES, planes=(plane,))
    alone = prepared(options)
    assert_same(small.detect(case, alone, options), small.detect(case, support, options))


def test_planes_are_averaged_in_units_of_the_normals_mean(
    small: Detector, support: SupportSet, case: Volume, result: AnomalyResult
) -> None:
    single = [small.detect(case, support, replace(BOXES, planes=(plane,))) for plane in Plane]
    scales = [support.scale((plane,)) for plane in Plane]
    in_plane = [
        np.where(each.heatmap != 0, each.heatmap * own.spread + own.centre, 0.0)
        for each, own in zip(single, scales, strict=True)
    ]
    mean = np.mean(in_plane, axis=0)
    scale = support.scale(tuple(Plane))
    # At the edge voxels are interpolated with the zeros outside.
    inside = ndimage.binary_erosion(mean != 0, iterations=2)
    expected = (mean[inside] - scale.centre) / scale.spread
    np.testing.assert_allclose(result.heatmap[inside], expected, atol=1e-3)
    assert result.calibration.threshold == scale.threshold
    assert result.calibration.normal_case_scores == scale.case_scores
    # What all planes agree on stands out more clearly than in each alone.
    assert result.case_score > np.mean([each.case_score for each in single])


def test_of_several_planes_some_can_be_chosen(
    small: Detector, prepared: Prepared, support: SupportSet, case: Volume
) -> None:
    two = replace(BOXES, planes=(Plane.SAGITTAL, Plane.AXIAL))
    assert_same(small.detect(case, prepared(two), two), small.detect(case, support, two))


@pytest.mark.parametrize("lesion", [False, True])
@pytest.mark.parametrize("thickness", [2.0, 4.0, 6.0, 10.0, 16.0, 20.0])
def test_the_case_score_is_within_the_heatmap(
    small: Detector, prepared: Prepared, thickness: float, lesion: bool
) -> None:
    """Against normals of 4 mm: thick slices show the map at their middles alone."""
    case = study(7, lesion, (4.0, 4.0, thickness))
    result = small.detect(case, prepared(BOXES), BOXES)
    assert result.case_score <= float(result.heatmap.max())
    if result.findings:
        assert result.case_score <= result.findings[0].peak_score
    normal_scores = result.calibration.normal_case_scores
    reached = sum(score >= result.case_score for score in normal_scores)
    assert result.calibration.p_value == pytest.approx((1 + reached) / (1 + len(normal_scores)))


@pytest.mark.usefixtures("threads")
def test_a_slice_scores_the_same_whichever_others_show_the_patient() -> None:
    """Only slices that show the patient are encoded, so these decide what travels together."""
    generator = torch.Generator().manual_seed(0)
    grid = SliceGrid(Plane.AXIAL, (32, 32, 11), (2.0, 2.0, 2.0), IMAGE_SIZE)
    foreground = torch.ones(11, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.bool)
    stacks = [
        SliceStack(torch.rand(11, IMAGE_SIZE, IMAGE_SIZE, generator=generator), foreground, grid)
        for _ in range(3)
    ]
    scoring = replace(EVERY_MAP, blur_mm=0.0)  # blur through slices mixes them on purpose
    model = network()
    features = [encode_study(model, stack, 1.0, scoring.keys) for stack in stacks[1:]]
    reference = prepare_plane(model, grid, features, scoring)
    query = stacks[0]
    whole = score_plane(model, query, reference, scoring, silent).heatmap
    for slices in ([4], [0, 5, 10], list(range(1, 11))):
        part = torch.zeros_like(foreground)
        part[slices] = True
        scores = score_plane(model, replace(query, foreground=part), reference, scoring, silent)
        np.testing.assert_array_equal(scores.heatmap[:, :, slices], whole[:, :, slices])
        hidden = sorted(set(range(11)) - set(slices))
        assert not scores.heatmap[:, :, hidden].any()


@pytest.mark.parametrize("register", [False, True])
@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (True, True, False)), ((1, 2, 0), (False, True, True)), ((2, 0, 1), (True,) * 3)],
)
def test_how_a_study_is_stored_changes_nothing(
    small: Detector,
    prepared: Prepared,
    order: tuple[int, int, int],
    flips: tuple[bool, bool, bool],
    register: bool,
) -> None:
    options = replace(BOXES, register=register)
    support = prepared(options)
    case = study(7, lesion=True)
    expected = small.detect(case, support, options)
    other_result = small.detect(stored_otherwise(case, order, flips), support, options)
    # Both on the grid of the case.
    back = np.flip(other_result.heatmap, [axis for axis, flip in enumerate(flips) if flip])
    back = back.transpose(np.argsort(order))
    if register:
        # Coarse voxels for registration begin at the other end, so that it ends a little apart.
        assert np.corrcoef(back.ravel(), expected.heatmap.ravel())[0, 1] > 0.98
    else:
        np.testing.assert_allclose(back, expected.heatmap, atol=1e-2)
        assert other_result.case_score == pytest.approx(expected.case_score, abs=1e-2)
    first, second = expected.findings[0], other_result.findings[0]
    np.testing.assert_allclose(second.centroid_ras_mm, first.centroid_ras_mm, atol=4.0)
    assert order[other_result.slice_axis] == expected.slice_axis == 2


@pytest.mark.parametrize("grid", ["oblique", "1x1x6 mm", "sagittal"])
def test_the_heatmap_is_zero_outside_the_body(
    small: Detector, prepared: Prepared, grid: str
) -> None:
    """Exactly; beyond two voxels of the frame, over which its edge is interpolated."""
    case = scan(replace(GRIDS[grid], extent=150.0), name="case")
    support = prepared(BOXES)
    heatmap = small.detect(case, support, BOXES).heatmap
    where = np.moveaxis(np.indices(case.shape), 0, -1) @ case.affine[:3, :3].T
    body = where[case.array > AIR]
    edge = 2 * max(*support.frame.spacing, *case.spacing) + 3.0  # foreground is found at 3 mm
    centre, reach = (body.min(0) + body.max(0)) / 2, (body.max(0) - body.min(0)) / 2 + edge
    outside = (np.abs(where - centre) > reach).any(axis=-1)
    assert outside.mean() > 0.3
    assert not heatmap[outside].any()
    assert heatmap[case.array > AIR].any()


def test_findings_and_slices_follow_the_heatmap(result: AnomalyResult) -> None:
    assert result.findings
    best = result.findings[0]
    assert best.peak_score == pytest.approx(float(result.heatmap.max()), rel=1e-6)
    assert result.heatmap[best.peak_voxel] == result.heatmap.max()
    assert (result.heatmap[result.mask > 0] > result.calibration.threshold).all()
    assert result.slice_scores[best.peak_voxel[result.slice_axis]] == max(result.slice_scores)


def test_options_reach_the_findings(
    small: Detector, support: SupportSet, case: Volume, result: AnomalyResult
) -> None:
    none = small.detect(case, support, replace(ALL_PLANES, threshold=1e6))
    assert none.findings == ()
    assert not none.mask.any()
    assert none.calibration.threshold == 1e6
    np.testing.assert_array_equal(none.heatmap, result.heatmap)
    large = small.detect(case, support, replace(ALL_PLANES, minimum_volume_ml=1e6))
    assert large.findings == ()


def test_provenance_says_what_is_needed_to_repeat_it(
    small: Detector, case: Volume, result: AnomalyResult
) -> None:
    provenance = result.provenance
    assert provenance.query_name == case.name
    assert provenance.query_hash == case.content_hash
    assert provenance.checkpoint_hash == small.checkpoint_hash
    assert [each.content_hash for each in provenance.supports] == [
        each.content_hash for each in normals()
    ]
    assert sum(each.share for each in provenance.supports) == pytest.approx(1.0, abs=1e-5)
    assert provenance.parameters["planes"] == "axial, coronal, sagittal"
    assert provenance.parameters["register"] is False
    assert provenance.parameters["weighting"] == "learnt"
    assert provenance.parameters["modality"] == "CT"
    assert set(provenance.versions) >= {"d24fad", "torch", "numpy", "python"}


def test_calibration_rests_on_the_supports_own_scores(result: AnomalyResult) -> None:
    assert result.calibration.normal_patients == 3
    assert len(set(result.calibration.normal_case_scores)) == 3
    assert result.calibration.p_value in (0.25, 0.5, 0.75, 1.0)


def test_a_map_without_support_needs_no_shares() -> None:
    """Reverse distillation alone: the support still gives the units."""
    alone = detector(scoring=ScoringConfig({MapKind.TEACHER_STUDENT: (0.0, 1.0, 1.0)}))
    support = alone.prepare_support(normals(), BOXES)
    result = alone.detect(study(7, lesion=True), support, BOXES)
    assert np.isfinite(result.heatmap).all()
    assert [each.share for each in result.provenance.supports] == [0.0, 0.0, 0.0]


def test_progress_only_moves_forward(small: Detector, support: SupportSet, case: Volume) -> None:
    for run in (
        lambda report: small.prepare_support(normals(2), ALL_PLANES, report),
        lambda report: small.detect(case, support, ALL_PLANES, report),
    ):
        fractions: list[float] = []
        run(lambda step, fraction: fractions.append(fraction))  # noqa: B023 - called at once
        assert fractions == sorted(fractions)
        assert fractions[0] == 0.0
        assert fractions[-1] == 1.0


def test_a_caller_can_stop(small: Detector, support: SupportSet, case: Volume) -> None:
    def stop(step: str, fraction: float) -> None:
        if fraction > 0.3:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        small.detect(case, support, ALL_PLANES, stop)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_normals_are_too_few(small: Detector, count: int) -> None:
    with pytest.raises(SupportError, match=rf"^{count} support study given; at least 2"):
        small.prepare_support(normals(count), BOXES)


def test_two_normals_are_enough_and_said_to_be_optimistic(
    small: Detector, prepared: Prepared
) -> None:
    support = prepared(BOXES, 2)
    result = small.detect(study(7, lesion=True), support, BOXES)
    assert np.isfinite(result.heatmap).all()
    assert "optimistic" in result.calibration.statement


def test_the_same_scan_twice_is_no_second_patient(small: Detector) -> None:
    copy = replace(study(1), name="copy")
    with pytest.raises(SupportError, match="normal-1 and copy are the same scan"):
        small.prepare_support([*normals(), copy], BOXES)


def magnetic(volume: Volume) -> Volume:
    return replace(volume, array=volume.array + 1000, modality=Modality.MR)


def test_modalities_do_not_mix(small: Detector, support: SupportSet) -> None:
    with pytest.raises(SupportError, match="the support mixes CT and MR"):
        small.prepare_support([study(0), magnetic(study(1))], BOXES)
    with pytest.raises(SupportError, match="normal-2 is MR but the support is CT"):
        small.detect(magnetic(study(2)), support, ALL_PLANES)


@pytest.mark.parametrize(
    "changed",
    [{"ct_window": "lung"}, {"register": True}, {"planes": (Plane.AXIAL, Plane.CORONAL)}],
    ids=lambda changed: next(iter(changed)),
)
def test_the_analysis_needs_the_options_of_the_preparation(
    small: Detector, prepared: Prepared, case: Volume, changed: dict[str, object]
) -> None:
    support = prepared(BOXES, 2)
    with pytest.raises(SupportError, match="Prepare it with the same options"):
        small.detect(case, support, replace(BOXES, **changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"planes": ()}, "no plane given"),
        ({"planes": (Plane.AXIAL, Plane.AXIAL)}, "given twice"),
        ({"threshold": -1.0}, "threshold of -1.0"),
        ({"threshold": float("nan")}, "threshold of nan"),
        ({"threshold": float("inf")}, "threshold of inf"),
        ({"minimum_volume_ml": -0.1}, "minimum volume of -0.1 ml"),
        ({"minimum_volume_ml": float("nan")}, "minimum volume of nan ml"),
        ({"ct_window": "kidney"}, "unknown CT window 'kidney'; choose one of body"),
    ],
)
def test_options_that_make_no_sense_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DetectionOptions(**changed)  # type: ignore[arg-type]


def test_an_empty_query_is_named(small: Detector, support: SupportSet) -> None:
    empty = replace(study(0), array=np.full(study(0).shape, AIR, np.float32), name="empty")
    with pytest.raises(InputError, match="empty: no foreground"):
        small.detect(empty, support, ALL_PLANES)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"device 'abacus' cannot be used here"):
        Detector.from_checkpoint(device="abacus")
