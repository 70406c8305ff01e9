"""The section of the normal studies: choose, build, look at quality and weights."""

from __future__ import annotations

from typing import Any

import qt

from ..client.uploads import Stored, ensure_stored
from ..logic.jobs import Progress, Task
from ..logic.messages import ExplainedError
from ..logic.records import CaseCalibration, ImageEntry, SupportSet
from ..scene.heatmap import snapshot
from ..scene.parameters import CaseNode
from .context import Context

_QUALITY = {
    "ok": "ok",
    "warning": "look at it",
    "failed": "cannot be used",
    "unchecked": "not checked",
}


class SupportSection:
    """Shows and changes the support set that cases are compared with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted = ""
        self._filling = False
        self._titles: dict[str, str] = {}
        ui = context.ui
        ui.supportTable.setColumnCount(4)
        ui.supportTable.setHorizontalHeaderLabels(["Study", "Quality", "Weight", "Confirmed"])
        ui.supportTable.horizontalHeader().setStretchLastSection(True)
        ui.supportTable.verticalHeader().hide()
        ui.supportSetBox.connect("currentIndexChanged(int)", self._chosen)
        ui.refreshButton.connect("clicked(bool)", lambda: context.try_to(self.refresh))
        ui.qualityButton.connect("clicked(bool)", lambda: context.try_to(self._check_quality))
        ui.addImageButton.connect("clicked(bool)", lambda: context.try_to(self._add_image))
        ui.addVolumeButton.connect("clicked(bool)", lambda: context.try_to(self._add_volume))
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
        sets, images = lists
        current = self._wanted or self._current_name()
        names = [found.name for found in sets]
        if current not in names:
            current = info.default_support_set if info is not None else ""
        self._titles = {entry.image: entry.title for entry in images}
        self._filling = True
        ui.supportSetBox.clear()
        for found in sets:
            ui.supportSetBox.addItem(f"{found.title} ({len(found.studies)})", found.name)
        ui.supportSetBox.setCurrentIndex(names.index(current) if current in names else 0)
        for box in (ui.imageBox, ui.caseBox):
            box.clear()
            for entry in images:
                score = "" if entry.case_score is None else f"  z {entry.case_score:.1f}"
                box.addItem(f"{entry.title}  {entry.state.replace('_', ' ')}{score}", entry.image)
        self._filling = False
        self._wanted = ""
        self._chosen(ui.supportSetBox.currentIndex)

    def _current_name(self) -> str:
        box = self._context.ui.supportSetBox
        return str(box.itemData(box.currentIndex) or "") if box.currentIndex >= 0 else ""

    def _chosen(self, index: int) -> None:
        name = self._current_name()
        if self._filling or not name or self._context.client is None:
            return
        client = self._context.client

        def work(task: Task) -> tuple[SupportSet, CaseCalibration]:
            return client.support_set(name, task), client.calibration(name, task)

        self._context.jobs.start("", work, self._show_set, self._context.failed)

    def _show_set(self, found: tuple[SupportSet, CaseCalibration]) -> None:
        self._context.support_set, self._context.calibration = found
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
        table = ui.supportTable
        table.setRowCount(len(support_set.studies))
        for row, study in enumerate(support_set.studies):
            weight = shares.get(study.image, shares.get(study.content_hash))
            cells = (
                self._titles.get(study.image, study.image),
                _QUALITY.get(study.quality, study.quality),
                "" if weight is None else f"{weight:.0%}",
                "yes" if study.confirmed_normal else "",
            )
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(" ".join(study.remarks) or text)
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        minimum = self._context.info.minimum_supports if self._context.info is not None else 2
        missing = "" if support_set.usable else f" At least {minimum} normal studies are needed."
        ui.supportLabel.text = f"{support_set.statement}{missing}".strip()

    def _set_name(self) -> str:
        name = self._current_name()
        if not name:
            raise ExplainedError("No set of normal studies is chosen.", "Choose or create one.")
        return name

    def _changed(self, changed: SupportSet) -> None:
        self._wanted = changed.name
        self._context.try_to(self.refresh)

    def _check_quality(self) -> None:
        client, name, _ = self._prepare()

        def work(task: Task) -> SupportSet:
            return client.check_quality(name, task)

        def progress(found: Progress) -> None:
            self._context.ui.supportLabel.text = f"{found.step}…"

        self._context.jobs.start("", work, self._changed, self._context.failed, progress)

    def _add_image(self) -> None:
        client, name, reviewer = self._prepare()
        box = self._context.ui.imageBox
        image = str(box.itemData(box.currentIndex) or "") if box.currentIndex >= 0 else ""
        if not image:
            raise ExplainedError("No study of the server is chosen.", "Choose one in the list.")

        def work(task: Task) -> SupportSet:
            return client.add_support(name, image, reviewer, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)

    def _prepare(self) -> tuple[Any, str, str]:
        return self._context.require_client(), self._set_name(), self._context.reviewer

    def _add_volume(self) -> None:
        node = self._context.ui.supportVolumeSelector.currentNode()
        if node is None:
            raise ExplainedError("No volume is chosen.", "Choose a volume of the scene.")
        self._send_and_add(node, confirmed_normal=False)

    def _confirm_normal(self) -> None:
        if self._context.volume is None:
            raise ExplainedError("No case is open.", "Choose the volume of the case.")
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

        def done(found: tuple[Stored, SupportSet]) -> None:
            case.image, case.content = found[0].image, found[0].content
            if confirmed_normal:
                self._context.note(f"'{title}' is confirmed as normal and joins '{name}'.")
            self._changed(found[1])

        self._context.jobs.start(node.GetID(), work, done, self._context.failed)

    def _remove(self) -> None:
        client, name, _ = self._prepare()
        row, support_set = self._context.ui.supportTable.currentRow(), self._context.support_set
        if row < 0 or support_set is None:
            raise ExplainedError("No study of the set is selected.", "Select one in the table.")
        image = support_set.studies[row].image

        def work(task: Task) -> SupportSet:
            return client.remove_support(name, image, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)

    def _create(self) -> None:
        client, reviewer = self._context.require_client(), self._context.reviewer
        title = str(self._context.ui.newSetEdit.text).strip()
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower()).strip("-")
        if not name:
            raise ExplainedError("The new set has no name.", "Write one, such as brain-flair.")

        def work(task: Task) -> SupportSet:
            return client.create_support_set(name, title, [], reviewer, task)

        self._context.jobs.start("", work, self._changed, self._context.failed)
