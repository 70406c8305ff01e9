"""The self-test inside Slicer: a made-up result is shown, reviewed and found again.

It needs no server. It checks inside Slicer what the project's tests check on stand-ins:
that layers, segments, jumping and the state kept in the scene work there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from ..logic.findings import Analysis, regions_of
from ..logic.matching import SupportMatch
from ..logic.review_events import Action, State
from ..logic.volume_file import VolumeData
from . import case as cases
from . import comparison, segments, views
from .case import Delivery
from .parameters import CaseNode

_SHAPE = (20, 32, 40)
_SPOT = (slice(8, 12), slice(10, 15), slice(20, 27))
_AFFINE = np.array([[1.4, 0.3, 0, -30], [-0.3, 1.4, 0, -20], [0, 0, 4.0, -40], [0, 0, 0, 1.0]])


def made_up_result() -> tuple[VolumeData, Delivery]:
    """A scan on an oblique grid with one bright spot, and the result for it."""
    array = np.random.default_rng(0).uniform(40, 90, _SHAPE).astype(np.int16)
    array[_SPOT] = 800
    labels = np.zeros(_SHAPE, np.uint16)
    labels[_SPOT] = 1
    centre = [(place.start + place.stop - 1) / 2 for place in reversed(_SPOT)]
    peak = (_AFFINE @ np.array([*centre, 1.0]))[:3]
    finding = {
        "rank": 1,
        "volume_ml": 1.0,
        "peak_score": 8.0,
        "peak_ras_mm": [float(v) for v in peak],
        "slice_range": [_SPOT[0].start, _SPOT[0].stop - 1],
    }
    report: dict[str, Any] = {
        "case_score": 8.0,
        "slice_axis": 2,
        "slice_scores": [float(layer.max()) / 100 for layer in array],
        "findings": [finding],
        "calibration": {"threshold": 4.0, "p_value": 0.2, "statement": "Made up."},
        "geometry": {"affine": _AFFINE.tolist(), "shape": list(_SHAPE[::-1])},
    }
    analysis = Analysis.read({"id": "self-test", "image": "self-test", "report": report})
    heatmap = VolumeData(array.astype(np.float32) / 100, _AFFINE)
    return VolumeData(array, _AFFINE), Delivery(analysis, heatmap, regions_of(labels))


def run_self_test() -> None:
    """Show, review and find again; raises where something is not as it should be.

    Raises:
        RuntimeError: names what differs.
    """
    data, delivery = made_up_result()
    case = CaseNode.of_volume(cases.add_volume("self-test", data))
    views.show_volume(case.volume)
    cases.receive(case, delivery, "self-test", 0.6)
    finding = delivery.analysis.findings[0]
    views.jump_to(case.volume, finding.peak_ras_mm)
    distance = np.abs(np.subtract(views.position_in_view(), finding.peak_ras_mm)).max()
    _require(distance < 1e-3, f"the Red view is {distance} mm from the finding")
    index = cases.slice_in_view(case)
    _require(index in range(8, 12), f"the slice in view is {index}")
    _require(case.numbers.GetNthControlPointLabel(0) == "1", "the finding has no number")
    _require(views.is_heatmap(case.heatmap), "the heatmap is not known as one")
    case.review = case.review.append(Action.ACCEPT, 1, "self-test")
    states = segments.apply_states(case.segmentation, case.volume, case.review)
    _require(states == {1: State.ACCEPTED}, f"the states are {states}")
    again = CaseNode.find(case.volume)
    _require(again is not None and again.review == case.review, "the review is not in the scene")
    edited = segments.drawn_masks(case.segmentation, case.volume, case.review)
    _require(not edited, "an untouched segment counts as edited")
    _compare(case, finding.peak_ras_mm, data)


def _compare(case: CaseNode, place: tuple[float, float, float], data: VolumeData) -> None:
    layout = slicer.app.layoutManager().layout
    moved = np.eye(4)
    moved[:3, 3] = (30.0, -20.0, 10.0)
    support = cases.add_volume("self-test normal", VolumeData(data.array, moved @ data.affine))
    rows = tuple(tuple(float(value) for value in row) for row in moved)
    shown = comparison.begin(case, support, SupportMatch("self-test normal", rows))
    there = views.position_in_view("Yellow")
    distance = np.abs(np.subtract(there, moved[:3, 3]) - np.asarray(place)).max()
    captions = [caption.text for caption in shown.captions]
    _require(captions == ["self-test", "self-test normal"], f"the captions are {captions}")
    _require(distance < 1e-3, f"the normal study's view is {distance} mm from the matched place")
    comparison.end(shown)
    _require(slicer.app.layoutManager().layout == layout, "the layout did not come back")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(f"D24FAD self-test: {otherwise}.")
