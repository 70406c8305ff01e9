"""The client and the panel against the real server of this project, as a process."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import ExplainedError
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, State
from D24FADSlicerLib.logic.volume_file import VolumeData, read_nifti
from places import MODULE, ROOT, SCREENSHOTS
from test_panel import Driver, grab
from test_theme import LIGHT, use_theme
from volumes import rotation

pytestmark = [pytest.mark.server, pytest.mark.slow]


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


SAMPLES = MODULE / "Resources" / "SampleData"
"""The simulated heads that the extension ships: three normal ones, and one with a lesion."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from monailabel_app.server_process import ServerProcess

    folder = tmp_path_factory.mktemp("server")
    studies = folder / "studies"
    studies.mkdir()
    for number, path in enumerate(sorted(SAMPLES.glob("SimulatedNormalHead*.nii.gz")), start=1):
        # The names by which the server takes studies as normal ones.
        shutil.copy(path, studies / f"support-{number:03}.nii.gz")
    conf = {"comparison": "window"}  # of requests that leave the choice; it takes the least time
    with ServerProcess(studies, folder / "server.log", conf) as running:
        yield running


def case_with_lesion() -> VolumeData:
    """The head with a lesion, as Slicer would hold it."""
    return read_nifti(SAMPLES / "SimulatedHead.nii.gz")


def test_the_client_goes_through_a_whole_review(server: Any) -> None:
    client, task = Client(server.url), new_task()
    info = client.info()
    assert info.studies == "folder" and info.uploads
    support = client.support_set(info.default_support_set, task)
    assert len(support.studies) == 3
    volume = case_with_lesion()
    image, _ = client.upload(volume, "patient #1", task)
    assert client.upload(volume, "again", task)[0] == image
    options = {"planes": ["axial"], "threshold": 2.0}
    analysis = client.detect(image, support.name, None, options, task)
    assert analysis.shape == volume.array.shape[::-1]
    assert len(analysis.slice_scores) == analysis.shape[analysis.slice_axis]
    assert {share.name for share in analysis.shares} == {study.image for study in support.studies}
    heatmap = client.heatmap(analysis.result, task)
    np.testing.assert_allclose(heatmap.affine, volume.affine, atol=1e-3)
    labels = client.finding_labels(analysis.result, task)
    ranks = [finding.rank for finding in analysis.findings]
    assert sorted(set(np.unique(labels.array)) - {0}) == ranks
    assert ranks, "the threshold of the test is low enough for a finding"

    review = Review(client.review(analysis.result, task))
    for rank in ranks[1:]:
        review = review.append(Action.REJECT, rank, "AB", "noise")
    review = client.send_events(analysis.result, review, task).review
    with pytest.raises(ExplainedError) as caught:
        client.store_final(analysis.result, review, "AB", "", task)
    assert caught.value.code == "findings_open"
    drawn = VolumeData((labels.array == 1).astype(np.uint8), volume.affine)
    drawn.array[0, 0, 0] = 1
    digest = client.send_mask(analysis.result, drawn, task)
    review = review.append(Action.EDIT, 1, "AB", mask=digest)
    review = client.send_events(analysis.result, review, task).review
    np.testing.assert_array_equal(
        client.fetch_mask(analysis.result, digest, task).array, drawn.array
    )
    client.store_final(analysis.result, review, "AB", "done", task)
    again = client.latest_result(image, task)
    assert again is not None and again.result == analysis.result
    reopened = Review(client.review(analysis.result, task))
    assert reopened.of(1).state is State.EDITED
    assert reopened.open_findings(ranks) == ()
    calibration = client.calibration(support.name, task)
    assert calibration.statement
    entries = {entry.image: entry for entry in client.images(None, task)}
    assert entries[image].state == "reviewed"


def test_the_servers_refusals_reach_the_user(server: Any) -> None:
    client, task = Client(server.url), new_task()
    client.create_support_set("thin", "Thin", [], "AB", task)
    image = client.images(None, task)[0].image
    with pytest.raises(ExplainedError) as caught:
        client.detect(image, "thin", None, {}, task)
    assert caught.value.code == "too_few_supports"
    assert caught.value.remedy
    flat = VolumeData(np.zeros((20, 20), np.float32)[None], np.eye(4))
    with pytest.raises(ExplainedError) as caught:
        client.upload(flat, "flat", task)
    assert caught.value.code in ("unsuitable_image", "unreadable_image")
    with pytest.raises(ExplainedError) as caught:
        client.result("0" * 64, task)
    assert caught.value.code == "unknown_result"


