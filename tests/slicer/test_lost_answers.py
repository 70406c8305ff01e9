"""What becomes of decisions and outlines when answers are lost or the server refuses some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import volumes
from lines import Proxy, Request, answer_lost, pass_on, refused_by_proxy
from test_panel import Driver, serving


@pytest.fixture
def server(routes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(routes, tmp_path_factory.mktemp("studies")) as running:
        yield running


@pytest.fixture
def line(server: Any) -> Proxy:
    """Leads from the panel to the server."""
    line: Proxy = server.line
    return line


@pytest.fixture
def driver(qt: Any, scene: Any, server: Any) -> Iterator[Driver]:
    """A panel with a case that was analysed."""
    opened = Driver(qt, server)
    opened.connect()
    opened.load()
    opened.analyse()
    yield opened
    opened.close()


def add_region(case: Any) -> None:
    import slicer

    own = case.segmentation.GetSegmentation().AddEmptySegment("", "mine")
    array = np.zeros(volumes.SHAPE, np.uint8)
    array[20:22, 5:8, 5:8] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, case.segmentation, own, case.volume)


def loses_answers_to(action: str) -> Any:
    """Lose the answer to the next event of a kind."""

    def act(proxy: Proxy, connection: Any, request: Request) -> None:
        wanted = request.method == "POST" and f'"action": "{action}"'.encode() in request.body
        if not wanted:
            proxy.faults.append(act)
        (answer_lost if wanted else pass_on)(proxy, connection, request)

    return act


def refuses(part: str) -> Any:
    """Fail whatever is sent to an address with this part, from now on."""

    def act(proxy: Proxy, connection: Any, request: Request) -> None:
        proxy.faults.append(act)
        failing = request.method == "POST" and part in request.path
        (refused_by_proxy(500) if failing else pass_on)(proxy, connection, request)

    return act


def actions(server: Any) -> list[str]:
    return [event["action"] for events in server.events.values() for event in events]


@pytest.mark.parametrize("action", ["add", "edit"])
def test_an_outline_whose_answer_was_lost_is_on_the_server_once(
    driver: Driver, server: Any, line: Proxy, action: str
) -> None:
    from test_scene import edit

    ui = driver.ui
    case = driver.panel.context.case
    for _ in range(2):
        driver.press(ui.rejectButton)
    driver.until(lambda: not case.review.waiting)
    if action == "add":
        add_region(case)
    else:
        ui.findingsTable.selectRow(0)
        driver.press(ui.acceptButton)
        driver.until(lambda: not case.review.waiting)
        edit(case, 1)
    line.faults.append(loses_answers_to(action))
    driver.press(ui.saveButton)
    driver.until(lambda: action in actions(server), "the event")
    jobs = driver.panel.context.jobs
    driver.until(lambda: driver.panel.context.info is not None and jobs.idle, "the connection")
    row, state, segments = {"add": (2, "+ added", 3), "edit": (0, "✎ edited", 2)}[action]
    assert driver.state(row) == state
    driver.press(ui.saveButton)
    driver.until(lambda: ui.saveLabel.text.startswith("Saved:"))
    assert actions(server).count(action) == 1
    assert case.segmentation.GetSegmentation().GetNumberOfSegments() == segments


def test_decisions_on_an_earlier_analysis_reach_the_server(
    driver: Driver, server: Any, line: Proxy
) -> None:
    ui = driver.ui
    case = driver.panel.context.case
    former = case.analysis.result
    line.faults.append(refuses(former))
    ui.noteEdit.setText("vessel")
    ui.noteEdit.editingFinished()
    driver.until(lambda: "500" in ui.messageLabel.text)
    ui.planesBox.setCurrentIndex(1)
    driver.analyse()
    driver.until(lambda: case.analysis.result != former, "another result")
    line.faults.clear()
    driver.press(ui.testButton)
    driver.until(lambda: not case.unsent, "sending")
    assert [event["note"] for event in server.events[former]] == ["vessel"]


def test_a_review_that_is_refused_does_not_hold_back_another(
    driver: Driver, server: Any, line: Proxy
) -> None:
    ui = driver.ui
    first = driver.panel.context.case
    line.faults.append(refuses(first.analysis.result))
    driver.press(ui.acceptButton)
    driver.until(lambda: "500" in ui.messageLabel.text)
    driver.load("oblique")
    driver.press(ui.runButton)
    driver.until(lambda: driver.panel.context.case not in (None, first), "the second case")
    driver.until(lambda: ui.findingsTable.rowCount == 2, "two findings")
    second = driver.panel.context.case
    driver.press(ui.acceptButton)
    driver.until(lambda: not second.review.waiting, "sending")
    assert first.review.waiting
    (event,) = server.events[second.analysis.result]
    assert event["action"] == "accept"
