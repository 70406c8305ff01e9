"""The real panel, driven through a whole review as a radiologist would, over the real scene."""

from __future__ import annotations

import importlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import volumes
from D24FADSlicerLib.logic.review_events import State
from lines import Answer, Proxy, Request, pass_on

from d24fad_core import __version__

pytest.importorskip("cc3d")


class Driver:
    """A user at the panel: presses, types, waits until something shows."""

    PROFILE: ClassVar[dict[str, Any]] = {"D24FAD/Mode": "server"}

    def __init__(self, qt: Any, server: Any, settings: dict[str, Any] | None = None) -> None:
        from harness import application

        self.qt = qt
        self.server = server
        self.settle = application.settle
        self.actions = 0
        self.window = application.open_main_window()
        qt.QSettings().clear()
        for key, value in {**self.PROFILE, **(settings or {})}.items():
            qt.QSettings().setValue(key, value)
        module = importlib.import_module("D24FADSlicer")
        self.widget = module.D24FADSlicerWidget(None)
        self.widget.setup()
        self.panel = self.widget.panel
        self.ui = self.panel.ui
        self.panel.connection._timer.setInterval(50)
        self.window.setCentralWidget(self.widget.parent)
        self.window.show()
        self.widget.enter()
        self.ui.addressEdit.text = getattr(server, "address", "")
        self.ui.reviewerEdit.text = "AB"

    def show(self, widget: Any) -> None:
        """Go to the tab that a widget is in."""
        for page in (self.ui.reviewPage, self.ui.setupPage):
            if page.isAncestorOf(widget) and self.ui.tabs.currentWidget() is not page:
                self.ui.tabs.setCurrentWidget(page)
                self.actions += 1
                self.settle()

    def choose(self, box: Any, data: str) -> None:
        """Choose the entry of a list by what stands behind it."""
        self.show(box)
        index = [box.itemData(row) for row in range(box.count)].index(data)
        box.setCurrentIndex(index)
        self.actions += 1

    def close(self) -> None:
        self.widget.cleanup()
        self.window.close()
        self.settle()

    def until(self, condition: Callable[[], Any], what: str = "", seconds: float = 120) -> None:
        for _ in range(int(100 * seconds)):
            self.settle(10)
            if condition():
                return
        raise AssertionError(
            f"waited for {what or 'the panel'}: message {self.ui.messageLabel.text!r}, "
            f"progress {self.ui.progressLabel.text!r}, "
            f"connection {self.ui.connectionLabel.text!r}"
        )

    def press(self, button: Any) -> None:
        self.show(button)
        assert button.enabled and button.visible, f"{button.text} cannot be pressed"
        button.click()
        self.actions += 1
        self.settle()

    def connect(self) -> None:
        self.press(self.ui.testButton)
        self.until(lambda: self.ui.supportTable.rowCount, "the support set")

    def open(self, image: str) -> None:
        """Open a case of the worklist."""
        self.press(self.ui.refreshButton)
        entry = f"open:{image}"
        box, before = self.ui.caseBox, self.ui.volumeSelector.currentNode()
        self.until(lambda: entry in [box.itemData(row) for row in range(box.count)], entry)
        self.choose(box, entry)
        self.press(self.ui.openCaseButton)
        self.until(lambda: self.ui.volumeSelector.currentNode() is not before, "the case")
        self.until(lambda: self.ui.runButton.enabled)

    def load(self, name: str = "plain") -> Any:
        from D24FADSlicerLib.scene import case as cases

        node = cases.add_volume("case", volumes.scan(volumes.GRIDS[name]))
        self.ui.volumeSelector.setCurrentNode(node)
        return node

    def analyse(self) -> None:
        self.press(self.ui.runButton)
        self.until(lambda: self.ui.findingsTable.rowCount == 2, "two findings")
        self.until(lambda: not self.ui.cancelButton.enabled)

    def state(self, row: int) -> str:
        return self.ui.findingsTable.item(row, 1).text()


@contextmanager
def serving(routes: Any, folder: Path, *, from_pacs: bool = False) -> Iterator[Any]:
    """The real server with three normals, two of them in its set."""
    from harness.study_server import StudyServer

    with StudyServer(routes, folder, from_pacs=from_pacs) as running:
        for number in range(3):
            scan = volumes.scan(volumes.GRIDS["plain"], number, spots=False)
            running.add_image(f"normal_{number}", scan)
        yield running


