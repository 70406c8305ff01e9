"""Findings as segments: made, kept when the reviewer touched them, sent as masks."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from ..logic.findings import Analysis
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.review import Review
from ..logic.review_events import Action, ServerReview, State
from ..logic.volume_file import VolumeData
from .heatmap import affine_of
from .hierarchy import place_beside

_FINDING, _RESULT, _ORIGINAL, _SENT, _MASK, _KEY = (
    "D24FAD.Finding",
    "D24FAD.Result",
    "D24FAD.Original",
    "D24FAD.Sent",
    "D24FAD.Mask",
    "D24FAD.Key",
)
_STATE = "D24FAD.State"
_COLORS = {
    State.OPEN: (1.0, 0.85, 0.2),
    State.ACCEPTED: (0.2, 0.85, 0.35),
    State.EDITED: (0.2, 0.8, 0.95),
    State.ADDED: (0.2, 0.8, 0.95),
    State.REJECTED: (0.55, 0.55, 0.55),
}
# The codes of the DICOM segmentations that the server writes.
_TERMINOLOGY = (
    "Segmentation category and type - DICOM master list"
    "~SCT^49755003^Morphologically Altered Structure~SCT^52988006^Lesion~^^"
    "~Anatomic codes - DICOM master list~^^~^^"
)
_SAME_REGION = 0.5
_DIGESTS_KEPT = 1000
_digests: dict[tuple[int, int, bytes], str] = {}


@dataclass(frozen=True)
class CarriedDecision:
    """A decision on an earlier analysis that holds for a finding of the new one."""

    finding: int
    action: Action


def _tag(segment: Any, name: str) -> str:
    value = vtk.reference("")
    return str(value.get()) if segment.GetTag(name, value) else ""


def _segments(node: Any) -> list[tuple[str, Any]]:
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]
    return [(identifier, segmentation.GetSegment(identifier)) for identifier in ids]


def segment_of(node: Any, finding: int) -> str | None:
    """The id of a finding's segment, or None."""
    for identifier, segment in _segments(node):
        if _tag(segment, _FINDING) == str(finding):
            return identifier
    return None


def new_segmentation(volume: Any) -> Any:
    """A segmentation node on the grid of a volume, under the volume's transform."""
    name = slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} findings")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.0)
    display.SetOpacity2DOutline(1.0)
    place_beside(node, volume)
    return node


def show_findings(
    node: Any, volume: Any, regions: Mapping[int, NDArray[Any]], analysis: Analysis, review: Review
) -> list[CarriedDecision]:
    """Make a segment for each finding; nothing that the reviewer touched is overwritten.

    Segments of an earlier analysis that were accepted, rejected or drawn on stay as they are. One
    that lies on a new finding stands for it, and its decision is handed back for the new review;
    one that was accepted and lies on none is handed back as added.

    Args:
        node: the segmentation node.
        volume: the volume node.
        regions: voxels (k, j, i) of each finding.
        analysis: the new result.
        review: the review of the earlier result, if there was one.

    Returns:
        The decisions to write into the new review.
    """
    kept = _keep_touched(node, volume, analysis, review)
    carried: list[CarriedDecision] = []
    taken: set[str] = set()
    for finding in analysis.findings:
        region = regions.get(finding.rank, np.empty((0, 3), np.int64))
        owner = _owner_of(region, kept)
        if owner is not None and owner not in taken:
            taken.add(owner)
            state = kept[owner].state
            segment = node.GetSegmentation().GetSegment(owner)
            segment.SetTag(_FINDING, str(finding.rank))
            segment.SetTag(_RESULT, analysis.result)
            # Where it differs from the new outline it has to be sent, as if drawn.
            segment.SetTag(_ORIGINAL, _digest(region[:, ::-1]))
            _forget_sent(segment)
            segment.SetName(f"Finding {finding.rank}")
            action = Action.REJECT if state is State.REJECTED else Action.ACCEPT
            if state is not State.OPEN:
                carried.append(CarriedDecision(finding.rank, action))
        elif len(region):
            _add_segment(node, volume, region, finding.rank, analysis.result)
    number = max([finding.rank for finding in analysis.findings], default=0)
    for identifier, former in kept.items():
        if identifier in taken:
            continue
        if former.state is State.REJECTED:
            node.GetSegmentation().RemoveSegment(identifier)
            continue
        number += 1
        segment = node.GetSegmentation().GetSegment(identifier)
        # The server gives it a number when its outline is sent.
        segment.RemoveTag(_FINDING)
        segment.RemoveTag(_ORIGINAL)
        segment.SetTag(_RESULT, analysis.result)
        _forget_sent(segment)
        segment.SetName(f"Added {number}")
        carried.append(CarriedDecision(number, Action.ADD))
    return carried


