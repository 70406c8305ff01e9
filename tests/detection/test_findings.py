import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.rank_map import label_findings
from d24fad_core.errors import ConfigurationError

IDENTITY = np.eye(4)


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Oblique, anisotropic and mirrored grids anywhere within a metre."""
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    spacing = [draw(st.floats(0.3, 8)) * draw(st.sampled_from([-1, 1])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 3] = [draw(st.floats(-1000, 1000)) for _ in range(3)]
    return affine


def heatmap_with(*boxes: tuple[tuple[slice, slice, slice], float]) -> NDArray[np.float32]:
    heatmap = np.zeros((20, 22, 24), dtype=np.float32)
    for box, score in boxes:
        heatmap[box] = score
    return heatmap


@given(
    affine=affines(),
    voxel=st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 10)),
    slice_axis=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_a_bright_voxel_is_found_where_it_is(
    affine: NDArray[np.float64], voxel: tuple[int, int, int], slice_axis: int
) -> None:
    heatmap = np.zeros((9, 10, 11), dtype=np.float32)
    heatmap[voxel] = 7.0

    mask, (finding,) = find_findings(heatmap, 3.0, affine, slice_axis, 0.0)

    world = (affine @ [*voxel, 1.0])[:3]
    assert finding.peak_voxel == voxel
    assert finding.peak_ras_mm == pytest.approx(world, abs=1e-9)
    assert finding.centroid_ras_mm == pytest.approx(world, abs=1e-9)
    assert finding.slice_range == (voxel[slice_axis], voxel[slice_axis])
    assert finding.bounding_box == (voxel, voxel)
    assert finding.volume_ml == pytest.approx(
        np.prod(np.linalg.norm(affine[:3, :3], axis=0)) / 1000, rel=1e-9
    )
    assert mask.sum() == 1 and mask[voxel] == 1


@given(affine=affines(), seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_the_centroid_is_the_score_weighted_mean_of_world_positions(
    affine: NDArray[np.float64], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    heatmap = np.zeros((8, 9, 10), dtype=np.float32)
    heatmap[2:5, 3:8, 1:6] = generator.uniform(3.1, 9.0, (3, 5, 5))

    _, (finding,) = find_findings(heatmap, 3.0, affine, 2, 0.0)

    voxels = np.argwhere(heatmap > 3)
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    scores = heatmap[heatmap > 3].astype(np.float64)
    assert finding.centroid_ras_mm == pytest.approx(scores @ world / scores.sum(), abs=1e-6)
    assert finding.mean_score == pytest.approx(scores.mean())
    assert finding.peak_score == pytest.approx(scores.max())
    assert heatmap[finding.peak_voxel] == pytest.approx(scores.max())


def test_a_finding_is_the_same_lesion_when_the_array_is_stored_in_another_order() -> None:
    heatmap = heatmap_with((np.s_[3:6, 4:9, 5:12], 5.0))
    heatmap[4, 6, 7] = 9.0
    affine = np.diag([1.0, 2.0, 6.0, 1.0])
    _, (finding,) = find_findings(heatmap, 3.0, affine, 2, 0.0)

    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[0, 3] = heatmap.shape[0] - 1
    turned = np.asfortranarray(heatmap[::-1].transpose(2, 0, 1))
    permutation = np.zeros((4, 4))
    permutation[[0, 1, 2, 3], [1, 2, 0, 3]] = 1
    _, (same,) = find_findings(turned, 3.0, affine @ mirror @ permutation, 0, 0.0)

    assert same.peak_ras_mm == pytest.approx(finding.peak_ras_mm)
    assert same.centroid_ras_mm == pytest.approx(finding.centroid_ras_mm)
    assert same.volume_ml == pytest.approx(finding.volume_ml)
    assert same.slice_range == finding.slice_range == (5, 11)


def test_findings_rank_by_peak_and_the_larger_comes_first_among_equals() -> None:
    heatmap = heatmap_with(
        (np.s_[0:2, 0:2, 0:2], 5.0),
        (np.s_[5:9, 5:9, 5:9], 5.0),
        (np.s_[14:16, 14:16, 14:16], 8.0),
    )
    _, findings = find_findings(heatmap, 3.0, IDENTITY, 2, 0.0)

    assert [finding.rank for finding in findings] == [1, 2, 3]
    assert [finding.peak_score for finding in findings] == [8.0, 5.0, 5.0]
    assert [finding.volume_ml for finding in findings] == pytest.approx([0.008, 0.064, 0.008])


def test_the_mask_holds_exactly_the_findings_that_are_large_enough() -> None:
    large, dropped = np.s_[2:7, 2:7, 2:6], np.s_[12:16, 12:16, 12:18]  # 100 and 96 voxels
    heatmap = heatmap_with((large, 4.0), (dropped, 6.0))

    mask, findings = find_findings(heatmap, 3.0, IDENTITY, 2, minimum_volume_ml=0.1)

    assert mask.dtype == np.uint8
    assert len(findings) == 1
    assert findings[0].bounding_box == ((2, 2, 2), (6, 6, 5))
    np.testing.assert_array_equal(mask, heatmap == 4.0)


@given(affine=affines())
@settings(max_examples=60, deadline=None)
def test_a_region_of_exactly_the_minimum_is_kept_whatever_the_rounding(
    affine: NDArray[np.float64],
) -> None:
    heatmap = heatmap_with((np.s_[2:7, 2:7, 2:6], 4.0))
    minimum = 100 * float(np.prod(np.linalg.norm(affine[:3, :3], axis=0))) / 1000
    _, findings = find_findings(heatmap, 3.0, affine, 2, minimum_volume_ml=minimum)
    assert len(findings) == 1


def test_voxels_that_touch_by_a_corner_are_one_finding_and_a_gap_parts_them() -> None:
    heatmap = heatmap_with((np.s_[3, 3, 3], 5.0), (np.s_[4, 4, 4], 5.0), (np.s_[6, 6, 6], 5.0))
    _, findings = find_findings(heatmap, 3.0, IDENTITY, 2, 0.0)
    assert [finding.volume_ml for finding in findings] == pytest.approx([0.002, 0.001])


def test_a_score_equal_to_the_threshold_is_not_a_finding() -> None:
    heatmap = heatmap_with((np.s_[3:8, 3:8, 3:8], 3.0))
    mask, findings = find_findings(heatmap, 3.0, IDENTITY, 2, 0.0)
    assert findings == () and not mask.any()


@pytest.mark.parametrize(
    ("threshold", "minimum_volume_ml", "words"),
    [(-1.0, 0.1, "-1.0 z"), (float("nan"), 0.1, "nan z"), (3.0, -0.5, "-0.5 ml")],
)
def test_a_senseless_limit_is_refused(
    threshold: float, minimum_volume_ml: float, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        find_findings(heatmap_with(), threshold, IDENTITY, 2, minimum_volume_ml)


@given(seed=st.integers(0, 2**16), minimum_volume_ml=st.sampled_from([0.0, 0.002, 0.01]))
@settings(max_examples=40, deadline=None)
def test_each_voxel_of_the_mask_carries_the_rank_of_its_finding(
    seed: int, minimum_volume_ml: float
) -> None:
    generator = np.random.default_rng(seed)
    heatmap = generator.standard_normal((12, 13, 14)).astype(np.float32)

    mask, findings = find_findings(heatmap, 1.6, IDENTITY, 2, minimum_volume_ml)
    ranks = label_findings(mask, findings)

    np.testing.assert_array_equal(ranks > 0, mask > 0)
    for finding in findings:
        region = ranks == finding.rank
        assert region.sum() / 1000 == pytest.approx(finding.volume_ml)
        assert heatmap[region].max() == pytest.approx(finding.peak_score)
        assert heatmap[region].mean() == pytest.approx(finding.mean_score, rel=1e-5)
        assert finding.volume_ml >= minimum_volume_ml * 0.999