@pytest.fixture
def server(routes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(routes, tmp_path_factory.mktemp("studies")) as running:
        yield running


@pytest.fixture
def pacs_server(routes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The same, whose studies come from a PACS, the case among them."""
    with serving(routes, tmp_path_factory.mktemp("pacs"), from_pacs=True) as running:
        running.add_image("case", volumes.scan(volumes.GRIDS["plain"]))
        yield running


@pytest.fixture
def pacs_driver(qt: Any, scene: Any, pacs_server: Any) -> Iterator[Driver]:
    opened = Driver(qt, pacs_server)
    yield opened
    opened.close()


@pytest.fixture
def driver(qt: Any, scene: Any, server: Any) -> Iterator[Driver]:
    opened = Driver(qt, server)
    yield opened
    opened.close()


def test_the_notice_is_always_visible(driver: Driver) -> None:
    ui = driver.ui
    for page in (ui.setupPage, ui.reviewPage):
        ui.tabs.setCurrentWidget(page)
        driver.settle()
        assert ui.noticeLabel.visible
    assert ui.noticeLabel.text == "Research use only. Not for clinical use."


def test_a_wrong_address_says_why_and_what_to_do(driver: Driver) -> None:
    driver.ui.addressEdit.text = "http://127.0.0.1:1"
    driver.press(driver.ui.testButton)
    driver.until(lambda: "Nothing listens" in driver.ui.messageLabel.text)
    assert "Start the server" in driver.ui.messageLabel.text
    driver.ui.addressEdit.text = "not an address"
    driver.press(driver.ui.testButton)
    driver.until(lambda: "no server address" in driver.ui.messageLabel.text)


def test_without_a_connection_a_run_says_so(driver: Driver) -> None:
    driver.load()
    driver.press(driver.ui.runButton)
    assert "not connected" in driver.ui.messageLabel.text


def test_a_whole_review(driver: Driver, server: Any, tmp_path: Path) -> None:
    import slicer
    from D24FADSlicerLib.scene import views

    ui = driver.ui
    driver.connect()
    assert __version__ in ui.connectionLabel.text
    node = driver.load("oblique")
    driver.analyse()

    assert [ui.findingsTable.item(0, column).text() for column in (0, 1, 3)] == ["1", "open", "7.0"]
    assert ui.supportTable.item(0, 2).text() == "50%"
    assert "no normal patient outside the support set" in ui.rateLabel.text
    assert ui.caseLabel.text.startswith("Case score 7.0 z, higher than all 4 normals, whose scores")

    finding = driver.panel.context.case.analysis.findings[1]
    ui.findingsTable.selectRow(1)
    np.testing.assert_allclose(views.position_in_view(), finding.peak_ras_mm, atol=1e-6)

    ui.noteEdit.setText("vessel")
    ui.noteEdit.editingFinished()
    driver.press(ui.rejectButton)
    assert driver.state(1) == "✗ rejected"
    assert ui.findingsTable.currentRow() == 0, "the next open finding is selected"
    driver.press(ui.acceptButton)
    assert driver.state(0) == "✓ accepted"
    driver.press(ui.undoButton)
    assert driver.state(0) == "open"
    driver.press(ui.saveButton)
    assert "undecided" in ui.messageLabel.text
    driver.press(ui.acceptButton)
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    (result,) = server.results
    actions = [event["action"] for event in server.events[result]]
    assert actions == ["note", "reject", "accept", "undo", "accept"]

    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    assert server.review(result)["final"]["reviewer"] == "AB"

    path = tmp_path / "case.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(False)
    driver.settle()
    assert ui.findingsTable.rowCount == 0
    assert ui.caseLabel.text == "No result yet."
    assert slicer.app.coreIOManager().loadNodes("SceneFile", {"fileName": str(path)}, None, None)
    driver.until(lambda: ui.findingsTable.rowCount == 2, "the reopened review")
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "✗ rejected"]
    assert ui.findingsTable.item(1, 5).text() == "vessel"
    assert node is not driver.panel.context.case.volume


def textured(affine: np.ndarray, *spots: tuple[slice, slice, slice]) -> Any:
    """A volume whose texture tells how it lies, with bright spots."""
    from D24FADSlicerLib.logic.volume_file import VolumeData
    from scipy import ndimage

    generator = np.random.default_rng(5)
    at = [np.linspace(-1, 1, size) for size in volumes.SHAPE]
    z, y, x = np.meshgrid(*at, indexing="ij")
    texture = ndimage.gaussian_filter(generator.normal(size=volumes.SHAPE), 1.2)
    texture = (texture - texture.min()) / np.ptp(texture)
    array = np.where(z**2 + y**2 + x**2 < 0.95, 60 + 400 * texture, 0.0)
    array += np.where(array > 0, generator.normal(size=volumes.SHAPE) * 3, 0.0)
    for place in spots:
        array[place] = 700
    return VolumeData(array.astype(np.int16), affine)


SHIFT = (3.0, -2.0, 4.0)
"""How studies lie elsewhere than the case, RAS mm."""
SMALLER = (slice(5, 9), slice(12, 15), slice(10, 13))
"""The first spot as it was a year before."""


def test_the_earlier_study_stands_beside_the_case_with_what_changed(
    driver: Driver, server: Any
) -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views

    ui, affine = driver.ui, volumes.GRIDS["plain"]
    elsewhere = affine.copy()
    elsewhere[:3, 3] += SHIFT
    driver.connect()
    prior = cases.add_volume("last-year", textured(elsewhere, SMALLER))
    node = cases.add_volume("case", textured(affine, *volumes.SPOTS.values()))
    ui.volumeSelector.setCurrentNode(node)
    driver.analyse()
    assert not ui.priorButton.visible and ui.findingsTable.isColumnHidden(6)
    ui.priorSelector.setCurrentNode(prior)
    driver.press(ui.runButton)
    driver.until(lambda: ui.priorButton.visible, "the comparison with the prior")

    (result, _) = server.results
    change = server.ask("GET", f"/results/{result}")["report"]["change"]
    words = [
        f"{each['kind']} {each['prior_volume_ml']:.2f} to {each['volume_ml']:.2f} ml"
        for each in change["changes"]
    ]
    assert sorted(word.split()[0] for word in words) == ["grown", "new"]
    assert f"Since last-year: {', '.join(words)}." in ui.caseLabel.text
    assert not ui.findingsTable.isColumnHidden(6)
    grown, new = sorted(words)
    assert [ui.findingsTable.item(row, 6).text() for row in (0, 1)] == [grown, new]

    before = slicer.app.layoutManager().layout
    driver.press(ui.priorButton)
    shown = driver.panel.comparison.shown
    assert shown is not None and shown.support is prior
    assert [caption.text for caption in shown.captions] == ["Case: case", "Earlier: last-year"]
    yellow = slicer.app.layoutManager().sliceWidget("Yellow").sliceLogic().GetSliceCompositeNode()
    assert yellow.GetBackgroundVolumeID() == prior.GetID()
    for row in (1, 0):
        ui.findingsTable.selectRow(row)
        driver.settle(150)
        here, there = views.position_in_view("Red"), views.position_in_view("Yellow")
        np.testing.assert_allclose(np.subtract(there, here), SHIFT, atol=0.1)
        assert driver.panel.comparison.shown is shown, "whatever the finding"

    driver.press(ui.compareButton)
    driver.until(lambda: driver.panel.comparison.shown not in (None, shown), "the normal")
    assert ui.compareButton.checked and not ui.priorButton.checked
    assert driver.panel.comparison.shown.support.GetName().startswith("normal")
    driver.press(ui.priorButton)
    assert ui.priorButton.checked and not ui.compareButton.checked
    driver.press(ui.priorButton)
    assert driver.panel.comparison.shown is None
    assert slicer.app.layoutManager().layout == before


def test_an_earlier_study_goes_with_its_case(driver: Driver, server: Any) -> None:
    ui = driver.ui
    driver.connect()
    prior, case = driver.load(), driver.load()
    other = driver.load()
    ui.volumeSelector.setCurrentNode(case)
    ui.priorSelector.setCurrentNode(case)
    driver.press(ui.runButton)
    assert "its own earlier study" in ui.messageLabel.text
    assert not server.detections
    ui.priorSelector.setCurrentNode(prior)
    ui.volumeSelector.setCurrentNode(other)
    assert ui.priorSelector.currentNode() is None, "of another patient, perhaps"
    ui.volumeSelector.setCurrentNode(case)
    assert ui.priorSelector.currentNode() is prior
    ui.priorSelector.setCurrentNode(None)
    ui.volumeSelector.setCurrentNode(other)
    ui.volumeSelector.setCurrentNode(case)
    driver.analyse()
    assert ui.priorSelector.currentNode() is None
    assert ui.priorSelector.nodeCount() == 3, "the heatmap is no study"


def test_a_second_run_sends_the_volume_no_second_time(driver: Driver, server: Any) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    before = len(server.calls)
    driver.analyse()
    later = server.calls[before:]
    assert not any("/uploads/" in call for call in later)


def test_cancel_ends_at_once_and_on_the_server(driver: Driver, server: Any) -> None:
    server.hold_analyses()
    driver.connect()
    driver.load()
    driver.press(driver.ui.runButton)
    driver.until(lambda: driver.ui.progressLabel.text == "Scoring slices")
    assert not driver.ui.runButton.enabled
    driver.press(driver.ui.cancelButton)
    assert driver.ui.runButton.enabled and driver.ui.progressLabel.text == ""
    driver.until(lambda: server.detections == ["cancelled"])
    server.finish_analyses()
    driver.analyse()


def test_the_panel_answers_while_the_server_does_not(driver: Driver, server: Any) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    server.line.passes.clear()
    driver.press(driver.ui.acceptButton)
    driver.press(driver.ui.rejectButton)
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "✗ rejected"]
    # What waits for the server is a worker.
    assert driver.panel.context.jobs.is_live(driver.panel.review._sending)
    server.line.passes.set()
    driver.until(lambda: driver.ui.saveLabel.text == "All decisions are on the server.")


def test_a_server_that_dies_loses_no_decision(driver: Driver, server: Any) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    server.stop()
    driver.press(driver.ui.acceptButton)
    driver.until(lambda: "reconnecting" in driver.ui.connectionLabel.text.lower())
    driver.press(driver.ui.rejectButton)
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "✗ rejected"]
    assert "2 decisions are not sent yet" in driver.ui.saveLabel.text
    server.start()
    driver.until(lambda: driver.ui.saveLabel.text == "All decisions are on the server.")
    (events,) = server.events.values()
    assert [(event["action"], event["finding"]) for event in events] == [
        ("accept", 1),
        ("reject", 2),
    ]


def test_a_server_that_dies_during_the_analysis_is_waited_for(driver: Driver, server: Any) -> None:
    server.hold_analyses()  # until it has been away
    driver.connect()
    driver.load()
    driver.press(driver.ui.runButton)
    driver.until(lambda: driver.ui.progressLabel.text == "Scoring slices")
    server.stop()
    driver.until(lambda: "come back" in driver.ui.progressLabel.text)
    server.finish_analyses()
    server.start()
    driver.until(lambda: driver.ui.findingsTable.rowCount == 2)


def test_closing_the_scene_drops_what_is_under_way(driver: Driver, server: Any) -> None:
    import slicer

    server.hold_analyses()
    driver.connect()
    driver.load()
    driver.press(driver.ui.runButton)
    driver.until(lambda: driver.ui.progressLabel.text == "Scoring slices")
    slicer.mrmlScene.Clear(False)
    driver.until(lambda: server.detections == ["cancelled"])
    driver.settle(200)  # for what would be shown though it is too late
    assert driver.ui.findingsTable.rowCount == 0
    assert driver.ui.runButton.enabled
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_removing_the_volume_cancels_its_analysis(driver: Driver, server: Any) -> None:
    import slicer

    server.hold_analyses()
    driver.connect()
    node = driver.load()
    driver.press(driver.ui.runButton)
    driver.until(lambda: driver.ui.progressLabel.text == "Scoring slices")
    slicer.mrmlScene.RemoveNode(node)
    assert driver.ui.runButton.enabled
    driver.until(lambda: server.detections == ["cancelled"])


def test_building_a_support_set(driver: Driver, server: Any) -> None:
    ui = driver.ui
    driver.connect()
    ui.newSetEdit.text = "Brain FLAIR"
    driver.press(ui.newSetButton)
    driver.until(lambda: "brain-flair" in server.services.support_sets.names())
    driver.until(lambda: ui.supportSetBox.currentText.startswith("Brain FLAIR"))
    driver.until(lambda: "At least 2" in ui.supportLabel.text)
    driver.choose(ui.studyBox, "server:normal_2")
    assert ui.studyBox.currentText == "normal_2  (not reviewed)"
    driver.press(ui.addStudyButton)
    driver.until(lambda: ui.supportTable.rowCount == 1)
    assert ui.supportTable.item(0, 0).text() == "normal_2"
    node = driver.load()
    driver.choose(ui.studyBox, f"scene:{node.GetID()}")
    assert ui.studyBox.currentText == "In Slicer: case"
    driver.press(ui.addStudyButton)
    driver.until(lambda: ui.supportTable.rowCount == 2)
    assert "case" in server.services.images.identifiers()
    ui.supportTable.selectRow(0)
    driver.press(ui.removeSupportButton)
    driver.until(lambda: ui.supportTable.rowCount == 1)
    assert server.members("brain-flair") == ["case"]


def test_checking_the_quality_of_a_set(driver: Driver, server: Any) -> None:
    driver.connect()
    table = driver.ui.supportTable
    assert table.item(0, 1).text() == "not checked"
    driver.press(driver.ui.qualityButton)
    driver.until(lambda: table.item(0, 1).text() == "ok")
    server.add_image("spotted", volumes.scan(volumes.GRIDS["plain"], 3))
    server.add_support("default", "spotted")
    driver.press(driver.ui.qualityButton)
    driver.until(lambda: table.rowCount == 3)
    assert [table.item(row, 1).text() for row in range(3)] == ["ok", "ok", "look at it"]
    assert "stands out" in table.item(2, 1).toolTip()


def test_confirming_a_case_as_normal(driver: Driver, server: Any) -> None:
    server.add_support("other", "normal_0")
    server.add_support("other", "normal_1")
    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    driver.choose(ui.supportSetBox, "other")
    driver.until(lambda: driver.panel.context.support_set.name == "other")
    driver.press(ui.confirmNormalButton)
    driver.until(lambda: ui.supportTable.rowCount == 3)
    assert [study.confirmed_normal for study in server.study_members("other")][2]
    assert ui.supportTable.item(2, 3).text() == "yes"
    assert "no normal patient outside" in ui.rateLabel.text
    driver.choose(ui.supportSetBox, "default")
    driver.until(lambda: "1 normal patient" in ui.rateLabel.text)


def test_too_few_supports_is_said_in_the_servers_words(driver: Driver, server: Any) -> None:
    server.ask("DELETE", "/support-sets/default/studies/normal_1")
    driver.connect()
    driver.load()
    driver.press(driver.ui.runButton)
    driver.until(lambda: "at least 2 are needed" in driver.ui.messageLabel.text)
    assert driver.ui.runButton.enabled


def test_the_next_case_and_opening_one_again(driver: Driver, server: Any) -> None:
    ui = driver.ui
    server.add_image("patient_7", volumes.scan(volumes.GRIDS["anisotropic"]))
    server.add_support("default", "normal_2")
    driver.connect()
    assert ui.caseBox.currentText == "Next: highest score"
    driver.press(ui.openCaseButton)
    driver.until(lambda: ui.volumeSelector.currentNode() is not None)
    driver.until(lambda: ui.runButton.enabled)
    assert ui.volumeSelector.currentNode().GetName() == "patient_7"
    driver.analyse()
    driver.press(ui.acceptButton)
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    driver.press(ui.openCaseButton)
    driver.until(lambda: "Every image is reviewed" in ui.messageLabel.text)

    driver.press(ui.refreshButton)
    driver.until(lambda: ui.caseBox.itemText(6) == "patient_7  (in review, score 7.0)")
    driver.choose(ui.caseBox, "open:patient_7")
    driver.press(ui.openCaseButton)
    driver.until(lambda: ui.volumeSelector.currentNode().GetName() != "patient_7")
    driver.until(lambda: ui.findingsTable.rowCount == 2)
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "open"]


def test_an_edited_outline_is_kept_sent_and_opened_again(driver: Driver, server: Any) -> None:
    import slicer
    from test_scene import edit

    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    chosen: list[str] = []
    slicer.util.selectModule = chosen.append
    driver.press(ui.editButton)
    node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    case = driver.panel.context.case
    assert chosen == ["SegmentEditor"]
    assert node.GetSegmentationNode() is case.segmentation
    driver.widget.exit()
    edit(case, 1)
    driver.widget.enter()
    assert driver.state(0) == "✎ edited"
    ui.findingsTable.selectRow(1)
    driver.press(ui.rejectButton)
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    (mask,) = server.masks
    expected = volumes.labels_of(volumes.scan(volumes.GRIDS["plain"])).array == 1
    expected[4, 20, 20] = True
    np.testing.assert_array_equal(mask.array > 0, expected)

    driver.press(ui.refreshButton)
    driver.until(lambda: ui.caseBox.count == 7)
    driver.choose(ui.caseBox, "open:case")
    driver.press(ui.openCaseButton)
    driver.until(lambda: ui.volumeSelector.currentNode() is not case.volume)
    driver.until(lambda: ui.findingsTable.rowCount == 2)
    again = driver.panel.context.case
    assert again.node is not case.node
    assert [driver.state(row) for row in (0, 1)] == ["✎ edited", "✗ rejected"]
    from D24FADSlicerLib.scene.segments import segment_of

    found = slicer.util.arrayFromSegmentBinaryLabelmap(
        again.segmentation, segment_of(again.segmentation, 1), again.volume
    )
    np.testing.assert_array_equal(found > 0, expected)


def test_edit_save_accept_save_keeps_the_drawn_outline(driver: Driver, server: Any) -> None:
    from test_scene import edit

    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    edit(driver.panel.context.case, 1)
    ui.findingsTable.selectRow(1)
    driver.press(ui.rejectButton)
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    drawn = volumes.labels_of(volumes.scan(volumes.GRIDS["plain"])).array == 1
    drawn[4, 20, 20] = True
    np.testing.assert_array_equal(server.final("case") > 0, drawn)
    ui.findingsTable.selectRow(0)
    driver.press(ui.acceptButton)
    assert driver.state(0) == "✎ edited"
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    np.testing.assert_array_equal(server.final("case") > 0, drawn)
    assert len(server.masks) == 1, "what the server has is not sent again"


def test_undoing_a_saved_outline_brings_back_the_detectors(driver: Driver, server: Any) -> None:
    from D24FADSlicerLib.scene.segments import segment_of
    from test_scene import edit

    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    case = driver.panel.context.case
    ui.findingsTable.selectRow(1)
    driver.press(ui.rejectButton)
    edit(case, 1)
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    driver.press(ui.undoButton)
    original = volumes.labels_of(volumes.scan(volumes.GRIDS["plain"])).array == 1

    def outline() -> np.ndarray:
        import slicer

        segment = segment_of(case.segmentation, 1)
        if segment is None:
            return np.zeros(0)
        return slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)

    driver.until(lambda: np.array_equal(outline() > 0, original), "the detector's outline")
    assert driver.state(0) == "open"
    ui.findingsTable.selectRow(0)
    driver.press(ui.acceptButton)
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    np.testing.assert_array_equal(server.final("case") > 0, original)


def test_what_somebody_else_decided_is_seen_before_anything_is_stored(
    driver: Driver, server: Any
) -> None:
    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    for _ in range(2):
        driver.press(ui.acceptButton)
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    (result,) = server.results
    server.act(result, "reject", finding=2)
    driver.press(ui.saveButton)
    driver.until(lambda: driver.state(1) == "✗ rejected")
    assert ui.messageLabel.visible and ui.messageLabel.text
    assert server.final("case") is None
    driver.until(lambda: not driver.panel.context.jobs.is_live(driver.panel.review._sending))
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    first = volumes.labels_of(volumes.scan(volumes.GRIDS["plain"])).array == 1
    np.testing.assert_array_equal(server.final("case") > 0, first)


def test_a_decision_on_what_somebody_else_changed_is_asked_for_again(
    driver: Driver, server: Any
) -> None:
    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    (result,) = server.results
    server.act(result, "reject", finding=1)
    ui.findingsTable.selectRow(0)
    driver.press(ui.acceptButton)
    driver.until(lambda: driver.state(0) == "✗ rejected")
    assert "CD changed the review of finding 1" in ui.messageLabel.text
    assert "decide again" in ui.messageLabel.text
    ui.findingsTable.selectRow(0)
    driver.press(ui.acceptButton)
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    assert driver.state(0) == "✓ accepted"


def test_an_outline_with_nothing_left_is_not_saved(driver: Driver, server: Any) -> None:
    import slicer
    from D24FADSlicerLib.scene.segments import segment_of

    driver.connect()
    driver.load()
    driver.analyse()
    case = driver.panel.context.case
    for _ in range(2):
        driver.press(driver.ui.acceptButton)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        np.zeros(volumes.SHAPE, np.uint8),
        case.segmentation,
        segment_of(case.segmentation, 1),
        case.volume,
    )
    driver.press(driver.ui.saveButton)
    assert "outline of finding 1 is empty" in driver.ui.messageLabel.text


PACS_ERROR = {"code": "pacs_unreachable", "message": "It is full.", "remedy": "Make room."}


@pytest.mark.parametrize(
    ("pacs", "words"),
    [
        ({"stored": True, "sop_instance_uid": "1.2", "items": []}, "as DICOM, in the PACS"),
        ({"stored": False, "error": PACS_ERROR}, "(It is full.). Save again"),
    ],
)
def test_saving_says_what_the_pacs_has(
    driver: Driver, server: Any, pacs: dict[str, Any], words: str
) -> None:
    server.pacs_answer = pacs
    driver.connect()
    driver.load()
    driver.analyse()
    for _ in range(2):
        driver.press(driver.ui.acceptButton)
    driver.press(driver.ui.saveButton)
    driver.until(lambda: words in driver.ui.saveLabel.text)


def test_a_volume_is_not_sent_to_a_server_with_a_pacs(
    pacs_driver: Driver, pacs_server: Any
) -> None:
    driver, server = pacs_driver, pacs_server
    server.datastore.titles["normal_2"] = "T2 FLAIR, MR, …000002"
    driver.connect()
    driver.load()
    for button in (driver.ui.runButton, driver.ui.confirmNormalButton):
        driver.ui.messageLabel.text = ""
        driver.press(button)
        assert "Load the series from that PACS" in driver.ui.messageLabel.text
    assert not [call for call in server.calls if "/uploads/" in call]
    driver.choose(driver.ui.studyBox, "server:normal_2")
    assert driver.ui.studyBox.currentText == "T2 FLAIR, MR, …000002  (not reviewed)"
    driver.open("normal_2")
    driver.press(driver.ui.runButton)
    driver.until(lambda: driver.panel.context.case.analysis is not None)
    assert not [call for call in server.calls if "/uploads/" in call]


def test_a_series_loaded_from_the_same_pacs_is_analysed_unsent(
    pacs_driver: Driver, pacs_server: Any
) -> None:
    """Its series UID is the server's image id; nothing is uploaded, nothing is opened twice."""
    import slicer

    driver, server = pacs_driver, pacs_server
    server.add_image("1.2.840.7", volumes.scan(volumes.GRIDS["plain"]))
    driver.connect()
    node = driver.load()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemUID(item, "DICOM", "1.2.840.7")
    driver.analyse()
    assert driver.panel.context.case.volume is node
    assert driver.panel.context.case.image == "1.2.840.7"
    driver.press(driver.ui.confirmNormalButton)
    driver.until(lambda: driver.ui.supportTable.rowCount == 3)
    assert server.members()[2] == "1.2.840.7"
    assert not [call for call in server.calls if "/uploads/" in call]


def test_a_series_of_another_pacs_is_refused_in_the_servers_words(pacs_driver: Driver) -> None:
    import slicer

    driver = pacs_driver
    driver.connect()
    node = driver.load()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemUID(item, "DICOM", "9.9.9")
    driver.press(driver.ui.runButton)
    driver.until(lambda: "There is no image '9.9.9'" in driver.ui.messageLabel.text)


def test_typing_a_note_decides_nothing(driver: Driver) -> None:
    from PySide6 import QtTest

    driver.connect()
    driver.load()
    driver.analyse()
    driver.window.activateWindow()
    driver.ui.noteEdit.setFocus()
    driver.settle(50)
    QtTest.QTest.keyClicks(driver.ui.noteEdit, "axAX phn")
    assert driver.ui.noteEdit.text == "axAX phn"
    assert [driver.state(row) for row in (0, 1)] == ["open", "open"]
    assert driver.ui.heatmapBox.checked


def test_a_note_that_is_being_typed_is_neither_overwritten_nor_lost(
    driver: Driver, server: Any
) -> None:
    from PySide6 import QtTest

    ui = driver.ui
    driver.connect()
    other, _ = driver.load(), driver.load()
    driver.analyse()
    case = driver.panel.context.case
    driver.until(lambda: not driver.panel.context.jobs.owners(), "nothing under way")
    server.line.passes.clear()
    driver.press(ui.acceptButton)
    driver.window.activateWindow()
    ui.noteEdit.setFocus()
    driver.settle(50)
    QtTest.QTest.keyClicks(ui.noteEdit, "old in")
    server.line.passes.set()
    driver.until(lambda: not case.review.waiting, "the answer")
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    assert ui.noteEdit.text == "old in"
    QtTest.QTest.keyClicks(ui.noteEdit, "farct")
    driver.press(ui.acceptButton)  # a button that does not take the focus, as on macOS
    assert case.review.of(2).note == "old infarct" and driver.state(1) == "✓ accepted"
    ui.studyNoteEdit.setFocus()
    driver.settle(50)
    QtTest.QTest.keyClicks(ui.studyNoteEdit, "as before")
    ui.volumeSelector.setCurrentNode(other)
    assert case.review.study_note == "as before"


def test_a_heatmap_is_no_case(driver: Driver) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    heatmap = driver.panel.context.case.heatmap
    driver.ui.volumeSelector.setCurrentNode(heatmap)
    driver.press(driver.ui.runButton)
    assert "is a heatmap" in driver.ui.messageLabel.text


def test_heatmaps_are_not_offered_as_studies(driver: Driver) -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases

    driver.connect()
    driver.load()
    driver.analyse()
    cases.add_volume("another", volumes.scan(volumes.GRIDS["plain"]))
    names = {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    assert names == {"case", "case heatmap", "another"}
    assert driver.ui.volumeSelector.nodeCount() == 2
    offered = [driver.ui.studyBox.itemText(row) for row in range(driver.ui.studyBox.count)]
    assert [text for text in offered if "Slicer" in text] == [
        "In Slicer: case",
        "In Slicer: another",
    ]
    assert driver.panel.context.case.analysis is not None


def test_two_cases_keep_their_own_reviews(driver: Driver, server: Any) -> None:
    driver.connect()
    first = driver.load()
    driver.analyse()
    driver.press(driver.ui.acceptButton)
    driver.load("flipped")
    assert driver.ui.findingsTable.rowCount == 0
    driver.analyse()
    driver.press(driver.ui.rejectButton)
    assert driver.state(0) == "✗ rejected"
    driver.until(lambda: len(server.events) == 2)
    server.stop()
    driver.press(driver.ui.undoButton)
    driver.until(lambda: "reconnecting" in driver.ui.connectionLabel.text.lower())
    driver.ui.volumeSelector.setCurrentNode(first)
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "open"]
    server.start()
    driver.until(lambda: sum(map(len, server.events.values())) == 3, "the waiting undo")


def test_the_view_follows_its_controls(driver: Driver) -> None:
    import slicer

    ui = driver.ui
    driver.connect()
    driver.load()
    driver.analyse()
    heatmap = driver.panel.context.case.heatmap
    ui.thresholdSlider.value = 6.5
    assert heatmap.GetDisplayNode().GetLowerThreshold() == 6.5
    ui.opacitySlider.value = 0.3
    composite = slicer.app.layoutManager().sliceWidget("Green").sliceLogic()
    composite = composite.GetSliceCompositeNode()
    assert composite.GetForegroundOpacity() == 0.3
    driver.panel.view.toggle_heatmap()
    assert composite.GetForegroundOpacity() == 0.0
    driver.panel.view.toggle_heatmap()
    assert composite.GetForegroundOpacity() == 0.3
    ui.windowBox.setCurrentIndex(1)
    assert driver.panel.context.volume.GetDisplayNode().GetWindow() == 80.0
    ui.renderingBox.checked = True
    logic = slicer.modules.volumerendering.logic()
    assert logic.GetFirstVolumeRenderingDisplayNode(heatmap).GetVisibility()


def test_the_strip_can_be_clicked(driver: Driver) -> None:
    from D24FADSlicerLib.logic.strip import slice_columns
    from D24FADSlicerLib.scene.case import slice_in_view
    from PySide6 import QtCore, QtTest

    driver.connect()
    driver.load("oblique")
    driver.analyse()
    label = driver.ui.stripLabel
    driver.settle(120)
    columns = slice_columns(16, volumes.SHAPE[0], max(label.width, 100))
    QtTest.QTest.mouseClick(
        label,
        QtCore.Qt.MouseButton.LeftButton,
        QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.QPoint(columns.start, 20),
    )
    assert slice_in_view(driver.panel.context.case) == 16


def test_scrolling_writes_no_file(driver: Driver) -> None:
    """The strip is drawn in memory: with each slice, thousands a day, on a hospital's disk."""
    import sys

    from D24FADSlicerLib.scene import views

    driver.connect()
    driver.load("oblique")
    driver.analyse()
    driver.settle(120)
    written: list[str] = []
    watching = [True]

    def watch(event: str, arguments: Any) -> None:
        # The server of the tests writes too, in threads of its own.
        if not watching or threading.current_thread() is not threading.main_thread():
            return
        writes = event == "open" and set(str(arguments[1] or "r")) & set("wax+")
        if writes or event in ("os.remove", "os.rename"):
            written.append(str(arguments[0]))

    sys.addaudithook(watch)
    pictures = set()
    analysis = driver.panel.context.case.analysis
    for index in range(2, 22, 4):
        views.jump_to(driver.panel.context.volume, analysis.slice_centre_ras(index))
        driver.settle(120)
        pictures.add(strip_pixels(driver).tobytes())
    watching.clear()
    assert len(pictures) == 5, "the mark moves"
    assert not written


def strip_pixels(driver: Driver) -> np.ndarray:
    from harness.pythonqt import raw

    image = raw(driver.ui.stripLabel, "grab")().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def test_the_strip_shows_hot_slices_the_mark_and_white_numbers(driver: Driver) -> None:
    driver.connect()
    driver.load("oblique")
    driver.analyse()
    driver.settle(150)
    pixels = strip_pixels(driver).astype(int)
    assert (pixels == (64, 200, 255)).all(axis=2).sum() > 50
    assert (pixels.max(axis=2) - pixels.min(axis=2) > 120).sum() > 200
    assert (pixels[:, :26].min(axis=2) > 180).sum() > 20, "the numbers of the axis"
    assert (pixels[-16:].min(axis=2) > 180).sum() > 20, "the numbers of the slices"


def test_the_panel_makes_no_window_of_its_own(qt: Any, scene: Any) -> None:
    from PySide6 import QtWidgets

    def windows() -> Counter[str]:
        return Counter(type(w).__name__ for w in QtWidgets.QApplication.topLevelWidgets())

    opened = Driver(qt, None)
    before = windows()
    panels = [importlib.import_module("D24FADSlicer").D24FADSlicerWidget(None) for _ in range(3)]
    for panel in panels:
        opened.widget.layout.addWidget(panel.parent)
        panel.setup()
    opened.settle(100)
    # The frame that a list of choices opens in is Qt's own.
    made = windows() - before - Counter({"QFrame": 99, "QComboBoxPrivateContainer": 99})
    assert not made, made
    for panel in panels:
        panel.cleanup()
    opened.close()


def test_edit_outline_has_a_way_back(driver: Driver) -> None:
    import slicer

    selected: list[str] = []

    def select(name: str) -> None:
        selected.append(name)
        if name == "D24FADSlicer":
            driver.widget.enter()
        else:
            driver.widget.exit()

    slicer.util.selectModule = select
    driver.connect()
    driver.load()
    driver.analyse()
    bar = driver.panel.return_bar
    assert not bar.button.visible
    driver.ui.findingsTable.selectRow(1)
    driver.press(driver.ui.editButton)
    driver.settle()
    assert selected == ["SegmentEditor"]
    assert bar.button.visible and bar.button.text == "Back to review (finding 2)"
    bar.button.click()
    driver.settle()
    assert selected == ["SegmentEditor", "D24FADSlicer"]
    assert not bar.button.visible
    assert driver.ui.findingsTable.currentRow() == 1, "where the reviewer left"


def test_coming_back_by_another_way_takes_the_bar_away(driver: Driver) -> None:
    import slicer

    slicer.util.selectModule = lambda name: driver.widget.exit()
    driver.connect()
    driver.load()
    driver.analyse()
    driver.press(driver.ui.editButton)
    driver.settle()
    assert driver.panel.return_bar.button.visible
    driver.widget.enter()
    driver.settle()
    assert not driver.panel.return_bar.button.visible


def test_choosing_another_volume_keeps_zoom_and_layers(driver: Driver) -> None:
    import slicer
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views

    driver.connect()
    first = driver.load()
    driver.analyse()
    overlay = cases.add_volume("labels", volumes.scan(volumes.GRIDS["plain"], 2))
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        composite.SetLabelVolumeID(overlay.GetID())
    node = views.slice_node()
    node.SetFieldOfView(40.0, 30.0, 1.0)
    before = (node.GetFieldOfView(), views.position_in_view())
    second = cases.add_volume("other", volumes.scan(volumes.GRIDS["plain"], 3))
    for volume in (second, first, second):
        driver.ui.volumeSelector.setCurrentNode(volume)
        assert (node.GetFieldOfView(), views.position_in_view()) == before
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            assert composite.GetBackgroundVolumeID() == volume.GetID()
            assert composite.GetLabelVolumeID() == overlay.GetID()


def test_the_findings_are_above_the_fold(driver: Driver, server: Any) -> None:
    """Of a screen of 1080 lines Slicer leaves the panel about 760; it shows without scrolling."""
    from harness.pythonqt import raw

    driver.connect()
    driver.load()
    driver.show(driver.ui.runButton)
    driver.analyse()
    driver.window.resize(430, 760)
    driver.settle(100)
    assert driver.window.height == 760, "nothing forces it to be higher"
    ui, page = driver.ui, raw(driver.window, "centralWidget")()
    names = ("runButton", "findingsTable", "stripLabel", "acceptButton", "saveButton", "saveLabel")
    for name in names:
        widget = getattr(ui, name)
        assert widget.visible, name
        bottom = widget.mapTo(page, widget.rect.bottomRight()).y()
        assert bottom < 760, f"{name} ends at {bottom}"
    assert ui.findingsTable.height >= 4 * ui.findingsTable.rowHeight(0)


def test_a_whole_review_takes_at_most_twelve_actions(driver: Driver, server: Any) -> None:
    """From the panel as it opens for the second time to the review in the archive."""
    driver.connect()
    driver.load()
    driver.show(driver.ui.runButton)
    driver.actions = 0
    driver.analyse()
    for _ in driver.panel.context.case.analysis.findings:
        driver.press(driver.ui.acceptButton)
    driver.press(driver.ui.compareButton)
    driver.until(lambda: driver.panel.comparison.shown is not None)
    driver.press(driver.ui.compareButton)
    driver.press(driver.ui.saveButton)
    driver.until(lambda: driver.ui.saveLabel.text.startswith("Saved:"))
    assert driver.actions <= 12
    (result,) = server.results
    assert server.review(result)["final"]["reviewer"] == "AB"


def test_the_next_time_the_panel_connects_by_itself(qt: Any, scene: Any, server: Any) -> None:
    first = Driver(qt, server)
    assert first.ui.tabs.currentWidget() is first.ui.setupPage, "nothing is known yet"
    assert not server.calls, "nothing is asked before the user says so"
    first.connect()
    first.close()
    settings = qt.QSettings()
    kept = {key: settings.value(key) for key in settings.allKeys()}
    assert kept["D24FAD/Address"] == server.address
    second = Driver(qt, server, settings=kept)
    assert second.ui.tabs.currentWidget() is second.ui.reviewPage
    second.until(lambda: second.ui.supportTable.rowCount, "the support set")
    second.close()


def test_an_authority_that_cannot_be_used_is_explained(driver: Driver, tmp_path: Path) -> None:
    driver.ui.addressEdit.text = "https://127.0.0.1:1"
    driver.ui.authorityEdit.currentPath = str(tmp_path / "none.pem")
    driver.press(driver.ui.testButton)
    assert "none.pem cannot be used" in driver.ui.messageLabel.text


def test_the_panel_trusts_the_authority_that_is_chosen(
    driver: Driver, server: Any, tmp_path: Path
) -> None:
    from certificates import Authority, https_server

    hospital = Authority(tmp_path)
    with https_server(hospital.issue(), server.port) as address:
        driver.ui.addressEdit.text = address
        driver.press(driver.ui.testButton)
        driver.until(lambda: "cannot be trusted" in driver.ui.messageLabel.text)
        assert "Authority" in driver.ui.messageLabel.text
        driver.ui.authorityEdit.currentPath = str(hospital.path)
        driver.press(driver.ui.testButton)
        driver.until(lambda: driver.ui.connectionLabel.text.startswith("Connected"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("A", ["✓ accepted", "open"]),
        ("X", ["✗ rejected", "open"]),
        ("NA", ["open", "✓ accepted"]),
        ("PX", ["open", "✗ rejected"]),
    ],
)
def test_keys_decide(driver: Driver, keys: str, expected: list[str]) -> None:
    from PySide6 import QtTest

    driver.connect()
    driver.load()
    driver.analyse()
    driver.window.activateWindow()
    driver.ui.acceptButton.setFocus()
    driver.settle(50)
    for key in keys:
        QtTest.QTest.keyClicks(driver.window, key)
    assert [driver.state(row) for row in (0, 1)] == expected
    driver.widget.exit()
    QtTest.QTest.keyClicks(driver.window, "X")
    assert [driver.state(row) for row in (0, 1)] == expected


def shift_normals(server: Any) -> None:
    """Let the normals lie elsewhere than the case, RAS mm."""
    affine = volumes.GRIDS["plain"].copy()
    affine[:3, 3] += SHIFT
    for number in range(2):
        server.add_image(f"normal_{number}", volumes.scan(affine, number, spots=False))


def query_to_normal(server: Any, name: str = "normal_0") -> np.ndarray:
    """4x4 from a place of the case to that of a normal, RAS mm, as the server has it."""
    (result,) = server.results
    items = server.ask("GET", f"/results/{result}/matches")["items"]
    (matrix,) = [np.array(item["query_to_support"]) for item in items if item["image"] == name]
    assert np.abs(matrix - np.eye(4)).max() > 1, "far from nothing"
    return matrix


def assert_matched(matrix: np.ndarray, here: Any, there: Any, atol: float = 1e-3) -> None:
    np.testing.assert_allclose((matrix @ [*here, 1.0])[:3], there, atol=atol)


def test_compare_shows_the_matched_place_and_goes_back(driver: Driver, server: Any) -> None:
    import slicer
    from D24FADSlicerLib.scene import views

    shift_normals(server)
    driver.connect()
    node = driver.load()
    driver.analyse()
    matrix = query_to_normal(server)
    before = slicer.app.layoutManager().layout
    driver.ui.compareButton.checked = True
    yellow = slicer.app.layoutManager().sliceWidget("Yellow").sliceLogic().GetSliceCompositeNode()
    driver.until(lambda: slicer.app.layoutManager().layout != before)
    shown = slicer.mrmlScene.GetNodeByID(yellow.GetBackgroundVolumeID())
    assert shown.GetName() == "normal_0"
    assert driver.panel.context.volume is node
    assert driver.ui.findingsTable.rowCount == 2
    assert "the place that this one was compared with" in driver.ui.comparisonLabel.text
    assert "normal_0 (weight 50%)" in driver.ui.comparisonLabel.text
    for row in (1, 0):
        driver.ui.findingsTable.selectRow(row)
        driver.settle(150)
        here, there = views.position_in_view("Red"), views.position_in_view("Yellow")
        assert_matched(matrix, here, there)
    here = views.own_ras_of(node, views.position_in_view("Red"))
    views.jump_to(node, here)  # moves the support's view alone
    driver.settle(150)
    assert_matched(matrix, here, views.position_in_view("Yellow"))
    driver.ui.compareButton.checked = False
    assert slicer.app.layoutManager().layout == before
    assert yellow.GetBackgroundVolumeID() == node.GetID()
    assert driver.ui.comparisonLabel.text == ""


def test_compare_shows_the_normal_that_is_most_like_the_selected_finding(
    driver: Driver, server: Any
) -> None:
    server.detector.nearest = {1: "normal_1", 2: "normal_0"}
    driver.connect()
    driver.load()
    driver.analyse()
    driver.ui.compareButton.checked = True

    def shows(name: str) -> bool:
        shown = driver.panel.comparison.shown
        return shown is not None and shown.support.GetName() == name

    for row, name in ((0, "normal_1"), (1, "normal_0"), (0, "normal_1")):
        driver.ui.findingsTable.selectRow(row)
        driver.until(lambda name=name: shows(name))
        assert f"{name} (weight 50%)" in driver.ui.comparisonLabel.text
        assert driver.ui.compareButton.checked
    driver.ui.compareButton.checked = False
    assert driver.panel.comparison.shown is None


def test_compare_says_what_each_view_shows_in_like_grey_levels(
    pacs_driver: Driver, pacs_server: Any
) -> None:
    import slicer

    driver = pacs_driver
    pacs_server.datastore.titles["normal_0"] = "T2 FLAIR, MR, …000007"
    driver.connect()
    driver.open("case")
    node = driver.ui.volumeSelector.currentNode()
    driver.analyse()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevelMinMax(10.0, 120.0)
    driver.ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    shown = driver.panel.comparison.shown
    texts = [caption.text for caption in shown.captions]
    assert texts == ["Case: case", "Normal: T2 FLAIR, MR, …000007 (weight 50%)"]
    display = shown.support.GetDisplayNode()
    ends = (display.GetWindowLevelMin(), display.GetWindowLevelMax())
    np.testing.assert_allclose(ends, (10.0, 120.0), atol=6)
    actors = {}
    for view in ("Red", "Yellow"):
        window = slicer.app.layoutManager().sliceWidget(view).sliceView().renderWindow()
        actors[view] = window.GetRenderers().GetFirstRenderer().GetViewProps()
    assert [props.GetNumberOfItems() for props in actors.values()] == [1, 1]
    driver.ui.compareButton.checked = False
    assert [props.GetNumberOfItems() for props in actors.values()] == [0, 0]


@pytest.mark.parametrize("view", ["Red", "Yellow"])
def test_the_mouse_in_one_view_is_marked_in_the_other(
    driver: Driver, server: Any, view: str
) -> None:
    import slicer
    from D24FADSlicerLib.scene import views

    shift_normals(server)
    driver.connect()
    driver.load()
    driver.analyse()
    matrix = query_to_normal(server)
    driver.ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    cursors = dict(zip(("Red", "Yellow"), driver.panel.comparison.shown.cursors, strict=True))
    mark, other = cursors[view].node, cursors["Yellow" if view == "Red" else "Red"].node
    assert not mark.GetDisplayNode().GetVisibility()
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([31.0, 47.0, 0.0], views.slice_node(view))
    driver.settle(150)
    place, there = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    assert crosshair.GetCursorPositionRAS(place)
    mark.GetNthControlPointPositionWorld(0, there)
    assert_matched(matrix if view == "Red" else np.linalg.inv(matrix), place, there, 1e-6)
    assert mark.GetDisplayNode().GetVisibility()
    assert not other.GetDisplayNode().GetVisibility()
    driver.ui.compareButton.checked = False
    assert mark.GetScene() is None and other.GetScene() is None


def as_before_there_were_matches(proxy: Proxy, connection: Any, request: Request) -> None:
    """What a server that is too old for them answers; this one cannot."""
    if "/matches" not in request.path:
        return pass_on(proxy, connection, request)
    body = b'{"error": {"code": "unknown_route", "message": "No such route.", "remedy": ""}}'
    json = (("Content-Type", "application/json"),)
    return connection.sendall(Answer(404, json, body).to_bytes())


def test_compare_with_an_older_server_says_that_the_place_is_approximate(
    driver: Driver, server: Any
) -> None:
    server.line.usual = as_before_there_were_matches
    driver.connect()
    driver.load()
    driver.analyse()
    driver.ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    assert "the same height of the body" in driver.ui.comparisonLabel.text
    assert "a newer one can" in driver.ui.comparisonLabel.text


def test_compare_again_without_the_server_needs_it_no_more(driver: Driver, server: Any) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    driver.ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    driver.ui.compareButton.checked = False
    asked = len(server.calls)
    driver.ui.compareButton.checked = True
    assert driver.panel.comparison.shown is not None
    assert "the place that this one was compared with" in driver.ui.comparisonLabel.text
    assert not [call for call in server.calls[asked:] if "matches" in call or "file" in call]


def test_a_comparison_that_fails_is_explained_and_over(driver: Driver, server: Any) -> None:
    import slicer

    driver.connect()
    driver.load()
    driver.analyse()
    before = slicer.app.layoutManager().layout
    server.services.results.remove(*server.results)
    driver.ui.compareButton.checked = True
    driver.until(lambda: not driver.ui.compareButton.checked)
    assert driver.ui.messageLabel.visible and driver.ui.messageLabel.text
    assert slicer.app.layoutManager().layout == before
    assert driver.ui.comparisonLabel.text == ""


def test_a_support_that_is_removed_ends_the_comparison(driver: Driver) -> None:
    import slicer

    driver.connect()
    driver.load()
    driver.analyse()
    before = slicer.app.layoutManager().layout
    driver.ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    slicer.mrmlScene.RemoveNode(driver.panel.comparison.shown.support)
    driver.until(lambda: not driver.ui.compareButton.checked)
    assert slicer.app.layoutManager().layout == before


def test_running_again_keeps_decisions(driver: Driver, server: Any) -> None:
    driver.connect()
    driver.load()
    driver.analyse()
    driver.press(driver.ui.acceptButton)
    driver.until(lambda: driver.ui.saveLabel.text == "All decisions are on the server.")
    driver.ui.planesBox.setCurrentIndex(3)
    driver.press(driver.ui.runButton)
    driver.until(lambda: len(server.results) == 2)
    driver.until(lambda: driver.ui.runButton.enabled)
    assert driver.panel.context.case.review.of(1).state is State.ACCEPTED
    assert [driver.state(row) for row in (0, 1)] == ["✓ accepted", "open"]


def test_the_self_test_for_slicer_passes(scene: Any, qt: Any) -> None:
    module = importlib.import_module("D24FADSlicer")
    test = module.D24FADSlicerTest()
    test.setUp = lambda: None
    test.runTest()


def test_the_tests_inside_slicer_pass_on_the_stand_ins(
    scene: Any, qt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that `ctest` of the extension's build runs, so that it cannot fall behind."""
    import unittest

    import slicer
    from harness import application
    from places import MODULE

    qt.QSettings().clear()
    window = application.open_main_window()
    importlib.import_module("D24FADSlicer")
    parent = application.load_module("D24FADSlicer", str(MODULE / "D24FADSlicer.py"))
    window.setCentralWidget(parent)
    window.show()
    widget = slicer.modules.D24FADSlicerWidget
    widget.enter()
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda name: widget, raising=False)
    monkeypatch.syspath_prepend(str(MODULE / "Testing" / "Python"))
    suite = unittest.defaultTestLoader.loadTestsFromName("test_D24FADSlicer")
    outcome = unittest.TestResult()
    suite.run(outcome)
    assert outcome.testsRun >= 5
    assert outcome.wasSuccessful(), outcome.errors + outcome.failures
    widget.cleanup()
    window.close()
    application.settle()
    del slicer.modules.D24FADSlicerWidget


def _brain(seed: int, lesion: bool) -> Any:
    """A head-like volume: skull, brain, ventricles and, if asked, two lesions."""
    from D24FADSlicerLib.logic.volume_file import VolumeData
    from scipy import ndimage

    shape, spacing = (36, 128, 108), np.array([4.0, 1.6, 1.6])
    at = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*at, indexing="ij")
    generator = np.random.default_rng(seed)
    wobble = ndimage.gaussian_filter(generator.normal(size=shape), (2, 6, 6)) * 3
    radius = np.sqrt((x / 68) ** 2 + (y / 86) ** 2 + (z / 68) ** 2) + wobble * 0.01
    array = np.where(radius < 1, 210.0, 0.0)
    array = np.where(radius < 0.93, 40.0, array)
    grey = ndimage.gaussian_filter(generator.normal(size=shape), (0.6, 2, 2)) * 60
    array = np.where(radius < 0.87, 120 + grey, array)
    ventricles = (np.abs(np.abs(x) - 9) < 5) & (np.abs(y - 4) < 26) & (np.abs(z) < 12)
    array = np.where(ventricles, 35.0, array)
    array += generator.normal(size=shape) * 4
    if lesion:
        for centre, size, bright in (((12, -20, 30), 13, 900), ((-16, 34, -28), 8, 620)):
            away = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
            array += bright * np.exp(-((away / size) ** 4)) * (1 + 0.05 * wobble)
    affine = np.diag([1.6, 1.6, 4.0, 1.0])
    affine[:3, 3] = [-at[2][-1], -at[1][-1], -at[0][-1]]
    return VolumeData(np.clip(array, 0, 3000).astype(np.int16), affine)


@pytest.mark.slow
def test_the_panel_and_a_comparison_as_pixels(driver: Driver, server: Any, tmp_path: Path) -> None:
    """The pictures of the README: the panel and its views, before and in a comparison."""
    from D24FADSlicerLib.scene import case as cases
    from harness.rendering import SliceView, saturation

    ui = driver.ui
    for number in range(3):
        server.add_image(f"control_{number + 1}", _brain(number, lesion=False))
        server.add_support("brain-flair", f"control_{number + 1}")
    red, yellow = SliceView("Red", (420, 420)), SliceView("Yellow", (420, 420))
    green = SliceView("Green", (420, 420))
    driver.connect()
    driver.choose(ui.supportSetBox, "brain-flair")
    driver.until(lambda: ui.supportTable.rowCount == 3)
    node = cases.add_volume("case_001", _brain(9, lesion=True))
    ui.volumeSelector.setCurrentNode(node)
    for view in (red, yellow, green):
        view.fit()
    driver.analyse()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevel(260, 130)
    ui.findingsTable.selectRow(1)
    ui.noteEdit.setText("old infarct?")
    ui.noteEdit.editingFinished()
    ui.findingsTable.selectRow(0)
    driver.press(ui.acceptButton)
    ui.findingsTable.selectRow(0)
    driver.until(lambda: ui.saveLabel.text == "All decisions are on the server.")
    driver.window.resize(470, 1130)
    driver.settle(200)
    panel = grab(driver.window, tmp_path / "panel.png")
    assert (saturation(panel) > 60).sum() > 500
    pictures = [view.pixels() for view in (red, yellow, green)]
    assert all((saturation(picture) > 60).sum() > 300 for picture in pictures)
    yellow.resize((420, 420))
    ui.compareButton.checked = True
    driver.until(lambda: driver.panel.comparison.shown is not None)
    beside = np.concatenate([red.pixels(), yellow.pixels()], axis=1)
    assert (saturation(beside[:, :420]) > 60).sum() > 300
    assert (saturation(beside[:, 420:]) > 60).sum() == 0
    assert (beside[:, 420:] > 60).mean() > 0.1


def grab(window: Any, path: Path) -> np.ndarray:
    """The picture of a window, shape (height, width, 3)."""
    from harness.pythonqt import raw
    from PIL import Image

    raw(window, "grab")().save(str(path))
    return np.asarray(Image.open(path).convert("RGB"))
