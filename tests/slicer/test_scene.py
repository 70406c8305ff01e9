"""The heatmap, the findings and the review in a real MRML scene, on every kind of grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import volumes
from D24FADSlicerLib.logic.findings import Analysis, regions_of
from D24FADSlicerLib.logic.messages import ExplainedError
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, FindingReview, ServerReview, State
from D24FADSlicerLib.logic.volume_file import VolumeData

pytestmark = pytest.mark.usefixtures("scene")


def delivery_of(volume: VolumeData, **changes: Any) -> Any:
    from D24FADSlicerLib.scene.case import Delivery

    heatmap = VolumeData((volume.array / 100).astype(np.float32), volume.affine)
    analysis = Analysis.read(volumes.result_document(volume, **changes))
    regions = regions_of(volumes.labels_of(volume).array)
    return Delivery(analysis, heatmap, regions)


def open_case(name: str = "plain", **changes: Any) -> Any:
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views
    from D24FADSlicerLib.scene.parameters import CaseNode

    data = volumes.scan(volumes.GRIDS[name])
    case = CaseNode.of_volume(cases.add_volume("case", data))
    views.show_volume(case.volume)
    cases.receive(case, delivery_of(data, **changes), "AB", 0.6)
    return case


@pytest.mark.parametrize("name", volumes.GRIDS)
def test_the_heatmap_lies_exactly_on_its_volume(name: str) -> None:
    from D24FADSlicerLib.scene.heatmap import affine_of

    case = open_case(name)
    np.testing.assert_array_equal(affine_of(case.heatmap), affine_of(case.volume))
    assert case.heatmap.GetImageData().GetDimensions() == case.volume.GetImageData().GetDimensions()


@pytest.mark.parametrize("name", volumes.GRIDS)
def test_each_finding_is_a_segment_at_its_place(name: str) -> None:
    import slicer
    from D24FADSlicerLib.scene.segments import segment_of

    case = open_case(name)
    expected = volumes.labels_of(volumes.scan(volumes.GRIDS[name])).array
    for number in volumes.SPOTS:
        segment = segment_of(case.segmentation, number)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)
        np.testing.assert_array_equal(found > 0, expected == number)


@pytest.mark.parametrize("name", volumes.GRIDS)
def test_a_jump_centres_every_view_on_the_finding(name: str) -> None:
    import slicer
    from D24FADSlicerLib.scene import views
    from D24FADSlicerLib.scene.case import slice_in_view

    case = open_case(name)
    finding = case.analysis.findings[1]
    views.jump_to(case.volume, finding.peak_ras_mm)
    for view in slicer.app.layoutManager().sliceViewNames():
        np.testing.assert_allclose(views.position_in_view(view), finding.peak_ras_mm, atol=1e-6)
    assert slice_in_view(case) in range(finding.slice_range[0], finding.slice_range[1] + 1)


def test_a_transformed_volume_takes_its_results_along() -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views
    from D24FADSlicerLib.scene.parameters import CaseNode

    data = volumes.scan(volumes.GRIDS["anisotropic"])
    case = CaseNode.of_volume(cases.add_volume("case", data))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = 10, 20, 30
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    case.volume.SetAndObserveTransformNodeID(transform.GetID())
    cases.receive(case, delivery_of(data), "AB", 0.6)
    peak = case.analysis.findings[0].peak_ras_mm
    views.jump_to(case.volume, peak)
    np.testing.assert_allclose(views.position_in_view(), np.add(peak, (10, 20, 30)), atol=1e-6)
    assert cases.slice_in_view(case) == case.analysis.slice_of(peak)
    assert case.heatmap.GetTransformNodeID() == transform.GetID()
    assert case.segmentation.GetTransformNodeID() == transform.GetID()


def test_a_result_on_another_grid_is_refused_and_changes_nothing() -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases

    case = open_case()
    before = slicer.mrmlScene.GetNumberOfNodes()
    other = delivery_of(volumes.scan(volumes.GRIDS["oblique"]), result="r2")
    with pytest.raises(ExplainedError, match="grid"):
        cases.receive(case, other, "AB", 0.6)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert case.analysis.result == "r1"


def test_colors_keep_their_meaning_when_the_threshold_moves() -> None:
    from D24FADSlicerLib.scene import heatmap

    case = open_case()
    display = case.heatmap.GetDisplayNode()
    heatmap.set_threshold(case.heatmap, 6.0)
    assert (display.GetLowerThreshold(), display.GetApplyThreshold()) == (6.0, 1)
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 10.0)
    color = [0.0, 0.0, 0.0]
    display.GetColorNode().GetColorTransferFunction().GetColor(10.0, color)
    np.testing.assert_allclose(color, (0.988, 0.998, 0.645), atol=2e-3)


def test_all_views_show_the_heatmap_and_opacity_follows() -> None:
    import slicer
    from D24FADSlicerLib.scene import views

    case = open_case()
    views.set_heatmap_opacity(case.heatmap, 0.25)
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert composite.GetForegroundVolumeID() == case.heatmap.GetID()
        assert composite.GetForegroundOpacity() == 0.25


def test_a_ct_window_is_set() -> None:
    from D24FADSlicerLib.scene import views

    case = open_case()
    views.set_ct_window(case.volume, "Lung")
    display = case.volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (1500.0, -600.0)


def test_the_rendering_hides_what_is_below_the_threshold() -> None:
    import slicer
    from D24FADSlicerLib.scene import heatmap

    case = open_case()
    heatmap.set_rendering_visible(case.heatmap, True, 4.0)
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(case.heatmap)
    opacity = display.GetVolumePropertyNode().GetScalarOpacity()
    assert (opacity.GetValue(3.9), opacity.GetValue(9.9) > 0.3) == (0.0, True)
    heatmap.set_threshold(case.heatmap, 6.0)
    assert display.GetVolumePropertyNode().GetScalarOpacity().GetValue(5.9) == 0.0
    heatmap.set_rendering_visible(case.heatmap, False, 6.0)
    assert not display.GetVisibility()


def edit(case: Any, number: int) -> None:
    """Draw one voxel more, as the Segment Editor does."""
    import slicer
    from D24FADSlicerLib.scene.segments import segment_of

    identifier = segment_of(case.segmentation, number)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, identifier, case.volume)
    array[volumes.SPOTS[number][0].start - 1, 20, 20] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        array, case.segmentation, identifier, case.volume
    )


def states(case: Any) -> dict[int, State]:
    from D24FADSlicerLib.scene.segments import apply_states

    return apply_states(case.segmentation, case.volume, case.review)


@pytest.mark.parametrize("name", volumes.GRIDS)
def test_drawing_on_a_finding_is_noticed(name: str) -> None:
    case = open_case(name)
    assert states(case) == {1: State.OPEN, 2: State.OPEN}
    edit(case, 2)
    assert states(case) == {1: State.OPEN, 2: State.EDITED}


def test_a_drawn_mask_is_what_was_drawn_and_goes_once() -> None:
    from D24FADSlicerLib.scene.segments import drawn_masks, mark_sent

    case = open_case("oblique")
    assert drawn_masks(case.segmentation, case.volume, case.review) == []
    edit(case, 1)
    (mask,) = drawn_masks(case.segmentation, case.volume, case.review)
    expected = volumes.labels_of(volumes.scan(volumes.GRIDS["oblique"])).array == 1
    expected[4, 20, 20] = True
    np.testing.assert_array_equal(mask.volume.array > 0, expected)
    assert (mask.action, mask.finding) == (Action.EDIT, 1)
    mark_sent(case.segmentation, mask, 1, "a" * 64)
    assert drawn_masks(case.segmentation, case.volume, case.review) == []


def test_a_segment_of_the_reviewers_own_is_added() -> None:
    import slicer
    from D24FADSlicerLib.scene.segments import drawn_masks

    case = open_case()
    own = case.segmentation.GetSegmentation().AddEmptySegment("mine", "mine")
    array = np.zeros(volumes.SHAPE, np.uint8)
    array[20:22, 5:8, 5:8] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, case.segmentation, own, case.volume)
    (mask,) = drawn_masks(case.segmentation, case.volume, case.review)
    assert (mask.action, mask.finding) == (Action.ADD, None)
    np.testing.assert_array_equal(mask.volume.array, array)


def test_an_added_region_that_is_drawn_on_again_is_an_edit_of_it() -> None:
    import slicer
    from D24FADSlicerLib.scene.segments import drawn_masks, mark_sent

    case = open_case()
    own = case.segmentation.GetSegmentation().AddEmptySegment("mine", "mine")
    array = np.zeros(volumes.SHAPE, np.uint8)
    for place in (slice(5, 8), slice(5, 7)):
        array[:] = 0
        array[20:22, place, place] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, case.segmentation, own, case.volume)
        (mask,) = drawn_masks(case.segmentation, case.volume, case.review)
        mark_sent(case.segmentation, mask, 3, "a" * 64)
    assert (mask.action, mask.finding) == (Action.EDIT, 3)
    np.testing.assert_array_equal(mask.volume.array, array)


def test_running_again_overwrites_nothing_that_was_touched() -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene.segments import drawn_masks, segment_of

    case = open_case()
    case.review = case.review.append(Action.ACCEPT, 1, "AB")
    edit(case, 2)
    before = {
        number: slicer.util.arrayFromSegmentBinaryLabelmap(
            case.segmentation, segment_of(case.segmentation, number), case.volume
        ).copy()
        for number in (1, 2)
    }
    data = volumes.scan(volumes.GRIDS["plain"])
    again = delivery_of(data, result="r2")
    more = np.array([[7, 12, 20]])  # the new analysis draws it otherwise
    again.regions[1], again.regions[2] = again.regions[2], np.concatenate([again.regions[1], more])
    cases.receive(case, again, "AB", 0.6)
    for old, new in ((1, 2), (2, 1)):
        identifier = segment_of(case.segmentation, new)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(
            case.segmentation, identifier, case.volume
        )
        np.testing.assert_array_equal(found, before[old])
    assert case.review.of(2).state is State.ACCEPTED
    assert states(case) == {1: State.EDITED, 2: State.EDITED}
    masks = drawn_masks(case.segmentation, case.volume, case.review)
    assert [(mask.action, mask.finding) for mask in masks] == [(Action.EDIT, 2), (Action.EDIT, 1)]


def test_running_again_keeps_an_accepted_region_that_is_no_finding_any_more() -> None:
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene.segments import drawn_masks

    case = open_case()
    case.review = case.review.append(Action.ACCEPT, 1, "AB").append(Action.REJECT, 2, "AB")
    data = volumes.scan(volumes.GRIDS["plain"])
    again = delivery_of(data, result="r2", findings=[])
    cases.receive(case, again, "AB", 0.6)
    (mask,) = drawn_masks(case.segmentation, case.volume, case.review)
    assert mask.action is Action.ADD
    np.testing.assert_array_equal(mask.volume.array > 0, volumes.labels_of(data).array == 1)
    assert case.segmentation.GetSegmentation().GetNumberOfSegments() == 1


def test_untouched_findings_of_an_earlier_run_go() -> None:
    from D24FADSlicerLib.scene import case as cases

    case = open_case()
    data = volumes.scan(volumes.GRIDS["plain"])
    cases.receive(case, delivery_of(data, result="r2"), "AB", 0.6)
    assert case.segmentation.GetSegmentation().GetNumberOfSegments() == 2
    assert case.review == Review()


@pytest.mark.parametrize("name", ["plain", "oblique"])
def test_a_review_survives_saving_and_loading_the_scene(
    name: str, tmp_path: Path, faults: Any
) -> None:
    import slicer
    from D24FADSlicerLib.scene.heatmap import affine_of
    from D24FADSlicerLib.scene.parameters import CaseNode
    from harness.scene import open_scene

    case = open_case(name)
    edit(case, 2)
    case.review = case.review.append(
        Action.ACCEPT, 1, "Ä;B", 'odd "note"; with: signs, ü\n2'
    ).append(Action.NOTE, None, "AB", "study")
    before, analysis, affine = case.review, case.analysis, affine_of(case.heatmap)
    path = tmp_path / "review.mrb"
    assert slicer.util.saveScene(str(path))
    open_scene()
    assert slicer.app.coreIOManager().loadNodes("SceneFile", {"fileName": str(path)}, None, None)
    (found,) = CaseNode.all()
    assert found.review == before
    assert found.analysis == analysis
    assert states(found) == {1: State.ACCEPTED, 2: State.EDITED}
    np.testing.assert_allclose(affine_of(found.heatmap), affine, atol=1e-5)
    assert found.heatmap.GetDisplayNode().GetLowerThreshold() == 4.0


@pytest.mark.parametrize("flipped", [False, True])
def test_compare_shows_the_support_at_the_same_place_of_the_body(flipped: bool) -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import comparison, views

    case = open_case("anisotropic")
    affine = volumes.GRIDS["anisotropic"].copy()
    data = volumes.scan(affine, 5, spots=False)
    array = np.concatenate([np.zeros((6, *volumes.SHAPE[1:]), np.int16), data.array])
    if flipped:
        affine = affine @ np.array(
            [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, array.shape[0] - 1], [0, 0, 0, 1.0]]
        )
        array = array[::-1].copy()
    support = cases.add_volume("normal", VolumeData(array, affine))
    views.jump_to(case.volume, case.analysis.findings[0].peak_ras_mm)
    before = slicer.app.layoutManager().layout
    shown = comparison.begin(case, support, None)
    index = cases.slice_in_view(case)
    seen = views.position_in_view("Yellow")
    voxel = np.linalg.inv(volumes.GRIDS["anisotropic"]) @ np.array([*seen, 1.0])
    assert round(float(voxel[2])) == index + 6
    composite = slicer.app.layoutManager().sliceWidget("Yellow").sliceLogic()
    assert composite.GetSliceCompositeNode().GetBackgroundVolumeID() == support.GetID()
    comparison.end(shown)
    assert slicer.app.layoutManager().layout == before
    assert composite.GetSliceCompositeNode().GetBackgroundVolumeID() == case.volume.GetID()


def planes_of(node: Any) -> np.ndarray:
    matrix = node.GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


@pytest.mark.parametrize("name", volumes.GRIDS)
@pytest.mark.parametrize("turned", [False, True], ids=["shifted", "turned"])
def test_compare_shows_the_very_place_that_was_compared(name: str, turned: bool) -> None:
    """The support is the case elsewhere: what is in the middle of one view is in the other's."""
    from D24FADSlicerLib.logic.matching import SupportMatch
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import comparison, views

    case = open_case(name)
    views.jump_to(case.volume, case.analysis.findings[0].peak_ras_mm)
    align = np.eye(4)
    align[:3, :3] = volumes.rotation(12, -20) * 1.1 if turned else np.eye(3)
    align[:3, 3] = (31.0, -17.0, 23.0)
    data = volumes.scan(volumes.GRIDS[name])
    support = cases.add_volume("normal", VolumeData(data.array, align @ data.affine))
    before = planes_of(views.slice_node("Yellow"))
    match = SupportMatch("normal", tuple(map(tuple, align.tolist())))
    shown = comparison.begin(case, support, match)
    for finding in case.analysis.findings:
        views.jump_to(case.volume, finding.peak_ras_mm)  # moves the support's view along
        assert comparison.follow(shown)
        expected = align @ np.array([*finding.peak_ras_mm, 1.0])
        np.testing.assert_allclose(views.position_in_view("Yellow"), expected[:3], atol=1e-3)
    query, beside = (planes_of(views.slice_node(view)) for view in ("Red", "Yellow"))
    scale = 1.1 if turned else 1.0
    np.testing.assert_allclose(beside[:3, :3], align[:3, :3] @ query[:3, :3] / scale, atol=1e-6)
    far = views.world_of(case.volume, (500.0, 0.0, 0.0))
    views.jump_to(case.volume, far)
    assert not comparison.follow(shown)
    comparison.end(shown)
    np.testing.assert_allclose(planes_of(views.slice_node("Yellow")), before, atol=1e-9)


