"""A masked study is analysed inside its mask alone, and the result says which mask."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.detection.options import DetectionOptions
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.volumes.volume import MaskKind
from tests.detection.small_studies import detector, normals, study

BOXES = DetectionOptions(register=False)


@pytest.mark.parametrize("options", [BOXES, DetectionOptions()])
def test_the_heatmap_is_exactly_zero_outside_the_mask(options: DetectionOptions) -> None:
    case = study(7, lesion=True)
    inside = np.zeros(case.shape, bool)
    inside[: case.shape[0] // 2] = True
    small = detector()
    support = small.prepare_support(normals(), options)
    result = small.detect(apply_mask(case, inside, MaskKind.FILE), support, options)
    assert (result.heatmap[~inside] == 0).all()
    assert (result.heatmap[inside] != 0).any()
    assert not result.mask[~inside].any()
    assert result.provenance.parameters["mask"] == "file"
    assert result.provenance.query_hash == case.content_hash


def test_a_mask_around_everything_changes_nothing() -> None:
    case = study(7, lesion=True)
    small = detector()
    support = small.prepare_support(normals(), BOXES)
    whole = small.detect(case, support, BOXES)
    masked = small.detect(
        apply_mask(case, np.ones(case.shape, bool), MaskKind.FILE), support, BOXES
    )
    np.testing.assert_array_equal(masked.heatmap, whole.heatmap)
    assert whole.provenance.parameters["mask"] == "none"
    assert masked.provenance.query_hash == whole.provenance.query_hash


def test_what_lies_outside_the_mask_has_no_say() -> None:
    case = study(7, lesion=True)
    inside = case.array > -500
    table = case.array.copy()
    table[:, :2, :] = 300.0
    small = detector()
    support = small.prepare_support(normals(), BOXES)
    plain, with_table = (
        small.detect(apply_mask(replace(case, array=array), inside, MaskKind.FILE), support, BOXES)
        for array in (case.array, np.where(inside, case.array, table))
    )
    np.testing.assert_array_equal(plain.heatmap, with_table.heatmap)