def test_the_client_keeps_sets_and_walks_through_the_worklist(server: Any) -> None:
    client, task = Client(server.url), new_task()
    volume = case_with_lesion()
    volume.array[0, 0, 0] += 1
    first, _ = client.upload(volume, "of the worklist", task)
    volume.array[0, 0, 0] += 1
    second, digest = client.upload(volume, "of the worklist", task)
    assert second == f"{first}-{digest[:12]}"
    supports = [study.image for study in client.support_set("default", task).studies]
    client.create_support_set("two", "Two", supports[:2], "AB", task)
    grown = client.add_support("two", supports[2], "AB", task)
    assert [study.image for study in grown.studies] == supports
    left = client.remove_support("two", supports[0], task)
    assert [study.image for study in left.studies] == supports[1:]
    names = {entry.image for entry in client.images(None, task)}
    seen: list[str] = []
    while True:
        try:
            seen.append(client.next_case("unreviewed", "two", seen, task).image)
        except ExplainedError as problem:
            assert problem.code == "nothing_left"
            break
    assert {first, second} <= set(seen) <= names and len(seen) == len(set(seen))


def test_the_panel_reviews_a_case_on_the_real_server(
    server: Any, qt: Any, scene: Any, tmp_path: Path
) -> None:
    """The tutorial, step by step, with its sample data; its pictures are taken here."""
    from D24FADSlicerLib.scene import case as cases
    from harness.rendering import SliceView, saturation, save_png

    views = [SliceView(name, (420, 420)) for name in ("Red", "Yellow", "Green")]
    driver = Driver(qt, server)
    try:
        ui = driver.ui
        ui.addressEdit.text = server.url
        driver.connect()
        node = cases.add_volume("SimulatedHead", case_with_lesion())
        ui.volumeSelector.setCurrentNode(node)
        for view in views:
            view.fit(margin=1.2)
        driver.press(ui.runButton)
        driver.until(lambda: not ui.runButton.enabled or ui.findingsTable.rowCount)
        driver.until(lambda: ui.runButton.enabled, "the analysis", seconds=180)
        case = driver.panel.context.case
        assert case is not None and case.heatmap is not None, ui.messageLabel.text
        picture = np.concatenate([view.pixels() for view in views], axis=1)
        save_png(picture, SCREENSHOTS / "slicer-heatmap.png")
        assert (saturation(picture) > 60).sum() > 500
        ui.findingsTable.selectRow(0)
        driver.press(ui.acceptButton)
        driver.until(lambda: not case.review.waiting, seconds=60)
        ui.findingsTable.selectRow(0)
        driver.press(ui.qualityButton)
        checked = {"ok", "look at it"}
        driver.until(lambda: ui.supportTable.item(0, 1).text() in checked, seconds=240)
        use_theme(LIGHT)
        driver.window.resize(430, 760)
        driver.settle(300)
        setup = grab(driver.window, tmp_path / "setup.png")
        save_png(setup, SCREENSHOTS / "slicer-setup.png")
        driver.show(ui.runButton)
        driver.settle(300)
        review = grab(driver.window, tmp_path / "review.png")
        save_png(review, SCREENSHOTS / "slicer-panel.png")
        save_png(review, ROOT / "Resources" / "screenshots" / "slicer-panel.png")
        ui.compareButton.checked = True
        driver.until(lambda: driver.panel.comparison.shown is not None, seconds=60)
        beside = np.concatenate([view.pixels() for view in views[:2]], axis=1)
        save_png(beside, SCREENSHOTS / "slicer-compare.png")
        ui.compareButton.checked = False
        for row in range(1, ui.findingsTable.rowCount):
            ui.findingsTable.selectRow(row)
            driver.press(ui.rejectButton)
        driver.until(lambda: not case.review.waiting, seconds=60)
        driver.press(ui.saveButton)
        driver.until(lambda: ui.saveLabel.text.startswith("Saved:"), seconds=60)
        driver.press(ui.confirmNormalButton)
        driver.until(lambda: "not normal" in ui.messageLabel.text, seconds=60)
    finally:
        driver.close()


