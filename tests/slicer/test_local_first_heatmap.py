"""From an empty profile to the first heatmap: pip, server and analysis are the real ones.

What is not: the packages that D24FAD needs are there already, in the Python that stands in for
Slicer's. What the download of gigabytes brings with it cannot be shown here.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from D24FADSlicerLib.logic.local_mode import Phase
from D24FADSlicerLib.logic.volume_file import read_nifti
from local_pythons import (
    only_from,
    python_without_ours,
    slicers_launcher,
    wheel_of_this_repository,
)
from places import MODULE, SCREENSHOTS
from test_local_panel import LocalDriver
from test_panel import grab
from test_theme import LIGHT, use_theme

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="the launcher is a shell script"),
]
SAMPLES = MODULE / "Resources" / "SampleData"
PATIENCE_S = 900  # for whoever shares the processor


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer with Slicer and a folder of studies, whose package index is a folder; the folder.

    The extension lies alone, as it comes from the Extensions Manager.
    """
    from D24FADSlicerLib.local import server
    from D24FADSlicerLib.panel import local_section

    monkeypatch.setattr(server, "_END_S", PATIENCE_S)
    base = python_without_ours(tmp_path / "base")
    launcher = slicers_launcher(tmp_path / "slicer", base)
    index = only_from(wheel_of_this_repository(tmp_path / "index").parent)
    monkeypatch.setattr(local_section, "EXTENSION", tmp_path / "extensions" / "D24FADSlicer")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{launcher}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name, value in index.items():
        monkeypatch.setenv(name, value)
    studies = tmp_path / "studies"
    studies.mkdir()
    for number, path in enumerate(sorted(SAMPLES.glob("SimulatedNormalHead*.nii.gz")), start=1):
        shutil.copy(path, studies / f"support-{number:03}.nii.gz")
    return studies


def test_the_first_heatmap_takes_at_most_four_actions_and_no_terminal(
    qt: Any, scene: Any, computer: Path, tmp_path: Path
) -> None:
    """Install, analyse, survive the death of the server during an analysis, stop."""
    from D24FADSlicerLib.scene import case as cases
    from harness.rendering import save_png

    driver = LocalDriver(qt, None)
    try:
        ui = driver.ui
        node = cases.add_volume("SimulatedHead", read_nifti(SAMPLES / "SimulatedHead.nii.gz"))
        driver.until_phase(Phase.ABSENT, PATIENCE_S)
        use_theme(LIGHT)
        driver.window.resize(430, 760)
        driver.settle(300)
        save_png(grab(driver.window, tmp_path / "local.png"), SCREENSHOTS / "slicer-local.png")
        driver.actions = 0

        driver.choose_folder(computer)
        driver.press(ui.localButton)
        driver.until(lambda: ui.tabs.currentWidget() is ui.reviewPage, "the Review tab", PATIENCE_S)
        ui.volumeSelector.setCurrentNode(node)
        driver.actions += 1
        driver.press(ui.runButton)
        driver.until(lambda: ui.runButton.visible, "the analysis", PATIENCE_S)

        assert driver.actions <= 4
        case = driver.panel.context.case
        assert case is not None and case.heatmap is not None, ui.messageLabel.text
        assert len(case.analysis.shares) == 3
        packages = driver.panel.local._environment.packages
        assert packages is not None and packages.is_relative_to(tmp_path / "home")

        first, address = case.analysis.result, driver.panel.context.client.address
        ui.planesBox.setCurrentIndex(1)
        driver.press(ui.runButton)
        # An analysis that the server has taken on: one that it never heard of is not done again.
        before = ("", "Preparing the volume", "Asking the server")
        driver.until(lambda: ui.progressLabel.text not in before, "the second analysis", PATIENCE_S)
        killed = driver.process
        os.kill(killed.pid, signal.SIGKILL)
        driver.until_phase(Phase.STARTING)
        assert "killed by signal 9" in ui.messageLabel.text
        driver.until(lambda: ui.runButton.visible, "the second analysis", PATIENCE_S)
        assert case.analysis.result != first, ui.messageLabel.text
        assert driver.panel.context.client.address == address

        driver.until_phase(Phase.RUNNING, PATIENCE_S)
        process = driver.process
        assert process is not killed
        driver.press(ui.localButton)
        driver.until_phase(Phase.READY, PATIENCE_S)
        assert process.poll() == 0
    finally:
        driver.close()