def test_matches_are_kept_with_their_result_only() -> None:
    from D24FADSlicerLib.logic.findings import Analysis
    from D24FADSlicerLib.logic.matching import Matches

    case = open_case()
    rows = np.eye(4).tolist()
    case.matches = Matches.read(
        {"result": case.analysis.result, "items": [{"image": "a", "query_to_support": rows}]}
    )
    assert case.matches.of("a").query_to_support == tuple(map(tuple, rows))
    case.analysis = Analysis.read({**case.analysis.document, "id": "another"})
    assert case.matches is None


def test_choosing_a_volume_keeps_zoom_place_and_the_users_layers() -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views

    case = open_case()
    other = cases.add_volume("other", volumes.scan(volumes.GRIDS["plain"], 3))
    overlay = cases.add_volume("PET", volumes.scan(volumes.GRIDS["plain"], 4))
    node = views.slice_node()
    node.SetFieldOfView(30.0, 30.0, 1.0)
    node.SetSliceOffset(21.0)
    before = (node.GetFieldOfView(), node.GetSliceOffset(), views.position_in_view())
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    for composite in composites:
        composite.SetLabelVolumeID(overlay.GetID())
    views.show_volume(other)
    assert (node.GetFieldOfView(), node.GetSliceOffset(), views.position_in_view()) == before
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == other.GetID()
        assert composite.GetForegroundVolumeID() is None, "the heatmap of the other case"
        assert composite.GetLabelVolumeID() == overlay.GetID()
        composite.SetForegroundVolumeID(overlay.GetID())
    views.show_volume(case.volume)
    assert all(c.GetForegroundVolumeID() == overlay.GetID() for c in composites)
    views.show_case(case.volume, case.heatmap, 0.6)
    assert all(c.GetLabelVolumeID() == overlay.GetID() for c in composites)
    assert (node.GetFieldOfView(), node.GetSliceOffset(), views.position_in_view()) == before


