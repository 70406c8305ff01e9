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
from ..logic.review import Review
from ..logic.review_events import Action, Event, ServerReview, State
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
        review: the review so far.
        masks: outlines that reviewers drew, by finding.
    """

    analysis: Analysis
    heatmap: VolumeData
    regions: Mapping[int, NDArray[Any]]
    review: ServerReview = field(default_factory=ServerReview)
    masks: Mapping[int, VolumeData] = field(default_factory=dict)


def receive(case: CaseNode, delivery: Delivery, reviewer: str, opacity: float) -> tuple[Event, ...]:
    """Show a result; what the reviewer did on an earlier result of the case is kept.

    Returns:
        Waiting events on findings that somebody else has touched meanwhile; they wait no longer.

    Raises:
        ExplainedError: the result lies on another grid than the volume; the scene is unchanged.
    """
    volume, analysis = case.volume, delivery.analysis
    delivery = _in_order_of(volume, delivery)
    heatmap.check_grid(volume, delivery.heatmap, analysis)
    former, former_review = case.analysis, case.review
    case.heatmap = heatmap.show_heatmap(volume, delivery.heatmap, analysis, case.heatmap)
    same = former is not None and former.result == analysis.result
    if case.segmentation is None:
        case.segmentation = segments.new_segmentation(volume)
        case.segmentation.SetName(slicer.mrmlScene.GenerateUniqueName("Findings"))
    if same:
        base, own = former_review, segments.outline_keys(case.segmentation)
        segments.recognise_sent(case.segmentation, delivery.review)
    else:
        base, own = _change_review(case, former, former_review, analysis), frozenset()
    review, refused = base.rebased(delivery.review, own)
    if not (same and _has_all(case.segmentation, analysis)):
        carried = segments.show_findings(
            case.segmentation, volume, delivery.regions, analysis, former_review
        )
        if not same:
            review = _carry(review, carried, reviewer)
        _show_masks(case, delivery)
    else:
        show_outlines(case, delivery)
    case.analysis = analysis
    numbers.show_numbers(case)
    case.review = review
    case.image = analysis.image
    case.threshold = analysis.threshold
    segments.apply_states(case.segmentation, volume, review)
    views.show_case(volume, case.heatmap, opacity)
    heatmap.show_legend(case.heatmap)
    return refused


def _change_review(
    case: CaseNode, former: Analysis | None, former_review: Review, analysis: Analysis
) -> Review:
    """What is known of the review of another result; what waits in the former one is kept."""
    reviews = case.former_reviews
    if former is not None:
        reviews[former.result] = former_review
    review = reviews.pop(analysis.result, Review())
    case.former_reviews = reviews
    return review


def show_outlines(case: CaseNode, delivery: Delivery) -> None:
    """Show the outlines that the server has now where the scene shows others.

    What the reviewer drew and has not sent stays.

    Args:
        case: the case under review.
        delivery: its result, with the review and the outlines as they are now.
    """
    delivery = _in_order_of(case.volume, delivery)
    outdated = segments.outdated(case.segmentation, case.volume, delivery.review)
    for finding in outdated:
        region = delivery.regions.get(finding)
        segments.show_original(case.segmentation, case.volume, finding, region)
    masks = {f: mask for f, mask in delivery.masks.items() if f in outdated}
    _show_masks(case, replace(delivery, masks=masks))
    segments.apply_states(case.segmentation, case.volume, case.review)


def _show_masks(case: CaseNode, delivery: Delivery) -> None:
    node, volume = case.segmentation, case.volume
    for finding, mask in delivery.masks.items():
        identifier = segments.segment_of(node, finding)
        # What the reviewer drew and has not sent is theirs to send or to take back.
        if identifier is None or not segments.is_drawn(node, volume, identifier):
            digest = delivery.review.masks[finding]
            segments.show_drawn(node, volume, finding, mask, digest)


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
    for decision in carried:
        # Added regions are written when their outline is sent.
        is_open = review.of(decision.finding).state is State.OPEN
        if decision.action is not Action.ADD and is_open:
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
