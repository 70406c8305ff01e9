"""Which stored scores are those of normal patients."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from d24fad_core.detection.detector import RESULT_SCHEMA
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultRecord
from monailabel_app.calibration.normal_scores import NormalPatients, Quantity
from monailabel_app.review.worklist import Entry

NORMAL = ResultRecord(
    id="now",
    image="a",
    image_sha256="now",
    support_set="brain",
    support=("b", "c"),
    support_hash="s",
    checkpoint_hash="c",
    options=AnalysisParameters().document(),
    case_score=2.0,
    peak_score=5.0,
    threshold=4.0,
    finding_count=0,
    created="2026-01-02",
    schema=RESULT_SCHEMA,
)


def scores(*records: ResultRecord) -> list[float]:
    """Those that calibrate, with `a` confirmed as normal and the result `before` of other voxels
    under its name.
    """
    parts: Any = SimpleNamespace(
        entries=lambda name: [Entry("a", "reviewed", (), "now", 2.0, 4.0, (), True)],
        outdated=lambda: frozenset({"before"}),
        records=lambda: list(records),
        detector=SimpleNamespace(checkpoint_hash="c"),
        with_comparison=lambda parameters: parameters,
        support_hash=lambda name: "s",
        get_image_info=lambda image: {},
    )
    normals = NormalPatients(parts, parts, parts, parts, parts)
    return [each.score for each in normals.calibration("brain", Quantity.CASE_SCORE).normals]


def test_scores_of_voxels_that_were_replaced_do_not_calibrate() -> None:
    before = replace(NORMAL, id="before", image_sha256="before", case_score=19.0)
    assert scores(before, NORMAL) == [2.0]


def test_scores_made_otherwise_do_not_calibrate() -> None:
    for change in (
        {"schema": RESULT_SCHEMA - 1},
        {"checkpoint_hash": "other"},
        {"support_hash": "other"},
        {"image": "nobody looked at"},
    ):
        other = replace(NORMAL, case_score=19.0, **change)  # type: ignore[arg-type]
        assert scores(other, NORMAL) == [2.0]
