"""D24FAD in 3D Slicer: review what stands out from a handful of normal studies.

Research use only. Not for clinical use.
"""

import sys
from pathlib import Path

import slicer

if hasattr(slicer.modules, "D24FADSlicerWidget"):
    # "Reload" runs this file again; Python would hand it the library as it was loaded before.
    for _name in [name for name in sys.modules if name.split(".")[0] == "D24FADSlicerLib"]:
        del sys.modules[_name]

from D24FADSlicerLib.panel.main_panel import Panel
from D24FADSlicerLib.scene.sample_data import register_sample_data
from D24FADSlicerLib.scene.selftest import run_self_test
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class D24FADSlicer(ScriptedLoadableModule):
    """What the module list of Slicer shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("D24FAD Anomaly Review")
        parent.categories = ["Segmentation"]
        parent.dependencies = ["Segmentations", "SegmentEditor", "VolumeRendering", "Colors"]
        parent.contributors = ["The D24FAD project"]
        parent.helpText = _(
            "Compares a CT or MRI study with a handful of normal ones, shows what the normal ones "
            "do not, and takes you through the findings. The study is analysed on this computer, "
            "or sent to a D24FAD server of yours when you press Analyse. Research use only. Not "
            "for clinical use."
        )
        parent.acknowledgementText = _(
            "After the method of 'Dual Distillation for Few-Shot Anomaly Detection' (ICLR 2026, "
            "arXiv 2603.01713)."
        )
        slicer.app.connect("startupCompleted()", self.register_sample_data)

    def register_sample_data(self):
        """Slicer has started: offer simulated heads to try the module with."""
        register_sample_data(Path(__file__).parent / "Resources")


class D24FADSlicerWidget(ScriptedLoadableModuleWidget):
    """The module's widget; all of its work is in `D24FADSlicerLib.panel.main_panel`."""

    def setup(self):
        """Load the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/D24FADSlicer.ui"))
        self.layout.addWidget(widget)
        self.panel = Panel(widget)
        if self.parent.visible:
            self.panel.enter()  # Slicer does not call enter() after a reload

    def enter(self):
        """The user opened the module."""
        self.panel.enter()

    def exit(self):
        """The user went to another module."""
        self.panel.exit()

    def cleanup(self):
        """The module's widget goes away."""
        self.panel.close()


class D24FADSlicerTest(ScriptedLoadableModuleTest):
    """The self-test that runs inside Slicer, without a server."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):  # noqa: N802
        """Run all of it."""
        self.setUp()
        self.delayDisplay("A result is shown, reviewed, saved and loaded again")
        run_self_test()
        self.delayDisplay("Passed")
