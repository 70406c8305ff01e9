"""Runs inside Slicer: the panel opens, a made-up result can be reviewed, what it needs is there."""

import unittest

import qt
import slicer
from D24FADSlicerLib.logic.contrast import READABLE, contrast
from D24FADSlicerLib.scene.selftest import run_self_test


class PanelInSlicer(unittest.TestCase):
    """What only the real application can show."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()
        self.panel = slicer.util.getModuleWidget("D24FADSlicer").panel

    def test_the_panel_opens_with_its_notice(self):
        """PythonQt, ctk and the .ui file agree with the panel."""
        self.assertIn("Not for clinical use", self.panel.ui.noticeLabel.text)
        self.assertFalse(self.panel.ui.saveButton.enabled)
        self.assertEqual(self.panel.ui.tabs.count, 2)

    def test_the_notice_can_be_read_in_this_theme(self):
        """The colour is found from the palette of the application."""
        ui = self.panel.ui
        ground = ui.noticeLabel.parent().palette.color(qt.QPalette.Window)
        text = qt.QColor(ui.noticeLabel.styleSheet.split("color:")[1].split(";")[0].strip())
        pair = [(c.red(), c.green(), c.blue()) for c in (text, ground)]
        self.assertGreaterEqual(contrast(*pair), READABLE)

    def test_a_made_up_result_is_reviewed(self):
        """Layers, segments, numbers, jumping, comparing and the state kept in the scene."""
        run_self_test()

    def test_heatmaps_are_not_offered_as_cases(self):
        """The selector's own filter leaves them out."""
        run_self_test()
        self.panel.context.fire("case")
        selector = self.panel.ui.volumeSelector
        names = [selector.nodeFromIndex(i).GetName() for i in range(selector.nodeCount())]
        self.assertEqual(sorted(names), ["self-test", "self-test normal"])

    def test_the_strip_is_painted(self):
        """PythonQt's painter draws on a picture in memory."""
        run_self_test()
        case = slicer.mrmlScene.GetFirstNodeByName("self-test")
        self.panel.ui.volumeSelector.setCurrentNode(case)
        self.panel.view.tick()
        self.panel.view._draw_strip()
        pixmap = self.panel.ui.stripLabel.pixmap
        pixmap = pixmap() if callable(pixmap) else pixmap
        self.assertGreater(pixmap.width(), 0)
