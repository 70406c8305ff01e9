"""The panel: puts the sections together, drains the jobs, follows the scene."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from ..logic.jobs import Jobs
from ..logic.messages import RESEARCH_USE_ONLY
from ..scene.parameters import CaseNode
from .case_section import CaseSection
from .comparison_section import ComparisonSection
from .connection_section import ConnectionSection
from .context import Context
from .review_section import ReviewSection
from .shortcuts import Shortcuts
from .support_section import SupportSection
from .view_section import ViewSection

_DRAIN_MS = 50


class Panel:
    """The panel that a radiologist works in.

    Args:
        widget: the widget loaded from the .ui file.
    """

    def __init__(self, widget: Any) -> None:
        self.ui = slicer.util.childWidgetVariables(widget)
        self.context = Context(self.ui, Jobs())
        self.ui.noticeLabel.text = RESEARCH_USE_ONLY
        self.context.repaint()
        self.context.clear_message()
        self.connection = ConnectionSection(self.context)
        self.support = SupportSection(self.context)
        self.case = CaseSection(self.context)
        self.view = ViewSection(self.context)
        self.review = ReviewSection(self.context)
        self.comparison = ComparisonSection(self.context)
        widget.setMRMLScene(slicer.mrmlScene)
        self._shortcuts = Shortcuts(
            slicer.util.mainWindow(),
            {
                "A": self.review.accept,
                "X": self.review.reject,
                "N": self.review.next_finding,
                "P": self.review.previous_finding,
                "H": self.view.toggle_heatmap,
            },
        )
        self._observations: list[tuple[Any, int]] = []
        self._observe_scene()
        self.view.observe()
        self._timer = qt.QTimer()
        self._timer.setInterval(_DRAIN_MS)
        self._timer.connect("timeout()", self._tick)

    def enter(self) -> None:
        """The user opened the module: keys work, and what was drawn elsewhere shows."""
        self._shortcuts.enable(True)
        self._timer.start()
        self.context.repaint()
        self.review.update()

    def exit(self) -> None:
        """The user went to another module: its keys are its own, and nothing is polled."""
        self._shortcuts.enable(False)
        self._timer.stop()

    def close(self) -> None:
        """The panel goes away."""
        self._timer.stop()
        self._shortcuts.delete()
        self.connection.close()
        self.view.close()
        self.context.jobs.cancel_all()
        for scene, tag in self._observations:
            scene.RemoveObserver(tag)
        self._observations = []

    def _tick(self) -> None:
        self.context.jobs.drain()
        self.view.tick()
        self.comparison.tick()

    def _observe_scene(self) -> None:
        scene = slicer.mrmlScene
        events = {
            slicer.vtkMRMLScene.StartCloseEvent: self._scene_closes,
            slicer.vtkMRMLScene.EndCloseEvent: self._scene_closed,
            slicer.vtkMRMLScene.NodeRemovedEvent: self._node_removed,
            slicer.vtkMRMLScene.EndImportEvent: self._scene_loaded,
        }
        for event, reaction in events.items():
            self._observations.append((scene, scene.AddObserver(event, reaction)))

    def _scene_closes(self, *_: Any) -> None:
        self.context.jobs.cancel_all()

    def _scene_closed(self, *_: Any) -> None:
        self.case.scene_closed()

    def _node_removed(self, *_: Any) -> None:
        scene, jobs = slicer.mrmlScene, self.context.jobs
        if scene.IsClosing():
            return
        for owner in jobs.owners():
            if owner and scene.GetNodeByID(owner) is None:
                jobs.cancel_owned(owner)
                self.case.show_if_idle()
        case = self.context.case
        if case is not None and case.volume is None:
            self.case.scene_closed()

    def _scene_loaded(self, *_: Any) -> None:
        for case in CaseNode.all():
            if case.analysis is not None:
                self.ui.volumeSelector.setCurrentNode(case.volume)
                return
