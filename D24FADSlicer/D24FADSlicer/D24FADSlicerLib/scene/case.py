"""One case in the scene, from a result of the server to a review that is saved with the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from ..logic.findings import Analysis
from ..logic.grids import reordering
from ..logic.review import Action, Event, Review
from ..logic.volume_file import VolumeData
from . import heatmap, numbers, segments, views
from .parameters import CaseNode


@dataclass(frozen=True, eq=False)
class Delivery:
    """Everything that the server gives for one result.

    Attributes:
        analysis: findings, scores, calibration.
        heatmap: z units.
        regions: voxels (k, j, i) of each finding.
        events: the review so far.
        masks: outlines that reviewers drew, by finding.
    """

    analysis: Analysis
    heatmap: VolumeData
    regions: Mapping[int, NDArray]
    events: tuple[Event, ...]
    masks: Mapping[int, VolumeData] = field(default_factory=dict)


def receive(case: CaseNode, delivery: Delivery, reviewer: str, opacity: float) -> None:
    """Show a result; what the reviewer did on an earlier result of the case is kept.

    Raises:
        ExplainedError: the result lies on another grid than the volume; the scene is unchanged.
    """
    volume, analysis = case.volume, delivery.analysis
    delivery = _in_order_of(volume, delivery)
    heatmap.check_grid(volume, delivery.heatmap, analysis)
    former, former_review = case.analysis, case.review
    case.heatmap = heatmap.show_heatmap(volume, delivery.heatmap, analysis, case.heatmap)
    same = former is not None and former.result == analysis.result
    review = Review(delivery.events, former_review.waiting if same else ())
    if case.segmentation is None:
        case.segmentation = segments.new_segmentation(volume)
        case.segmentation.SetName(slicer.mrmlScene.GenerateUniqueName("Findings"))
    if not (same and _has_all(case.segmentation, analysis)):
        carried = segments.show_findings(
            case.segmentation, volume, delivery.regions, analysis, former_review
        )
        if not same:
            review = _carry(review, carried, reviewer)
        for finding, mask in delivery.masks.items():
            segments.show_drawn(case.segmentation, volume, finding, mask)
    case.analysis = analysis
    numbers.show_numbers(case)
    case.review = review
    case.image = analysis.image
    case.threshold = analysis.threshold
    segments.apply_states(case.segmentation, volume, review)
    views.show_case(volume, case.heatmap, opacity)
    heatmap.show_legend(case.heatmap)


def _in_order_of(volume: Any, delivery: Delivery) -> Delivery:
    """A delivery in the order of a volume's voxels: Slicer may read a series backwards."""
    affine, shape = heatmap.affine_of(volume), volume.GetImageData().GetDimensions()
    scores = delivery.heatmap
    way = reordering(scores.affine, scores.array.shape[::-1], affine, shape)
    if way is None or np.array_equal(scores.affine, affine):
        return delivery
    masks = {
        finding: VolumeData(way.array(mask.array), affine)
        for finding, mask in delivery.masks.items()
    }
    return replace(
        delivery,
        heatmap=VolumeData(way.array(scores.array), affine),
        regions={rank: way.voxels(region) for rank, region in delivery.regions.items()},
        masks=masks,
    )


def _has_all(segmentation: Any, analysis: Analysis) -> bool:
    ranks = [finding.rank for finding in analysis.findings]
    return all(segments.segment_of(segmentation, rank) is not None for rank in ranks)


def _carry(review: Review, carried: list[segments.CarriedDecision], reviewer: str) -> Review:
    decided = review.findings()
    for decision in carried:
        # Added regions are written when their outline is sent.
        if decision.action is not Action.ADD and decision.finding not in decided:
            note = "carried over from an earlier analysis"
            review = review.append(decision.action, decision.finding, reviewer, note)
    return review


def add_volume(name: str, data: VolumeData) -> Any:
    """Put a downloaded image into the scene."""
    volume = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name)
    )
    # Before the voxels: the display node would take seconds to find a window of its own.
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.AutoWindowLevelOff()
    slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(data.array))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(data.affine))
    sample = data.array[::2, ::4, ::4]
    body = sample[sample > sample.min()]
    if body.size:
        display.SetWindowLevelMinMax(float(sample.min()), float(np.percentile(body, 99.5)))
    return volume


def slice_in_view(case: CaseNode) -> int | None:
    """The slice of the analysis nearest to the middle of the Red view."""
    analysis = case.analysis
    if analysis is None:
        return None
    return analysis.slice_of(views.own_ras_of(case.volume, views.position_in_view()))


def transform_is_linear(volume: Any) -> bool:
    """Whether results can be shown under the volume's transform."""
    parent = volume.GetParentTransformNode()
    return parent is None or bool(parent.IsTransformToWorldLinear())


def show_again(case: CaseNode, opacity: float) -> None:
    """Show a case that has its heatmap in the scene already."""
    views.show_case(case.volume, case.heatmap, opacity)
    heatmap.show_legend(case.heatmap)
    if case.segmentation is not None:
        segments.apply_states(case.segmentation, case.volume, case.review)