def test_a_volume_that_is_elsewhere_is_brought_into_view() -> None:
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views

    open_case()
    affine = volumes.GRIDS["plain"].copy()
    affine[:3, 3] += 700
    far = cases.add_volume("far", volumes.scan(affine))
    views.show_volume(far)
    bounds = [0.0] * 6
    far.GetRASBounds(bounds)
    middle = views.position_in_view()
    assert all(bounds[2 * a] <= middle[a] <= bounds[2 * a + 1] for a in range(3))


def test_findings_have_a_terminology_that_dicom_knows() -> None:
    import slicer
    import vtk

    case = open_case()
    segmentation = case.segmentation.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        tag = vtk.reference("")
        segment = segmentation.GetNthSegment(index)
        assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
        category, kind = str(tag.get()).split("~")[1:3]
        assert category.split("^")[:2] == ["SCT", "49755003"]
        assert kind.split("^") == ["SCT", "52988006", "Lesion"]


def test_the_servers_segmentations_have_the_same_codes() -> None:
    codes = pytest.importorskip("d24fad_core.export.dicom.codes")
    assert codes.ABNORMAL_STRUCTURE.value == "49755003"
    assert codes.LESION.value == "52988006"


@pytest.mark.parametrize("made_before", [False, True])
def test_results_are_under_the_patient_and_study_of_their_volume(made_before: bool) -> None:
    """In Slicer each new node has an item already; in the batch mode it has not."""
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene.hierarchy import place_beside
    from D24FADSlicerLib.scene.parameters import CaseNode

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    root = hierarchy.GetSceneItemID()
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(root, "Doe"), "Head")
    data = volumes.scan(volumes.GRIDS["plain"])
    case = CaseNode.of_volume(cases.add_volume("case", data))
    hierarchy.CreateItem(study, case.volume)
    cases.receive(case, delivery_of(data), "AB", 0.6)
    for node in (case.heatmap, case.segmentation):
        if made_before:
            hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), root)
            place_beside(node, case.volume)
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_a_series_is_known_by_its_uid() -> None:
    import slicer
    from D24FADSlicerLib.scene.hierarchy import series_uid

    case = open_case()
    assert series_uid(case.volume) == ""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), case.volume)
    hierarchy.SetItemUID(item, "DICOM", "1.2.840.99")
    assert series_uid(case.volume) == "1.2.840.99"


