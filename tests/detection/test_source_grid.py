"""Findings of a reduced scan are those of the map that is written on its own grid."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.source_grid import on_source_grid
from d24fad_core.volumes.reduction import Reduction
from d24fad_core.volumes.volume import Plane
from tests.export.analysed_study import analysed, reduced_study


def test_a_scan_that_was_not_reduced_stays_as_it_is() -> None:
    _, result = analysed()
    source = on_source_grid(result)
    assert source.findings == result.findings
    assert source.slice_scores == result.slice_scores
    assert source.shape == result.heatmap.shape
    np.testing.assert_array_equal(source.affine, result.affine)


@given(
    factors=st.tuples(*[st.integers(1, 4)] * 3),
    missing=st.tuples(*[st.integers(0, 3)] * 3),
    plane=st.sampled_from(list(Plane)),
    turned=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_findings_are_those_of_the_map_on_the_source_grid(factors, missing, plane, turned) -> None:
    affine = np.diag([2.0, 1.6, 2.8, 1.0])
    if turned:
        affine = np.array([[0, 0, -2.8, 40], [2, 0.01, 0, -9], [0, -1.6, 0, 12], [0, 0, 0, 1]])
    # One bump reaches the far corner, where blocks are not whole.
    _, result = reduced_study(
        factors, missing, affine, plane, lesions=(((9, 9, 3), 8.0), ((15, 17, 9), 40.0))
    )
    reduction = result.reduction
    assert reduction is not None
    heatmap = np.stack(list(reduction.source_slices(result.heatmap)), axis=2)
    mask, expected = find_findings(heatmap, 3.0, affine, result.slice_axis, 0.0)
    np.testing.assert_array_equal(np.stack(list(reduction.source_slices(result.mask)), 2), mask)

    source = on_source_grid(result)
    assert source.shape == heatmap.shape
    assert len(source.findings) == len(expected) == 2
    for finding, known in zip(source.findings, expected, strict=True):
        assert (finding.rank, finding.peak_score) == (known.rank, known.peak_score)
        assert finding.volume_ml == pytest.approx(known.volume_ml)
        assert finding.mean_score == pytest.approx(known.mean_score)
        assert finding.centroid_ras_mm == pytest.approx(known.centroid_ras_mm, abs=1e-6)
        assert finding.slice_range == known.slice_range
        assert finding.bounding_box == known.bounding_box
        # Every voxel of the highest block is as high; the one in its middle is named.
        assert heatmap[finding.peak_voxel] == np.float32(finding.peak_score)
        np.testing.assert_allclose(
            affine[:3, :3] @ finding.peak_voxel + affine[:3, 3], finding.peak_ras_mm
        )


def test_each_slice_has_the_score_of_its_block() -> None:
    _, result = reduced_study((2, 3, 4), (0, 0, 3), np.eye(4), Plane.AXIAL)
    scores = on_source_grid(result).slice_scores
    assert len(scores) == 4 * 10 - 3
    for index, score in enumerate(scores):
        assert score == result.slice_scores[index // 4]


def test_a_finding_of_a_whole_scan_and_of_blocks_of_one_voxel_are_the_same() -> None:
    _, result = analysed()
    blocks = replace(
        result, reduction=Reduction(result.heatmap.shape, result.affine, (1, 1, 1), "")
    )
    (finding,), (known,) = on_source_grid(blocks).findings, result.findings
    assert finding.bounding_box == known.bounding_box and finding.peak_voxel == known.peak_voxel
    assert finding.volume_ml == pytest.approx(known.volume_ml)
    assert finding.centroid_ras_mm == pytest.approx(known.centroid_ras_mm)
