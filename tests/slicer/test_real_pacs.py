"""The panel on the real server in front of a real PACS: what Save stores is read back from it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from session_checks import segmented
from test_panel import Driver

from monailabel_app.server_process import ServerProcess
from tests.app.orthanc import Orthanc
from tests.app.pacs_series import CASE

pytestmark = [pytest.mark.server, pytest.mark.slow]


def stored(orthanc: Orthanc, modality: str) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(BytesIO(content)) for content in orthanc.instances(modality)]


def accepted_voxels(case: Any) -> np.ndarray:
    """World positions of the voxels of the first finding's outline, RAS, mm, sorted."""
    import slicer
    from D24FADSlicerLib.scene.heatmap import affine_of
    from D24FADSlicerLib.scene.segments import segment_of

    segment = segment_of(case.segmentation, 1)
    inside = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)
    voxels = np.argwhere(inside)[:, ::-1]
    return np.sort(voxels @ affine_of(case.volume)[:3, :3].T + affine_of(case.volume)[:3, 3], 0)


def test_what_is_saved_in_the_panel_is_in_the_pacs(
    pacs_server: ServerProcess, orthanc: Orthanc, mr_series: dict[str, str], qt: Any, scene: Any
) -> None:
    driver = Driver(qt, pacs_server)
    try:
        ui = driver.ui
        ui.addressEdit.text = pacs_server.url
        ui.reviewerEdit.text = "Dr Müller"
        driver.connect()
        driver.press(ui.refreshButton)
        entries = len(mr_series) + 3  # and the three ways to take the next case
        driver.until(lambda: ui.caseBox.count == entries, "the worklist", seconds=60)
        driver.choose(ui.caseBox, f"open:{mr_series[CASE]}")
        driver.press(ui.openCaseButton)
        driver.until(lambda: ui.volumeSelector.currentNode() is not None, "the case", seconds=60)
        driver.until(lambda: ui.runButton.enabled)
        driver.press(ui.runButton)
        driver.until(lambda: ui.runButton.enabled, "the analysis", seconds=180)
        case = driver.panel.context.case
        assert case is not None and case.analysis is not None, ui.messageLabel.text
        assert case.analysis.image == mr_series[CASE]

        driver.press(ui.saveButton)
        assert "undecided" in ui.messageLabel.text
        assert not stored(orthanc, "SEG")
        ui.findingsTable.selectRow(0)
        driver.press(ui.acceptButton)
        for row in range(1, ui.findingsTable.rowCount):
            ui.findingsTable.selectRow(row)
            driver.press(ui.rejectButton)
        driver.press(ui.saveButton)
        driver.until(lambda: ui.saveLabel.text.startswith("Saved"), "the PACS", seconds=120)
        assert "as DICOM, in the PACS" in ui.saveLabel.text

        (written,) = stored(orthanc, "SEG")
        (report,) = stored(orthanc, "SR")
        assert written.ReferencedSeriesSequence[0].SeriesInstanceUID == mr_series[CASE]
        assert len(written.SegmentSequence) == 1
        np.testing.assert_allclose(np.sort(segmented(written), 0), accepted_voxels(case), atol=0.02)
        content = hd.sr.ComprehensiveSR.from_dataset(report).content
        (group,) = content.get_volumetric_roi_measurement_groups()
        assert group.tracking_uid == written.SegmentSequence[0].TrackingUID
        values = {m.name.meaning: m.value for m in group.get_measurements()}
        finding = case.analysis.findings[0]
        assert values["Volume"] == pytest.approx(finding.volume_ml, rel=1e-3)
        assert values["Peak anomaly score"] == pytest.approx(finding.peak_score, abs=0.01)
        observers = [
            str(item.PersonName) for item in report.ContentSequence if "PersonName" in item
        ]
        assert "Dr Müller^" in observers
    finally:
        driver.close()