def test_the_panel_compares_with_an_earlier_study_and_translates_the_normals(
    server: Any, qt: Any, scene: Any
) -> None:
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene.parameters import CaseNode

    before = case_with_lesion()
    now = VolumeData(before.array.copy(), before.affine)
    centre = np.indices(now.array.shape) - np.reshape(np.array(now.array.shape) / 2, (3, 1, 1, 1))
    now.array[(centre**2).sum(axis=0) < 20] = now.array.max()
    driver = Driver(qt, server)
    try:
        ui = driver.ui
        ui.addressEdit.text = server.url
        driver.connect()
        prior, node = cases.add_volume("last year", before), cases.add_volume("this year", now)
        ui.volumeSelector.setCurrentNode(node)
        ui.priorSelector.setCurrentNode(prior)
        ui.comparisonBox.setCurrentIndex(ui.comparisonBox.findText("Translated"))
        driver.press(ui.runButton)
        driver.until(lambda: ui.runButton.enabled, "the analysis", seconds=240)
        case = driver.panel.context.case
        assert case is not None and case.analysis is not None, ui.messageLabel.text
        options = case.analysis.document["options"]
        assert options["comparison"] == "translated"
        assert options["prior"] == CaseNode.of_volume(prior).image
        since = case.analysis.since_prior
        assert since is not None and since.prior == options["prior"] and since.changes
        told = ", ".join(
            f"{change['kind']} {change['prior_volume_ml']:.2f} to {change['volume_ml']:.2f} ml"
            for change in case.analysis.document["report"]["change"]["changes"]
        )
        assert f"Since {since.prior}: {told}." in ui.caseLabel.text
    finally:
        driver.close()


POSES = {"shifted": (0.0, 0.0, (14.0, -9.0, 11.0)), "turned": (5.0, -8.0, (-10.0, 6.0, -12.0))}
"""How each support lies to the case: turned about R and S, degrees, and shifted, RAS mm."""


def pose(name: str) -> np.ndarray:
    about_x, about_z, shift = POSES[name]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(about_x, about_z)
    matrix[:3, 3] = shift
    return matrix


def test_compare_shows_the_same_anatomy_of_a_moved_support(
    server: Any, qt: Any, scene: Any
) -> None:
    """Both supports are the case's own head, lying elsewhere: both views must look the same."""
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views
    from harness.rendering import SliceView

    data, client, task = case_with_lesion(), Client(server.url), new_task()
    posed = {}
    for name in POSES:
        moved = VolumeData(data.array, pose(name) @ data.affine)
        posed[client.upload(moved, f"moved-{name}", task)[0]] = pose(name)
    client.create_support_set("moved", "Moved", list(posed), "AB", task)
    red, yellow = SliceView("Red", (300, 300)), SliceView("Yellow", (300, 300))
    driver = Driver(qt, server)
    try:
        ui = driver.ui
        ui.addressEdit.text = server.url
        driver.connect()
        node = cases.add_volume("case", data)
        ui.volumeSelector.setCurrentNode(node)
        names = [ui.supportSetBox.itemData(row) for row in range(ui.supportSetBox.count)]
        ui.supportSetBox.setCurrentIndex(names.index("moved"))
        driver.until(lambda: ui.supportTable.rowCount == 2, seconds=60)
        driver.press(ui.runButton)
        driver.until(lambda: ui.runButton.enabled, "the analysis", seconds=240)
        case = driver.panel.context.case
        assert case is not None and case.analysis is not None, ui.messageLabel.text
        ui.opacitySlider.value = 0.0
        ui.legendBox.checked = ui.numbersBox.checked = False
        case.segmentation.GetDisplayNode().SetVisibility(False)
        red.fit()
        ui.compareButton.checked = True
        driver.until(lambda: driver.panel.comparison.shown is not None, seconds=240)
        shown = driver.panel.comparison.shown
        assert shown is not None and shown.match is not None, ui.comparisonLabel.text
        truth = posed[shown.match.image]
        for caption in shown.captions:
            caption.remove()
        middle = np.array(case.analysis.slice_centre_ras(len(case.analysis.slice_scores) // 2))
        for away in ((0, 0, 0), (0, 0, 24), (0, 0, -18), (15, -20, 9)):
            place = middle + away
            views.jump_to(node, (place[0], place[1], place[2]))
            driver.settle(150)
            expected = (truth @ [*place, 1.0])[:3]
            off = np.linalg.norm(np.subtract(views.position_in_view("Yellow"), expected))
            assert off < 2.0, f"{away}: {off:.1f} mm off"
            likeness = np.corrcoef(red.pixels().ravel(), yellow.pixels().ravel())[0, 1]
            assert likeness > 0.97, f"{away}: the views differ ({likeness:.3f})"
    finally:
        driver.close()