@dataclass(frozen=True)
class _Kept:
    state: State
    voxels: frozenset[tuple[int, int, int]]


def _keep_touched(node: Any, volume: Any, analysis: Analysis, review: Review) -> dict[str, _Kept]:
    kept: dict[str, _Kept] = {}
    for identifier, segment in _segments(node):
        rank = _tag(segment, _FINDING)
        state = review.of(int(rank)).state if rank else State.ADDED
        touched = not rank or state is not State.OPEN or is_edited(node, volume, identifier)
        if touched:
            voxels = _voxels(segment, affine_of(volume))
            kept[identifier] = _Kept(state, frozenset(map(tuple, voxels.tolist())))
        else:
            node.GetSegmentation().RemoveSegment(identifier)
    return kept


def _owner_of(region: NDArray[Any], kept: dict[str, _Kept]) -> str | None:
    """The kept segment that shares half of the smaller of the two regions."""
    if not kept or not len(region):
        return None
    voxels = set(map(tuple, region[:, ::-1].tolist()))
    for identifier, former in kept.items():
        smaller = min(len(voxels), len(former.voxels))
        if smaller and len(voxels & former.voxels) >= _SAME_REGION * smaller:
            return identifier
    return None


def _add_segment(node: Any, volume: Any, region: NDArray[Any], rank: int, result: str) -> None:
    low, high = region.min(axis=0), region.max(axis=0)
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*[int(v) for axis in (2, 1, 0) for v in (low[axis], high[axis])])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    shape = tuple(int(v) for v in high - low + 1)
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    array[:] = 0
    array[tuple((region - low).T)] = 1
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image.SetImageToWorldMatrix(matrix)
    segment = slicer.vtkSegment()
    segment.SetName(f"Finding {rank}")
    segment.SetColor(*_COLORS[State.OPEN])
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), _TERMINOLOGY)
    segment.AddRepresentation(_representation(), image)
    segment.SetTag(_FINDING, str(rank))
    segment.SetTag(_RESULT, result)
    segment.SetTag(_ORIGINAL, _digest(_voxels(segment, affine_of(volume))))
    node.GetSegmentation().AddSegment(segment)


def _representation() -> str:
    return str(slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName())


def _voxels(segment: Any, affine: NDArray[np.float64]) -> NDArray[np.int64]:
    """The voxels (i, j, k) of a segment on the volume's grid, k slowest."""
    image = segment.GetRepresentation(_representation())
    if image is None or image.IsEmpty():
        return np.empty((0, 3), np.int64)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    to_grid = np.linalg.inv(affine) @ np.asarray(slicer.util.arrayFromVTKMatrix(matrix))
    extent = image.GetExtent()
    shape = [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0)]
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    inside = np.argwhere(array == segment.GetLabelValue())[:, ::-1]
    inside = inside + np.asarray([extent[0], extent[2], extent[4]])
    if np.allclose(to_grid[:3, :3], np.eye(3), atol=1e-4):
        return np.asarray(inside + np.round(to_grid[:3, 3]).astype(np.int64), np.int64)
    placed = np.round(inside @ to_grid[:3, :3].T + to_grid[:3, 3]).astype(np.int64)
    return np.asarray(placed[np.lexsort(placed.T)], np.int64)


def _digest(voxels: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(voxels, np.int32).tobytes()).hexdigest()


def _digest_of(segment: Any, volume: Any) -> str:
    """The fingerprint of a segment's outline, found anew only when its voxels changed."""
    image = segment.GetRepresentation(_representation())
    affine = affine_of(volume)
    # Times of modification grow through the whole session and are never used twice.
    time = image.GetMTime() if image is not None else 0
    key = (time, segment.GetLabelValue(), affine.tobytes())
    if key not in _digests:
        if len(_digests) > _DIGESTS_KEPT:
            _digests.clear()
        _digests[key] = _digest(_voxels(segment, affine))
    return _digests[key]


