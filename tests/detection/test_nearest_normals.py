from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from d24fad_core.detection.nearest_normals import with_matched_places
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Modality, Volume
from tests.export.analysed_study import analysed


def test_a_finding_says_where_its_peak_lies_in_its_nearest_normal() -> None:
    _, result = analysed(lesions=(((16, 9, 6), 8.0), ((6, 20, 3), 6.0), ((6, 6, 9), 5.0)))
    first, second, third = result.findings
    known = replace(
        result,
        findings=(
            replace(first, nearest_normal="normal-1"),
            replace(second, nearest_normal="normal-2"),
            third,
        ),
    )
    study = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4), Modality.MR, "normal-1")
    # 5 mm to the left, 7 mm to the front and 2 mm up, in the coordinates of SimpleITK.
    moved = SimpleITK.TranslationTransform(3, (5.0, -7.0, 2.0))
    placed = with_matched_places(known, [MatchedNormal(study, moved)])
    right, anterior, superior = first.peak_ras_mm
    assert placed.findings[0].matched_ras_mm == pytest.approx(
        (right - 5.0, anterior + 7.0, superior + 2.0)
    )
    assert [each.matched_ras_mm for each in placed.findings[1:]] == [None, None]