@pytest.mark.parametrize("flips", [(False, False, True), (True, False, True), (True, True, True)])
def test_a_volume_read_the_other_way_round_gets_its_result_at_its_place(
    flips: tuple[bool, bool, bool],
) -> None:
    """Slicer and the server may count the slices of a series from opposite ends."""
    import slicer
    from D24FADSlicerLib.logic.grids import on_grid
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views
    from D24FADSlicerLib.scene.heatmap import affine_of
    from D24FADSlicerLib.scene.parameters import CaseNode
    from D24FADSlicerLib.scene.segments import drawn_masks, segment_of

    server = volumes.scan(volumes.GRIDS["oblique"])
    affine = server.affine @ flip_of(flips)
    loaded = on_grid(server, affine, server.array.shape[::-1])
    assert loaded is not None
    case = CaseNode.of_volume(cases.add_volume("case", loaded))
    cases.receive(case, delivery_of(server), "AB", 0.6)
    np.testing.assert_array_equal(affine_of(case.heatmap), affine_of(case.volume))
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(case.heatmap), loaded.array / 100, rtol=1e-6
    )
    for number in volumes.SPOTS:
        segment = segment_of(case.segmentation, number)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)
        np.testing.assert_array_equal(found > 0, loaded.array == 900 - 100 * number)
    assert not drawn_masks(case.segmentation, case.volume, case.review)
    peak = case.analysis.findings[0].peak_ras_mm
    views.jump_to(case.volume, peak)
    assert cases.slice_in_view(case) == case.analysis.slice_of(peak)