def is_edited(node: Any, volume: Any, identifier: str) -> bool:
    """Whether somebody drew on a segment since it was made."""
    segment = node.GetSegmentation().GetSegment(identifier)
    original = _tag(segment, _ORIGINAL)
    return original != _digest_of(segment, volume)


def is_drawn(node: Any, volume: Any, identifier: str) -> bool:
    """Whether a segment's outline is another than the server has: it waits to be sent."""
    segment = node.GetSegmentation().GetSegment(identifier)
    known = _tag(segment, _SENT) or _tag(segment, _ORIGINAL)
    return known != _digest_of(segment, volume)


def outdated(node: Any, volume: Any, review: ServerReview) -> tuple[int, ...]:
    """The findings whose outline in the scene is not the one that the server has now.

    Those that the reviewer draws on are not among them: what they drew is what they will send.
    """
    shown: dict[int, str] = {}
    drawn: set[int] = set()
    for identifier, segment in _segments(node):
        rank = _tag(segment, _FINDING)
        if not rank:
            continue
        shown[int(rank)] = _tag(segment, _MASK)
        if is_drawn(node, volume, identifier):
            drawn.add(int(rank))
    masks, known = review.masks, {rank for rank, _ in review.findings}
    wanted = {rank: masks.get(rank, "") for rank in known if rank in shown or rank in masks}
    stale = {rank for rank, mask in wanted.items() if shown.get(rank) != mask}
    # A region that was taken back has no finding any more.
    gone = {rank for rank, mask in shown.items() if mask and rank not in known}
    return tuple(sorted((stale | gone) - drawn))


def show_original(node: Any, volume: Any, finding: int, region: NDArray[Any] | None) -> None:
    """Show the detector's outline of a finding; without one its segment goes.

    Args:
        node: the segmentation node.
        volume: the volume node.
        finding: the finding's number.
        region: voxels (k, j, i) of the finding in the analysis; None for an added region.
    """
    identifier = segment_of(node, finding)
    result = ""
    if identifier is not None:
        result = _tag(node.GetSegmentation().GetSegment(identifier), _RESULT)
        node.GetSegmentation().RemoveSegment(identifier)
    if region is not None and len(region):
        _add_segment(node, volume, region, finding, result)


def apply_states(node: Any, volume: Any, review: Review) -> dict[int, State]:
    """Give each segment the colour, the tag and Slicer's own status of its decision.

    Returns:
        The state of each finding that has a segment; one whose outline waits to be sent counts
        as edited.
    """
    states: dict[int, State] = {}
    display = node.GetDisplayNode()
    statuses = slicer.vtkSlicerSegmentationsModuleLogic
    for identifier, segment in _segments(node):
        rank = _tag(segment, _FINDING)
        state = review.of(int(rank)).state if rank else State.ADDED
        if state in (State.OPEN, State.ACCEPTED) and is_drawn(node, volume, identifier):
            state = State.EDITED
        if rank:
            states[int(rank)] = state
        segment.SetColor(*_COLORS[state])
        segment.SetTag(_STATE, state.value)
        display.SetSegmentOpacity2DOutline(identifier, 0.5 if state is State.REJECTED else 1.0)
        status = {
            State.OPEN: statuses.NotStarted,
            State.REJECTED: statuses.Flagged,
        }.get(state, statuses.Completed)
        statuses.SetSegmentStatus(segment, status)
    return states


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """An outline that the server does not have yet.

    Attributes:
        action: EDIT for a finding that was drawn on, ADD for a region of the reviewer's own.
        finding: the finding's number; None for an added one.
        segment: the segment's id.
        digest: fingerprint of the outline, for `mark_sent`.
        volume: the mask on the volume's grid.
        key: names the event that it is sent with; the same at each attempt to send it.
    """

    action: Action
    finding: int | None
    segment: str
    digest: str
    volume: VolumeData
    key: str


