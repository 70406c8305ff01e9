"""The panel: puts the sections together, drains the jobs, follows the scene."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import translate

from ..logic.jobs import Jobs
from ..logic.language import translate_by
from ..logic.messages import research_use_only
from ..scene.parameters import MODULE, CaseNode
from .case_section import CaseSection
from .comparison_section import ComparisonSection
from .connection_section import ConnectionSection
from .context import Context
from .local_section import LocalSection
from .return_bar import ReturnBar
from .review_section import ReviewSection
from .selectors import hide_heatmaps
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
        translate_by(translate)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.context = Context(self.ui, Jobs())
        self.ui.noticeLabel.text = research_use_only()
        self.context.repaint()
        self.context.clear_message()
        window = slicer.util.mainWindow()
        self.return_bar = ReturnBar(window, self._back_to_review)
        self.connection = ConnectionSection(self.context)
        self.support = SupportSection(self.context)
        self.case = CaseSection(self.context)
        self.view = ViewSection(self.context)
        self.local = LocalSection(self.context, self.connection)
        self.review = ReviewSection(self.context, self._edit_outline)
        self.comparison = ComparisonSection(self.context)
        self.context.on("case", self._heatmaps_changed)
        widget.setMRMLScene(slicer.mrmlScene)
        self._shortcuts = Shortcuts(
            window,
            {
                "A": self.review.accept,
                "X": self.review.reject,
                "N": self.review.next_finding,
                "P": self.review.previous_finding,
                "H": self.view.toggle_heatmap,
            },
        )
        self._entered = False
        is_known = self.local.is_known if self.local.is_chosen else self.connection.is_known
        self.ui.tabs.currentIndex = 0 if is_known else 1
        self.ui.tabs.connect("currentChanged(int)", self._tab_changed)
        self._observations: list[tuple[Any, int]] = []
        self._observe_scene()
        self._heatmaps_changed()
        self.view.observe()
        self._timer = qt.QTimer()
        self._timer.setInterval(_DRAIN_MS)
        self._timer.connect("timeout()", self._tick)

    def enter(self) -> None:
        """The user opened the module: keys work, and what was drawn elsewhere shows."""
        self.return_bar.hide()
        self._entered = True
        self._tab_changed()
        self._timer.start()
        self.context.repaint()
        self.connection.enter(connect=not self.local.is_chosen)
        self.local.enter()
        self.review.update()

    def exit(self) -> None:
        """The user went to another module: its keys are its own, and nothing is polled."""
        self._entered = False
        self._tab_changed()
        self._timer.stop()
        self.connection.exit()

    def close(self) -> None:
        """The panel goes away."""
        self._timer.stop()
        self._shortcuts.delete()
        self.return_bar.delete()
        self.connection.close()
        self.comparison.close()
        self.view.close()
        self.context.jobs.cancel_all()
        self.local.close()
        for scene, tag in self._observations:
            scene.RemoveObserver(tag)
        self._observations = []

    def _tab_changed(self) -> None:
        """Nobody decides a finding that is not seen."""
        self._shortcuts.enable(self._entered and self.ui.tabs.currentIndex == 0)

    def _edit_outline(self, finding: int) -> None:
        self.return_bar.show(finding)
        slicer.util.selectModule("SegmentEditor")

    def _back_to_review(self) -> None:
        slicer.util.selectModule(MODULE)
        self.return_bar.hide()

    def _tick(self) -> None:
        self.context.jobs.drain()
        self.local.tick()
        self.view.tick()
        self.comparison.tick()

    def _observe_scene(self) -> None:
        scene = slicer.mrmlScene
        events = {
            slicer.vtkMRMLScene.StartCloseEvent: self._scene_closes,
            slicer.vtkMRMLScene.EndCloseEvent: self._scene_closed,
            slicer.vtkMRMLScene.NodeAddedEvent: self._volumes_changed,
            slicer.vtkMRMLScene.NodeRemovedEvent: self._node_removed,
            slicer.vtkMRMLScene.EndImportEvent: self._scene_loaded,
        }
        for event, reaction in events.items():
            self._observations.append((scene, scene.AddObserver(event, reaction)))

    def _heatmaps_changed(self) -> None:
        for selector in (self.ui.volumeSelector, self.ui.priorSelector):
            hide_heatmaps(selector)
        self.support.volumes_changed()

    def _volumes_changed(self, *_: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self.support.volumes_changed()

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
        self.support.volumes_changed()

    def _scene_loaded(self, *_: Any) -> None:
        self._heatmaps_changed()
        for case in CaseNode.all():
            if case.analysis is not None:
                self.ui.volumeSelector.setCurrentNode(case.volume)
                return
