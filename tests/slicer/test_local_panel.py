"""Local mode in the real panel: states, messages, what is left running.

A small program stands in for the process that is started; what answers are the real routes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from D24FADSlicerLib.local import server
from D24FADSlicerLib.logic.local_mode import Phase
from local_pythons import bare_python, python_with_stand_in
from test_panel import Driver, serving
from test_theme import READABLE, text_contrast

from monailabel_app.configuration import ServerConfiguration

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the launchers are shell scripts")


class LocalDriver(Driver):
    """A user with an empty profile."""

    PROFILE: ClassVar[dict[str, Any]] = {}

    @property
    def phase(self) -> Phase:
        return self.panel.local._mode.phase

    @property
    def process(self) -> Any:
        """The process of the server."""
        return self.panel.local._server._process

    def until_phase(self, phase: Phase, seconds: float = 120) -> None:
        self.until(lambda: self.phase is phase, phase.value, seconds)

    def choose_folder(self, folder: Path) -> None:
        self.show(self.ui.studiesEdit)
        self.ui.studiesEdit.currentPath = str(folder)
        self.actions += 1

    def press_radio(self, radio: Any) -> None:
        self.show(radio)
        radio.click()
        self.actions += 1
        self.settle()

    def start(self, folder: Path) -> None:
        self.until_phase(Phase.READY)
        self.choose_folder(folder)
        self.press(self.ui.localButton)
        self.until_phase(Phase.RUNNING)
        self.until(lambda: self.panel.context.info is not None, "the connection", 120)


@pytest.fixture(autouse=True)
def patient_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may end by itself, however busy this machine is."""
    monkeypatch.setattr(server, "_END_S", 120.0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's programs keep their data."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def guarded_routes() -> Iterator[Any]:
    """The server's routes, for who knows the token."""
    from harness.study_server import Routes

    opened = Routes(ServerConfiguration(token="a token of the tests"))
    yield opened
    opened.close()


@pytest.fixture
def answering(guarded_routes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(guarded_routes, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def control(tmp_path: Path, answering: Any) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "address").write_text(answering.address)
    return folder


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    return folder


@pytest.fixture
def driver(qt: Any, scene: Any, control: Path, tmp_path: Path) -> Iterator[LocalDriver]:
    """A Python is chosen that starts the stand-in; all else is as in an empty profile."""
    python = python_with_stand_in(tmp_path, control)
    opened = LocalDriver(qt, None, {"D24FAD/Python": str(python)})
    yield opened
    opened.close()


def test_an_empty_profile_opens_on_this_computer_and_says_what_is_missing(
    qt: Any, scene: Any, tmp_path: Path, home: Path, studies: Path
) -> None:
    python = bare_python(tmp_path / "bare")
    driver = LocalDriver(qt, None, {"D24FAD/Python": str(python)})
    try:
        ui = driver.ui
        assert ui.tabs.currentWidget() is ui.setupPage and ui.localRadio.checked
        assert ui.studiesEdit.visible and not ui.addressEdit.visible
        driver.until_phase(Phase.ABSENT)
        assert ui.localButton.text == "Install and start"
        assert str(home) in ui.localLabel.text and "pip download" in ui.localLabel.text
        driver.press(ui.localButton)
        assert "No folder of studies" in ui.messageLabel.text
        assert driver.phase is Phase.ABSENT and not home.exists()
        ui.studiesEdit.currentPath = str(studies)
        driver.press(ui.localButton)
        driver.until_phase(Phase.FAILED)
        assert "has no pip" in ui.messageLabel.text
        assert "Choose another Python" in ui.messageLabel.text
        assert ui.localButton.text == "Try again" and ui.pythonEdit.enabled
        driver.press(ui.localButton)
        driver.until_phase(Phase.ABSENT)
    finally:
        driver.close()


def test_start_review_and_stop(driver: LocalDriver, studies: Path) -> None:
    ui = driver.ui
    driver.start(studies)
    driver.until(lambda: ui.tabs.currentWidget() is ui.reviewPage, "the Review tab")
    assert ui.connectionLabel.text.startswith("Connected: D24FAD")
    assert not ui.studiesEdit.enabled
    driver.load()
    driver.analyse()
    process = driver.process
    driver.press(ui.localButton)
    driver.until_phase(Phase.READY)
    assert process.wait() == 0
    assert ui.connectionLabel.text == "Not connected."
    driver.press(ui.runButton)
    assert "not connected" in ui.messageLabel.text


def test_a_server_that_is_killed_comes_back_and_then_asks(
    driver: LocalDriver, studies: Path, answering: Any, control: Path
) -> None:
    ui = driver.ui
    driver.start(studies)
    for _ in range(2):
        killed = driver.process
        (control / "wait").touch()
        os.kill(killed.pid, signal.SIGKILL)
        driver.until_phase(Phase.STARTING)
        assert "killed by signal 9" in ui.messageLabel.text
        assert "being started again" in ui.messageLabel.text
        (control / "wait").unlink()
        driver.until(lambda: ui.messageLabel.text.endswith("runs again."), "the server", 120)
        assert driver.process is not killed and driver.panel.context.info is not None
        assert driver.panel.context.client.address == answering.address
    os.kill(driver.process.pid, signal.SIGKILL)
    driver.until_phase(Phase.DIED)
    assert "Press Start again" in ui.messageLabel.text
    assert ui.connectionLabel.text == "Not connected."
    driver.press(ui.localButton)
    driver.until_phase(Phase.RUNNING)
    assert driver.process.poll() is None


def test_an_analysis_goes_on_where_the_server_died_and_ends_where_it_stays_away(
    driver: LocalDriver, studies: Path, answering: Any, control: Path
) -> None:
    ui = driver.ui
    driver.start(studies)
    answering.hold_analyses()
    driver.load()
    driver.press(ui.runButton)
    driver.until(lambda: ui.progressLabel.text == "Scoring slices", "the job")
    answering.stop()
    (control / "wait").touch()
    os.kill(driver.process.pid, signal.SIGKILL)
    driver.until_phase(Phase.STARTING)
    answering.finish_analyses()
    answering.start()
    (control / "wait").unlink()
    driver.until(lambda: ui.findingsTable.rowCount == 2, "two findings", 120)

    answering.hold_analyses()
    ui.planesBox.setCurrentIndex(1)  # or the server would know the result already
    driver.press(ui.runButton)
    driver.until(lambda: len(answering.detections) > 1 or ui.cancelButton.visible, "the job")
    (control / "refuse").write_text("error: the disk is full")
    os.kill(driver.process.pid, signal.SIGKILL)
    driver.until_phase(Phase.FAILED)
    assert "the disk is full" in ui.messageLabel.text
    assert ui.runButton.visible and ui.runButton.enabled, "nobody waits for it any longer"
    (control / "refuse").unlink()
    driver.press(ui.localButton)
    driver.until_phase(Phase.RUNNING)


def test_a_start_can_be_cancelled_and_survives_a_new_scene(
    driver: LocalDriver, studies: Path, control: Path
) -> None:
    import slicer

    (control / "wait").touch()
    driver.until_phase(Phase.READY)
    driver.choose_folder(studies)
    driver.press(driver.ui.localButton)
    assert driver.ui.localButton.text == "Cancel" and driver.ui.localProgressBar.visible
    driver.until(lambda: list(control.glob("started-*")), "the process")
    driver.press(driver.ui.localButton)
    assert driver.phase is Phase.READY
    driver.press(driver.ui.localButton)
    driver.until(lambda: len(list(control.glob("started-*"))) == 2, "the second process")
    slicer.mrmlScene.Clear(False)
    (control / "wait").unlink()
    driver.until_phase(Phase.RUNNING)


@pytest.mark.parametrize("while_starting", [True, False])
def test_the_server_ends_with_the_panel(
    qt: Any, scene: Any, tmp_path: Path, control: Path, studies: Path, while_starting: bool
) -> None:
    """Slicer calls `cleanup` when it ends and when the module is reloaded."""
    python = python_with_stand_in(tmp_path, control)
    driver = LocalDriver(qt, None, {"D24FAD/Python": str(python)})
    if while_starting:
        (control / "wait").touch()
        driver.until_phase(Phase.READY)
        driver.choose_folder(studies)
        driver.press(driver.ui.localButton)
        driver.until(lambda: list(control.glob("started-*")), "the process")
    else:
        driver.start(studies)
    (name,) = [path.name for path in control.glob("started-*")]
    driver.close()
    driver.until(lambda: not Path(f"/proc/{name.removeprefix('started-')}").exists(), "the end")


def test_the_next_time_it_starts_by_itself(
    qt: Any, scene: Any, tmp_path: Path, control: Path, studies: Path
) -> None:
    python = python_with_stand_in(tmp_path, control)
    first = LocalDriver(qt, None, {"D24FAD/Python": str(python)})
    first.start(studies)
    profile = {
        name: qt.QSettings().value(f"D24FAD/{name}") for name in ("Mode", "Studies", "Python")
    }
    assert profile == {"Mode": "local", "Studies": str(studies), "Python": str(python)}
    first.close()
    second = LocalDriver(qt, None, {f"D24FAD/{name}": value for name, value in profile.items()})
    try:
        assert second.ui.tabs.currentWidget() is second.ui.reviewPage
        second.until(lambda: second.panel.context.info is not None, "the connection", 120)
        assert not second.actions
    finally:
        second.close()


def test_the_choice_of_a_server_stops_the_one_here(
    driver: LocalDriver, studies: Path, answering: Any
) -> None:
    ui = driver.ui
    driver.start(studies)
    process = driver.process
    driver.press_radio(ui.serverRadio)
    assert process.wait() == 0
    assert ui.addressEdit.visible and not ui.studiesEdit.visible
    assert ui.connectionLabel.text == "Not connected."
    ui.addressEdit.text, ui.tokenEdit.text = answering.address, "a token of the tests"
    driver.press(ui.testButton)
    driver.until(lambda: ui.connectionLabel.text.startswith("Connected"), "the server")
    driver.press_radio(ui.localRadio)
    assert ui.connectionLabel.text == "Not connected."
    driver.until_phase(Phase.READY)


def test_who_has_a_server_is_not_led_elsewhere(qt: Any, scene: Any, answering: Any) -> None:
    driver = LocalDriver(qt, answering, {"D24FAD/Address": answering.address})
    try:
        assert driver.ui.serverRadio.checked
        assert driver.panel.local._mode.phase is Phase.LOOKING, "nothing is looked for"
        assert not driver.panel.local._jobs.owners()
    finally:
        driver.close()


def test_where_nothing_listens_local_mode_is_named(driver: LocalDriver) -> None:
    driver.press_radio(driver.ui.serverRadio)
    driver.ui.addressEdit.text = "http://127.0.0.1:1"
    driver.press(driver.ui.testButton)
    driver.until(lambda: "Nothing listens" in driver.ui.messageLabel.text)
    assert "monailabel start_server" in driver.ui.messageLabel.text
    assert "choose This computer in the Setup tab" in driver.ui.messageLabel.text
    assert text_contrast(driver.ui.messageLabel) >= READABLE