def drawn_masks(node: Any, volume: Any, review: Review, reviewer: str = "") -> list[DrawnMask]:
    """The outlines that differ from what the server has; rejected findings have none.

    Args:
        node: the segmentation node.
        volume: the volume node.
        review: the review as the panel shows it.
        reviewer: who is about to send them.

    Raises:
        ExplainedError: nothing is left of the outline of a finding that is not rejected.
    """
    masks = []
    affine = affine_of(volume)
    shape = volume.GetImageData().GetDimensions()[::-1]
    for identifier, segment in _segments(node):
        rank = _tag(segment, _FINDING)
        if rank and review.of(int(rank)).state is State.REJECTED:
            continue
        if not is_drawn(node, volume, identifier):
            continue
        voxels = _voxels(segment, affine)
        inside = np.all((voxels >= 0) & (voxels < np.asarray(shape)[::-1]), axis=1)
        voxels = voxels[inside]
        if not len(voxels):
            if not rank:
                continue  # a segment that was only just made
            raise ExplainedError(
                _("The outline of finding {number} is empty.").format(number=rank),
                _("Reject the finding, or draw its outline again."),
            )
        array = np.zeros(shape, np.uint8)
        array[tuple(voxels[:, ::-1].T)] = 1
        digest = _digest_of(segment, volume)
        masks.append(
            DrawnMask(
                Action.EDIT if rank else Action.ADD,
                int(rank) if rank else None,
                identifier,
                digest,
                VolumeData(array, affine),
                _key_for(segment, digest, reviewer),
            )
        )
    return masks


def _key_for(segment: Any, digest: str, reviewer: str) -> str:
    """The key of the event by which a reviewer sends an outline; it stays with the segment."""
    drawn = f"{digest}\n{reviewer}"
    former, _newline, key = _tag(segment, _KEY).rpartition("\n")
    if former != drawn:
        key = uuid.uuid4().hex
        segment.SetTag(_KEY, f"{drawn}\n{key}")
    return key


def outline_keys(node: Any) -> frozenset[str]:
    """Keys of the events by which outlines of the scene were sent, with or without an answer."""
    tags = [_tag(segment, _KEY) for _identifier, segment in _segments(node)]
    return frozenset(tag.rpartition("\n")[2] for tag in tags if tag)


def recognise_sent(node: Any, review: ServerReview) -> None:
    """Find the outlines that the server has taken although its answer never came.

    Args:
        node: the segmentation node.
        review: the review as the server has it now.
    """
    entries = {entry.key: entry for entry in review.entries}
    for _identifier, segment in _segments(node):
        drawn, _newline, key = _tag(segment, _KEY).rpartition("\n")
        entry = entries.get(key)
        if entry is None or not drawn:
            continue
        segment.RemoveTag(_KEY)
        if not entry.stands or entry.finding is None or entry.mask is None:
            continue  # taken back: what is drawn here is sent under another name, if at all
        segment.SetTag(_FINDING, str(entry.finding))
        segment.SetTag(_SENT, drawn.partition("\n")[0])
        segment.SetTag(_MASK, entry.mask)


def show_drawn(node: Any, volume: Any, finding: int, mask: VolumeData, digest: str) -> None:
    """Show an outline that a reviewer sent in place of what the scene shows of the finding.

    Args:
        node: the segmentation node.
        volume: the volume node.
        finding: the finding's number.
        mask: the outline on the volume's grid.
        digest: SHA-256 by which the server knows it.
    """
    region = np.argwhere(mask.array > 0)
    if not len(region):
        return
    identifier = segment_of(node, finding)
    original = ""
    if identifier is not None:
        original = _tag(node.GetSegmentation().GetSegment(identifier), _ORIGINAL)
        node.GetSegmentation().RemoveSegment(identifier)
    _add_segment(node, volume, region, finding, "")
    segment = node.GetSegmentation().GetSegment(segment_of(node, finding))
    segment.SetTag(_SENT, _digest(region[:, ::-1]))
    segment.SetTag(_MASK, digest)
    if original:
        segment.SetTag(_ORIGINAL, original)
    else:
        segment.RemoveTag(_ORIGINAL)
        segment.SetName(f"Added {finding}")


def mark_sent(node: Any, mask: DrawnMask, finding: int, digest: str) -> None:
    """Remember that the server has an outline.

    Args:
        node: the segmentation node.
        mask: the outline.
        finding: the finding's number on the server.
        digest: SHA-256 by which the server knows it.
    """
    segment = node.GetSegmentation().GetSegment(mask.segment)
    if segment is None:
        return
    segment.SetTag(_FINDING, str(finding))
    segment.SetTag(_SENT, mask.digest)
    segment.SetTag(_MASK, digest)
    segment.RemoveTag(_KEY)
    if mask.action is Action.ADD:
        segment.SetName(f"Added {finding}")


def _forget_sent(segment: Any) -> None:
    for tag in (_SENT, _MASK, _KEY):
        segment.RemoveTag(tag)
