"""The normal studies: choose a set, build it, look at quality and weights."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from ..client.api import Client
from ..client.uploads import Stored, ensure_stored
from ..logic.jobs import Progress, Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import CaseCalibration, ImageEntry, SupportSet
from ..scene.heatmap import snapshot
from ..scene.parameters import CaseNode
from .case_section import describe
from .context import Context
from .selectors import studies_in_scene


class SupportSection:
    """Shows and changes the support set that cases are compared with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted = ""
        self._filling = False
        ui = context.ui
        ui.supportTable.setColumnCount(4)
        ui.supportTable.setHorizontalHeaderLabels(
            [_("Study"), _("Quality"), _("Weight"), _("Confirmed")]
        )
        ui.supportTable.horizontalHeader().setStretchLastSection(True)
        ui.supportTable.verticalHeader().hide()
        ui.supportSetBox.connect("currentIndexChanged(int)", self._set_chosen)
        ui.refreshButton.connect("clicked(bool)", lambda: context.try_to(self.refresh))
        ui.qualityButton.connect("clicked(bool)", lambda: context.try_to(self._check_quality))
        ui.addStudyButton.connect("clicked(bool)", lambda: context.try_to(self._add_study))
        ui.removeSupportButton.connect("clicked(bool)", lambda: context.try_to(self._remove))
        ui.newSetButton.connect("clicked(bool)", lambda: context.try_to(self._create))
        ui.confirmNormalButton.connect(
            "clicked(bool)", lambda: context.try_to(self._confirm_normal)
        )
        context.on("connected", lambda: context.try_to(self.refresh))
        context.on("case", self._fill_table)

    def refresh(self) -> None:
        """Read sets and studies of the server again."""
        client = self._context.require_client()

        def work(task: Task) -> tuple[list[SupportSet], list[ImageEntry]]:
            return client.support_sets(task), client.images(None, task)

        self._context.jobs.start("", work, self._show_lists, self._context.failed)

    def _show_lists(self, lists: tuple[list[SupportSet], list[ImageEntry]]) -> None:
        ui, info = self._context.ui, self._context.info
        sets, self._context.images = lists
        current = self._wanted or self._current_name()
        names = [support_set.name for support_set in sets]
        if current not in names:
            current = info.default_support_set if info is not None else ""
        self._filling = True
        ui.supportSetBox.clear()
        for support_set in sets:
            title = f"{support_set.title} ({len(support_set.studies)})"
            ui.supportSetBox.addItem(title, support_set.name)
        ui.supportSetBox.setCurrentIndex(names.index(current) if current in names else 0)
        self._filling = False
        self._wanted = ""
        self.volumes_changed()
        self._context.fire("worklist")
        self._set_chosen(ui.supportSetBox.currentIndex)

    def volumes_changed(self) -> None:
        """Offer the studies of the server and the volumes of the scene."""
        box = self._context.ui.studyBox
        entries = [(describe(e), f"server:{e.image}") for e in self._context.images]
        for node in studies_in_scene():
            text = _("In Slicer: {name}").format(name=node.GetName())
            entries.append((text, f"scene:{node.GetID()}"))
        if [(box.itemText(i), box.itemData(i)) for i in range(box.count)] == entries:
            return
        before = box.itemData(box.currentIndex) if box.currentIndex >= 0 else None
        box.clear()
        for text, data in entries:
            box.addItem(text, data)
        same = [index for index in range(box.count) if box.itemData(index) == before]
        if same:
            box.setCurrentIndex(same[0])

    def _current_name(self) -> str:
        box = self._context.ui.supportSetBox
        return str(box.itemData(box.currentIndex) or "") if box.currentIndex >= 0 else ""

    def _set_chosen(self, index: int) -> None:
        name = self._current_name()
        if self._filling or not name or self._context.client is None:
            return
        client = self._context.client

        def work(task: Task) -> tuple[SupportSet, CaseCalibration]:
            return client.support_set(name, task), client.calibration(name, task)

        self._context.jobs.start("", work, self._show_set, self._context.failed)

    def _show_set(self, answer: tuple[SupportSet, CaseCalibration]) -> None:
        self._context.support_set, self._context.calibration = answer
        self._fill_table()
        self._context.fire("support")

    def _fill_table(self) -> None:
        ui, support_set = self._context.ui, self._context.support_set
        if support_set is None:
            return
        analysis = self._context.case.analysis if self._context.case is not None else None
        shares: dict[str, float] = {}
        for share in analysis.shares if analysis is not None else ():
            shares[share.name] = shares[share.content_hash] = share.share
        titles = {entry.image: entry.title for entry in self._context.images}
        qualities = {
            "ok": _("ok"),
            "warning": _("look at it"),
            "failed": _("cannot be used"),
            "unchecked": _("not checked"),
        }
        table = ui.supportTable
        table.setRowCount(len(support_set.studies))
        for row, study in enumerate(support_set.studies):
            weight = shares.get(study.image, shares.get(study.content_hash))
            cells = (
                titles.get(study.image, study.image),
                qualities.get(study.quality, study.quality),
                "" if weight is None else f"{weight:.0%}",
                _("yes") if study.confirmed_normal else "",
            )
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(" ".join(study.remarks) or text)
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        minimum = self._context.info.minimum_supports if self._context.info is not None else 2
        missing = "" if support_set.usable else _("At least {minimum} normal studies are needed.")
        ui.supportLabel.text = f"{support_set.statement} {missing.format(minimum=minimum)}".strip()

    def _set_name(self) -> str:
        name = self._current_name()
        if not name:
            raise ExplainedError(
                _("No set of normal studies is chosen."), _("Choose or create one in Setup.")
            )
        return name

    def _changed(self, support_set: SupportSet) -> None:
        self._wanted = support_set.name
        self._context.try_to(self.refresh)

    def _check_quality(self) -> None:
        client, name, _reviewer = self._prepare()

        def work(task: Task) -> SupportSet:
            return client.check_quality(name, task)

        def progress(state: Progress) -> None:
            self._context.ui.supportLabel.text = f"{state.step}…"

        self._context.jobs.start("", work, self._changed, self._context.failed, progress)

    def _add_study(self) -> None:
        box = self._context.ui.studyBox
        choice = str(box.itemData(box.currentIndex) or "") if box.currentIndex >= 0 else ""
        source, _colon, name = choice.partition(":")
        node = slicer.mrmlScene.GetNodeByID(name) if source == "scene" else None
        if node is not None:
            self._send_and_add(node, confirmed_normal=False)
        elif source == "server":
            self._add_image(name)
        else:
            raise ExplainedError(_("No study is chosen."), _("Choose one in the list."))

    def _add_image(self, image: str) -> None:
        client, name, reviewer = self._prepare()

        def work(task: Task) -> SupportSet:
            return client.add_support(name, image, reviewer, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)

    def _prepare(self) -> tuple[Client, str, str]:
        return self._context.require_client(), self._set_name(), self._context.reviewer

    def _confirm_normal(self) -> None:
        if self._context.volume is None:
            raise ExplainedError(_("No case is open."), _("Choose one beside Case."))
        self._send_and_add(self._context.volume, confirmed_normal=True)

    def _send_and_add(self, node: Any, confirmed_normal: bool) -> None:
        client, name, reviewer = self._prepare()
        case = CaseNode.of_volume(node)
        volume, title = snapshot(node), node.GetName()
        known = self._context.stored(case)

        def work(task: Task) -> tuple[Stored, SupportSet]:
            stored = ensure_stored(client, volume, title, known, task)
            support_set = client.add_support(
                name, stored.image, reviewer, task, confirmed_normal=confirmed_normal
            )
            return stored, support_set

        def done(outcome: tuple[Stored, SupportSet]) -> None:
            stored, support_set = outcome
            case.image, case.content = stored.image, stored.content
            if confirmed_normal:
                text = _("'{title}' is confirmed as normal and joins '{name}'.")
                self._context.note(text.format(title=title, name=name))
            self._changed(support_set)

        self._context.jobs.start(node.GetID(), work, done, self._context.failed)

    def _remove(self) -> None:
        client, name, _reviewer = self._prepare()
        row, support_set = self._context.ui.supportTable.currentRow(), self._context.support_set
        if row < 0 or support_set is None:
            raise ExplainedError(
                _("No study of the set is selected."), _("Select one in the table.")
            )
        image = support_set.studies[row].image

        def work(task: Task) -> SupportSet:
            return client.remove_support(name, image, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)

    def _create(self) -> None:
        client, reviewer = self._context.require_client(), self._context.reviewer
        title = str(self._context.ui.newSetEdit.text).strip()
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower()).strip("-")
        if not name:
            raise ExplainedError(
                _("The new set has no name."), _("Write one, such as brain-flair.")
            )

        def work(task: Task) -> SupportSet:
            return client.create_support_set(name, title, [], reviewer, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)
