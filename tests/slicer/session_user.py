"""A reviewer who does anything that the panel offers, in any order, drawn by a seed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hospital import Hospital
from lines import (
    Fault,
    answer_cut,
    answer_lost,
    answer_replaced,
    answer_slow,
    broken_off,
    overtaken,
    refused_by_proxy,
)
from test_panel import Driver

PATIENCE_S = 600.0
HURRY = 0.25
"""How often the next action comes before the answer to the last one."""


class SessionDriver(Driver):
    """The panel, which can be closed and opened again over the same scene."""

    def reopen(self) -> None:
        """What Reload does to the panel: the old one goes, a new one comes."""
        chosen, reviewer = self.ui.volumeSelector.currentNode(), self.ui.reviewerEdit.text
        self.widget.cleanup()
        self.widget = sys.modules["D24FADSlicer"].D24FADSlicerWidget(None)
        self.widget.setup()
        self.panel = self.widget.panel
        self.ui = self.panel.ui
        self.panel.connection._timer.setInterval(50)
        self.window.setCentralWidget(self.widget.parent)
        self.widget.enter()
        self.ui.reviewerEdit.text = reviewer
        self.ui.volumeSelector.setCurrentNode(chosen)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, but for the attempts to connect."""
        jobs, connection = self.panel.context.jobs, self.panel.connection
        live = set(jobs._live)
        return not live - {connection._job} and not (live and self.is_connected)

    @property
    def is_connected(self) -> bool:
        """Whether the panel takes the server for being there."""
        return self.panel.context.info is not None