@pytest.mark.parametrize("flips", [(False, False, True), (True, True, True)])
def test_an_outline_drawn_elsewhere_lies_right_in_a_volume_read_the_other_way_round(
    flips: tuple[bool, bool, bool],
) -> None:
    """Outlines that change on the server come in its order of voxels, also those taken back."""
    import slicer
    from D24FADSlicerLib.logic.grids import on_grid
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene.parameters import CaseNode
    from D24FADSlicerLib.scene.segments import drawn_masks, segment_of

    server = volumes.scan(volumes.GRIDS["oblique"])
    affine, shape = server.affine @ flip_of(flips), server.array.shape[::-1]
    loaded = on_grid(server, affine, shape)
    assert loaded is not None
    case = CaseNode.of_volume(cases.add_volume("case", loaded))
    delivery = delivery_of(server)
    cases.receive(case, delivery, "AB", 0.6)
    array = np.zeros_like(server.array, np.uint8)
    array[3:6, 10:14, 5:9] = 1
    mask = VolumeData(array, server.affine)
    drawn = on_grid(mask, affine, shape)
    assert drawn is not None
    edited = FindingReview(State.EDITED, reviewer="CD", mask="a" * 64)
    for found, masks, expected in (
        (edited, {1: mask}, drawn.array > 0),
        (FindingReview(), {}, loaded.array == 800),
    ):
        findings = ((1, found), (2, FindingReview()))
        review = ServerReview(1, findings)
        cases.show_outlines(case, replace(delivery, review=review, masks=masks))
        segment = segment_of(case.segmentation, 1)
        shown = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)
        np.testing.assert_array_equal(shown > 0, expected)
        assert not drawn_masks(case.segmentation, case.volume, case.review)


def flip_of(flips: tuple[bool, bool, bool]) -> np.ndarray:
    """From an index that counts from the other end to the index."""
    matrix = np.eye(4)
    for axis, flipped in enumerate(flips):
        if flipped:
            matrix[axis, axis] = -1
            matrix[axis, 3] = volumes.SHAPE[::-1][axis] - 1
    return matrix
