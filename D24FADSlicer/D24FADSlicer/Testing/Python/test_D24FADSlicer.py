"""Runs inside Slicer: the panel opens, and a made-up result can be reviewed."""

import unittest

import slicer
from D24FADSlicerLib.scene.selftest import run_self_test


class PanelInSlicer(unittest.TestCase):
    """What only the real application can show."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def test_the_panel_opens_with_its_notice(self):
        """PythonQt, ctk and the .ui file agree with the panel."""
        panel = slicer.util.getModuleWidget("D24FADSlicer").panel
        self.assertIn("Not for clinical use", panel.ui.noticeLabel.text)
        self.assertFalse(panel.ui.saveButton.enabled)

    def test_a_made_up_result_is_reviewed(self):
        """Layers, segments, jumping and the state kept in the scene."""
        run_self_test()
