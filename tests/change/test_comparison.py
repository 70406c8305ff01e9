"""Changes of a patient between two scans, whatever the scans are like."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import SimpleITK as sitk

from d24fad_core.change.checks import check_pair
from d24fad_core.change.comparison import compare_with_prior
from d24fad_core.change.options import ChangeOptions
from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.result import ChangeKind, ChangeResult
from d24fad_core.detection.result import WarningCode
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.volumes.volume import MaskKind, Modality, Volume
from tests.change.patient import FINE, TISSUE, Lesion, Pose, scan_patient
from tests.support.phantom import GRIDS, Grid

POSE = Pose(3.0, shift=(3.0, -2.0, 4.0))
FOCUS = Lesion((10.0, -8.0, 6.0), 5.0)
STABLE = Lesion((-12.0, 14.0, -8.0), 6.0)


def compare(now: tuple[Lesion, ...], before: tuple[Lesion, ...], **scanner: float) -> ChangeResult:
    """Two scans of one patient on fine grids, the earlier one in another pose."""
    return compare_with_prior(
        scan_patient(lesions=now, seed=1),
        scan_patient(lesions=before, pose=POSE, seed=2, name="prior", **scanner),
    )


def resized(lesion: Lesion, radius: float) -> Lesion:
    return replace(lesion, radius=radius)


def test_the_prior_is_laid_on_the_case() -> None:
    use = compare((FOCUS,), (FOCUS,)).use
    matrix = np.array(use.to_prior)
    for corner in ([30.0, 0, 0], [0, 40.0, 0], [0, 0, 25.0], [-30.0, -20.0, 10.0]):
        point = FOCUS.place + np.array(corner)
        there = matrix[:3, :3] @ point + matrix[:3, 3]
        assert np.linalg.norm(there - POSE.moved(point)) < 0.4
    assert use.likeness > 0.9


def test_nothing_is_said_to_have_changed_where_nothing_did() -> None:
    assert compare((FOCUS, STABLE), (FOCUS, STABLE)).changes == ()


@pytest.mark.parametrize(
    ("kind", "radius", "before"),
    [
        (ChangeKind.NEW, 5.0, 0.0),
        (ChangeKind.GROWN, 6.0, 4.0),
        (ChangeKind.SHRUNK, 4.0, 6.0),
        (ChangeKind.GONE, 0.0, 5.0),
    ],
)
@pytest.mark.parametrize("level", [160.0, 40.0], ids=["brighter", "darker"])
def test_what_became_of_a_lesion_is_said_with_its_volume_at_both_times(
    kind: ChangeKind, radius: float, before: float, level: float
) -> None:
    lesions = [
        (STABLE, *((replace(FOCUS, radius=size, level=level),) if size else ()))
        for size in (radius, before)
    ]
    result = compare(lesions[0], lesions[1])
    assert [change.kind for change in result.changes] == [kind]
    change = result.changes[0]
    assert np.linalg.norm(np.array(change.centroid_ras_mm) - FOCUS.place) < 2.0
    for measured, size in ((change.volume_ml, radius), (change.prior_volume_ml, before)):
        assert measured == pytest.approx(resized(FOCUS, size).volume_ml, rel=0.25)
    # Brighter than before where a bright lesion appeared or a dark one vanished.
    appeared = kind in (ChangeKind.NEW, ChangeKind.GROWN)
    assert (change.peak_score > 0) == ((level > TISSUE) == appeared)


def test_a_focus_of_3_mm_is_found_on_a_grid_of_1_mm() -> None:
    grid = Grid(spacing=(1.0, 1.0, 1.0), extent=96.0)
    focus = Lesion((10.0, -8.0, 6.0), 1.7, 180.0)
    result = compare_with_prior(
        scan_patient(grid, (focus,), seed=1), scan_patient(grid, pose=POSE, seed=2, name="prior")
    )
    assert [change.kind for change in result.changes] == [ChangeKind.NEW]
    assert np.linalg.norm(np.array(result.changes[0].peak_ras_mm) - focus.place) < 1.5


@pytest.mark.parametrize("scanner", [{"gain": 2.7, "offset": 40.0}, {"gain": 1.4, "bias": 0.12}])
def test_another_scanner_setting_is_no_change(scanner: dict[str, float]) -> None:
    """Gain, offset and a bias field; the new focus is found all the same."""
    assert compare((STABLE,), (STABLE,), **scanner).changes == ()
    result = compare((STABLE, FOCUS), (STABLE,), **scanner)
    assert [change.kind for change in result.changes] == [ChangeKind.NEW]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("which", ["case", "prior"])
def test_grids_make_no_difference(name: str, which: str) -> None:
    """Oblique, flipped, transposed and thick slices, of either study."""
    grids = {"case": FINE, "prior": FINE, which: GRIDS[name]}
    large = resized(FOCUS, 7.0)
    result = compare_with_prior(
        scan_patient(grids["case"], (large, STABLE), seed=1),
        scan_patient(grids["prior"], (STABLE,), pose=POSE, seed=2, name="prior"),
    )
    assert [change.kind for change in result.changes] == [ChangeKind.NEW]
    change = result.changes[0]
    assert np.linalg.norm(np.array(change.centroid_ras_mm) - large.place) < 2.5
    assert change.volume_ml == pytest.approx(large.volume_ml, rel=0.3)
    for array in (result.heatmap, result.ranks, result.prior):
        assert array.shape == grids["case"].shape
    first, last = (np.array(corner) for corner in change.bounding_box)
    places = np.argwhere(result.ranks == change.rank)
    assert (places.min(axis=0) == first).all() and (places.max(axis=0) == last).all()
    assert abs(result.heatmap[change.peak_voxel]) == pytest.approx(abs(change.peak_score))


def test_only_the_inside_of_a_mask_is_compared() -> None:
    case = scan_patient(lesions=(FOCUS,), seed=1)
    right = np.zeros(case.shape, dtype=bool)
    middle = case.shape[0] // 2
    right[middle:] = True
    prior = scan_patient(pose=POSE, seed=2, name="prior")
    for inside, count in ((right, 1), (~right, 0)):
        result = compare_with_prior(apply_mask(case, inside, MaskKind.FILE), prior)
        assert len(result.changes) == count
        assert not result.heatmap[~inside].any()


def test_another_patient_is_warned_of_or_refused() -> None:
    case, other = scan_patient(seed=1), scan_patient(person=5, seed=2, name="other")
    try:
        result = compare_with_prior(case, other)
    except InputError as error:
        assert "likeness" in str(error)
    else:
        codes = [warning.code for warning in result.warnings]
        assert WarningCode.PRIOR_UNLIKE in codes


def test_another_part_of_the_body_is_refused() -> None:
    case = scan_patient(seed=1)
    noise = np.random.default_rng(3).normal(100, 30, case.shape).astype(np.float32)
    other = replace(case, array=np.where(case.array > 0, noise, 0).astype(np.float32), name="knee")
    with pytest.raises(InputError, match="knee does not fit case"):
        compare_with_prior(case, other)


def test_another_modality_and_the_case_itself_are_refused() -> None:
    case = scan_patient(seed=1)
    ct = replace(scan_patient(seed=2, name="prior"), modality=Modality.CT)
    with pytest.raises(InputError, match="case is MR but its prior prior is CT"):
        compare_with_prior(case, ct)
    with pytest.raises(InputError, match="is the case itself"):
        compare_with_prior(case, replace(case, name="copy"))
    inside = case.array > 0
    masked = apply_mask(case, inside, MaskKind.FILE)
    for one, other in ((masked, case), (case, masked), (masked, masked)):
        with pytest.raises(InputError, match="is the case itself"):
            compare_with_prior(one, replace(other, name="copy"))


@pytest.mark.parametrize(
    ("own", "other", "later"),
    [
        (date(2026, 3, 1), date(2026, 3, 2), True),
        (date(2026, 3, 1), date(2026, 3, 1), False),
        (date(2026, 3, 1), date(2025, 12, 31), False),
        (date(2026, 3, 1), None, False),
        (None, date(2026, 3, 2), False),
    ],
)
def test_a_prior_of_a_later_day_is_told(own: date | None, other: date | None, later: bool) -> None:
    """All would be called the other way round: new lesions gone, grown ones shrunk."""
    ones = np.ones((4, 4, 4), np.float32)
    box = (slice(None), slice(None), slice(None))
    turn = sitk.Euler3DTransform()
    pair = RegisteredPair(box, ones, ones, ones > 0, np.eye(4), (1.0, 1.0, 1.0), turn)
    case = Volume(ones, np.eye(4), Modality.MR, "case", acquired=own)
    prior = Volume(2 * ones, np.eye(4), Modality.MR, "prior", acquired=other)
    warnings = check_pair(case, prior, pair, 1.0, pair.inside)
    codes = [warning.code for warning in warnings]
    assert (WarningCode.PRIOR_LATER in codes) is later


def test_a_prior_that_shows_a_part_is_told() -> None:
    case = scan_patient(lesions=(FOCUS,), seed=1)
    whole = scan_patient(seed=2, name="prior")
    half = replace(whole, array=np.ascontiguousarray(whole.array[:, :, : whole.shape[2] // 2 + 4]))
    result = compare_with_prior(case, half)
    assert WarningCode.PRIOR_PARTIAL in [warning.code for warning in result.warnings]


def test_thick_slices_are_told() -> None:
    thick = Grid(spacing=(1.5, 1.5, 6.0), extent=100.0)
    result = compare_with_prior(
        scan_patient(seed=1), scan_patient(thick, pose=POSE, seed=2, name="prior")
    )
    # In slices this thick half of so small a head is rim, where both are never wholly shown.
    assert [warning.code for warning in result.warnings] == [
        WarningCode.PRIOR_PARTIAL,
        WarningCode.PRIOR_RESOLUTION,
    ]


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"minimum_volume_ml": -1.0}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        ChangeOptions(**wrong)