class User:
    """A reviewer at the panel, and what befalls them.

    Args:
        driver: the panel.
        hospital: what it works with.
        series: what the PACS has to review.
        result: the analysis that was there before.
        draw: decides everything.
        folder: for scenes that they save.

    Attributes:
        story: what was done, for whoever reads a failure.
    """

    def __init__(
        self,
        driver: SessionDriver,
        hospital: Hospital,
        series: str,
        result: str,
        draw: Random,
        folder: Path,
    ) -> None:
        self.driver = driver
        self.hospital = hospital
        self.draw = draw
        self.story: list[str] = []
        self._series = series
        self._result = result
        self._folder = folder
        self._strokes = 0
        self._until_repair = 0
        self._actions: dict[str, tuple[int, Callable[[], None]]] = {
            "accept": (9, self._accept),
            "reject": (6, self._reject),
            "jump": (4, self._jump),
            "next": (2, lambda: self._press("nextButton")),
            "key": (3, self._key),
            "scroll": (2, self._scroll),
            "note": (3, self._note),
            "study note": (2, self._study_note),
            "undo": (5, lambda: self._press("undoButton")),
            "draw": (5, self._draw),
            "edit outline": (2, self._edit_outline),
            "add a region": (2, self._add_region),
            "save": (8, lambda: self._press("saveButton")),
            "analyse": (2, lambda: self._press("runButton")),
            "cancel": (1, lambda: self._press("cancelButton")),
            "open": (2, self._open),
            "choose a volume": (2, self._choose_volume),
            "support set": (1, self._support_set),
            "reopen the panel": (2, driver.reopen),
            "other module": (1, self._other_module),
            "other address": (1, self._other_address),
            "connect": (2, lambda: self._press("testButton")),
            "save and load the scene": (1, self._save_and_load),
        }

    def step(self) -> None:
        """Something befalls the user, or not, and they do something."""
        self._befalls()
        names = list(self._actions)
        name = self.draw.choices(names, [weight for weight, _ in self._actions.values()])[0]
        hurries = self.draw.random() < HURRY
        self.story.append(f"{name}{' at once' if hurries else ''}")
        self._actions[name][1]()
        if not hurries:
            self.settle()

    def settle(self) -> None:
        """Wait for what was started; where nobody answers, a moment."""
        away = not self.hospital.runs or not self.hospital.line.is_up
        if away:
            self.driver.settle(200)
        else:
            self.driver.until(lambda: self.driver.is_idle, "the panel", PATIENCE_S)

    def repair(self) -> None:
        """Everything is well again."""
        self.hospital.line.up()
        self.hospital.pacs_line.up()
        if not self.hospital.runs:
            self.hospital.start()
        self.hospital.line.faults.clear()
        self._until_repair = 0

    def _befalls(self) -> None:
        if self._until_repair:
            self._until_repair -= 1
            if not self._until_repair:
                self.story.append("[repair]")
                self.repair()
            return
        if self.draw.random() > 0.4:
            return
        kind = self.draw.choice(["answer", "answer", "answer", "colleague", "overtaken", "outage"])
        if kind == "answer":
            self._next_answer()
        elif kind == "outage":
            outages: Mapping[str, Callable[[], None]] = {
                "network down": self.hospital.line.down,
                "PACS down": self.hospital.pacs_line.down,
                "server killed": self.hospital.kill,
            }
            what = self.draw.choice(list(outages))
            self.story.append(f"[{what}]")
            outages[what]()
            self._until_repair = self.draw.randint(2, 6)
        else:
            what, act = self._colleague()
            self.story.append(f"[{kind}: {what}]")
            if kind == "colleague":
                act()
            else:
                self.hospital.line.faults.append(overtaken(act))

    def _next_answer(self) -> None:
        faults: Mapping[str, Fault] = {
            "request broken off": broken_off,
            "answer lost": answer_lost,
            "answer cut": answer_cut,
            "answer slow": answer_slow,
            "500": answer_replaced(500),
            "502": refused_by_proxy(502),
            "503": refused_by_proxy(503),
            "504 but done": answer_replaced(504),
        }
        for name in self.draw.choices(list(faults), k=self.draw.choice([1, 1, 2])):
            self.story.append(f"[{name}]")
            self.hospital.line.faults.append(faults[name])

    def _colleague(self) -> tuple[str, Callable[[], None]]:
        colleague, result = self.hospital.colleague(), self._result
        action = self.draw.choice(["accept", "reject", "note", "undo", "draw", "add", "final"])
        finding = self.draw.randint(1, 4)
        place = self._place()
        if action in ("draw", "add"):
            target = finding if action == "draw" else None
            return action, lambda: colleague.draws(result, target, place)
        text = f"remark {self.draw.randrange(1000)}"
        return f"{action} {finding}", lambda: colleague.writes(result, action, finding, text)

    def _place(self) -> tuple[int, int, int]:
        """A place that nobody drew at before."""
        self._strokes += 1
        return self._strokes % 9 + 1, self._strokes // 9 * 4 % 20 + 1, self._strokes // 45 * 4 + 1

    def _press(self, name: str) -> None:
        button = getattr(self.driver.ui, name)
        self.driver.show(button)
        if button.enabled and button.visible:
            button.click()

    def _accept(self) -> None:
        self._jump()
        self._press("acceptButton")

    def _reject(self) -> None:
        self._jump()
        self._press("rejectButton")

    def _jump(self) -> None:
        table = self.driver.ui.findingsTable
        if table.rowCount:
            table.selectRow(self.draw.randrange(table.rowCount))

    def _key(self) -> None:
        from PySide6 import QtTest

        self.driver.show(self.driver.ui.runButton)
        self.driver.window.activateWindow()
        self.driver.settle(20)
        QtTest.QTest.keyClicks(self.driver.window, self.draw.choice("AXNPH"))

    def _scroll(self) -> None:
        from D24FADSlicerLib.scene import views

        node = views.slice_node()
        node.SetSliceOffset(node.GetSliceOffset() + self.draw.choice([-6, 6, 12]))

    def _note(self) -> None:
        ui = self.driver.ui
        if ui.noteEdit.enabled:
            ui.noteEdit.setText(f"note {self.draw.randrange(1000)}")
            ui.noteEdit.editingFinished()

    def _study_note(self) -> None:
        ui = self.driver.ui
        if ui.studyNoteEdit.enabled:
            ui.studyNoteEdit.setText(f"study {self.draw.randrange(1000)}")
            ui.studyNoteEdit.editingFinished()

    def _draw(self) -> None:
        """Draw on a segment that is there."""
        case = self.driver.panel.context.case
        if case is None or case.segmentation is None:
            return
        segmentation = case.segmentation.GetSegmentation()
        if not segmentation.GetNumberOfSegments():
            return
        number = self.draw.randrange(segmentation.GetNumberOfSegments())
        self._stroke(case, segmentation.GetNthSegmentID(number))
        self.driver.panel.review.update()

    def _stroke(self, case: Any, segment: str) -> None:
        import slicer

        array = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.volume)
        if array is None:
            array = np.zeros(case.volume.GetImageData().GetDimensions()[::-1], np.uint8)
        k, j, i = self._place()
        array[k, j : j + 2, i : i + 3] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            array, case.segmentation, segment, case.volume
        )

    def _edit_outline(self) -> None:
        """There, a stroke, and back by the bar."""
        import slicer

        widget = self.driver.widget
        slicer.util.selectModule = lambda name: (
            widget.enter() if name == "D24FADSlicer" else widget.exit()
        )
        self._jump()
        case = self.driver.panel.context.case
        self._press("editButton")
        bar = self.driver.panel.return_bar.button
        if not bar.visible:
            return
        node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        self._stroke(case, node.GetSelectedSegmentID())
        self.driver.settle()
        bar.click()

    def _add_region(self) -> None:
        case = self.driver.panel.context.case
        if case is not None and case.segmentation is not None:
            own = case.segmentation.GetSegmentation().AddEmptySegment("", "mine")
            self._stroke(case, own)
            self.driver.panel.review.update()

    def _open(self) -> None:
        """Open the case from the worklist; one that is open already comes once more."""
        from D24FADSlicerLib.scene.parameters import CaseNode

        box, wanted = self.driver.ui.caseBox, f"open:{self._series}"
        if len(CaseNode.all()) < 3 and wanted in [box.itemData(n) for n in range(box.count)]:
            self.driver.choose(box, wanted)
            self._press("openCaseButton")

    def _choose_volume(self) -> None:
        from D24FADSlicerLib.scene.parameters import CaseNode

        cases = CaseNode.all()
        if cases:
            self.driver.ui.volumeSelector.setCurrentNode(self.draw.choice(cases).volume)

    def _support_set(self) -> None:
        box = self.driver.ui.supportSetBox
        if box.count:
            box.setCurrentIndex(self.draw.randrange(box.count))

    def _other_module(self) -> None:
        self.driver.widget.exit()
        self.driver.settle(100)
        self.driver.widget.enter()

    def _other_address(self) -> None:
        """A typing error, noticed."""
        ui, right = self.driver.ui, self.driver.ui.addressEdit.text
        ui.addressEdit.text = "http://127.0.0.1:1"
        self._press("testButton")
        self.driver.settle(100)
        ui.addressEdit.text = right
        self._press("testButton")

    def _save_and_load(self) -> None:
        import slicer

        path = self._folder / f"scene-{len(self.story)}.mrb"
        assert slicer.util.saveScene(str(path))
        slicer.mrmlScene.Clear(False)
        self.driver.settle()
        manager = slicer.app.coreIOManager()
        assert manager.loadNodes("SceneFile", {"fileName": str(path)}, None, None)
        self.driver.settle()
        path.unlink()
