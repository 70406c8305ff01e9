"""Sessions of a reviewer who does fifty things at random while network, server and PACS fail.

The panel, the server's process and the PACS are the real ones; between them lie lines that break
off, lose, cut and delay answers. A colleague writes into the same review. What is drawn depends on
the seed alone. `D24FAD_SESSIONS=30` runs as many seeds; usually it is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hospital import Hospital
    from session_user import User

    from tests.app.orthanc import Orthanc

pytestmark = [pytest.mark.server, pytest.mark.slow]

SESSIONS = int(os.environ.get("D24FAD_SESSIONS", "1"))
STEPS = 50
THRESHOLD = 2.0
"""Low, so that there is something to decide."""


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small normal heads and one with a lesion."""
    from d24fad_core.simulation import SimulationOptions, simulate_cohort

    folder = tmp_path_factory.mktemp("heads")
    simulate_cohort(
        folder, SimulationOptions(support=3, normals=0, lesions=1, spacing=(6.0, 6.0, 6.0))
    )
    return folder


@dataclass(frozen=True)
class Case:
    """What is reviewed.

    Attributes:
        series: in the PACS.
        result: its analysis, with findings to decide.
    """

    series: str
    result: str


@pytest.fixture(scope="module")
def hospital_and_case(
    orthanc: Orthanc, heads: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hospital, Case]]:
    """A server that has analysed the case already, also as the panel would have it analysed."""
    from hospital import Hospital

    from tests.app.api.forked_server import forking
    from tests.app.pacs_series import write_head

    folder = tmp_path_factory.mktemp("hospital")

    def send(head: Path) -> str:
        target = folder / head.name.partition(".")[0]
        series = write_head(head, target)
        orthanc.send(target)
        return series

    supports = [send(head) for head in sorted((heads / "support").iterdir())]
    (series,) = (send(head) for head in (heads / "cases").iterdir())
    opened = Hospital(forking(), orthanc, folder, supports)
    try:
        opened.start()
        opened.detect(series)
        case = Case(series, opened.detect(series, threshold=THRESHOLD))
        opened.remember()
        yield opened, case
    finally:
        opened.close()


def save_everything(user: User) -> None:
    """All is well again; the reviewer decides what is open and saves every case."""
    from D24FADSlicerLib.scene.parameters import CaseNode

    driver, ui = user.driver, user.driver.ui
    driver.press(ui.testButton)
    driver.until(lambda: driver.is_connected and driver.is_idle, "the connection", 600)
    driver.until(lambda: not any(case.review.waiting for case in CaseNode.all()), "sending", 600)
    for case in CaseNode.all():
        ui.volumeSelector.setCurrentNode(case.volume)
        user.settle()
        if case.analysis is None:
            driver.press(ui.runButton)
            user.settle()
        for _ in range(6):
            while still_open := [row for row in rows(driver) if driver.state(row) == "open"]:
                ui.findingsTable.selectRow(still_open[0])
                driver.press(user.draw.choice([ui.acceptButton, ui.rejectButton]))
            user.settle()
            driver.press(ui.saveButton)
            user.settle()
            if "in the PACS" in ui.saveLabel.text:
                break
        assert "in the PACS" in ui.saveLabel.text, (ui.saveLabel.text, ui.messageLabel.text)
    for case in CaseNode.all():
        ui.volumeSelector.setCurrentNode(case.volume)
        user.settle()


def rows(driver: Any) -> range:
    return range(driver.ui.findingsTable.rowCount)


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_panel_server_and_pacs_agree_whatever_happens(
    seed: int, hospital_and_case: tuple[Hospital, Case], qt: Any, scene: Any, tmp_path: Path
) -> None:
    from session_checks import Witness
    from session_user import SessionDriver, User

    hospital, case = hospital_and_case
    hospital.begin()
    driver = SessionDriver(qt, None)
    user = User(driver, hospital, case.series, case.result, Random(seed), tmp_path)
    witness = Witness(hospital, case.result)
    try:
        driver.ui.addressEdit.text = hospital.line.url
        driver.press(driver.ui.testButton)
        driver.until(lambda: driver.is_connected and driver.is_idle, "the connection", 600)
        driver.choose(driver.ui.caseBox, f"open:{case.series}")
        driver.press(driver.ui.openCaseButton)
        user.settle()
        assert rows(driver), driver.ui.messageLabel.text
        for _ in range(STEPS):
            user.step()
            witness.check()
        user.story.append("[repair]")
        user.repair()
        witness.forget()
        save_everything(user)
        witness.check_agreement()
    except Exception as problem:
        problem.add_note("\n".join(user.story))
        raise
    finally:
        user.repair()
        driver.close()
