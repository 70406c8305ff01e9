"""The section of the review: findings, decisions, notes, saving."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from . import segments, views
from .client import Client
from .context import Context
from .jobs import Progress, Task
from .messages import ExplainedError
from .parameters import CaseNode
from .records import FinalLabel
from .review import Action, Review, State

_COLUMNS = ["#", "State", "ml", "z", "Place", "Note"]
_MARKS = {
    State.OPEN: "open",
    State.ACCEPTED: "✓ accepted",
    State.EDITED: "✎ edited",
    State.ADDED: "+ added",
    State.REJECTED: "✗ rejected",
}
_EDITOR = "SegmentEditor"


class ReviewSection:
    """Decisions go into the scene at once and to the server in the background."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sending: int | None = None
        self._filling = False
        ui = context.ui
        table = ui.findingsTable
        table.setColumnCount(len(_COLUMNS))
        table.setHorizontalHeaderLabels(_COLUMNS)
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().hide()
        table.connect("itemSelectionChanged()", self._selected)
        ui.acceptButton.connect("clicked(bool)", self.accept)
        ui.rejectButton.connect("clicked(bool)", self.reject)
        ui.nextButton.connect("clicked(bool)", self.next_finding)
        ui.previousButton.connect("clicked(bool)", self.previous_finding)
        ui.undoButton.connect("clicked(bool)", self.undo)
        ui.editButton.connect("clicked(bool)", lambda: context.try_to(self._edit))
        ui.saveButton.connect("clicked(bool)", lambda: context.try_to(self.save))
        ui.noteEdit.connect("editingFinished()", self._note_written)
        ui.studyNoteEdit.connect("editingFinished()", self._study_note_written)
        context.on("case", self._case_changed)
        context.on("connected", self.send)
        self.update()

    @property
    def _case(self) -> CaseNode | None:
        case = self._context.case
        return case if case is not None and case.analysis is not None else None

    def _case_changed(self) -> None:
        self._context.ui.saveLabel.text = ""
        self.update()
        if self._case is not None and self._context.ui.findingsTable.rowCount:
            self._context.ui.findingsTable.selectRow(0)
        self.send()

    def update(self) -> None:
        """Show the findings and their states."""
        ui, case = self._context.ui, self._case
        analysis = case.analysis if case is not None else None
        states: dict[int, State] = {}
        if case is not None and case.segmentation is not None:
            states = segments.apply_states(case.segmentation, case.volume, case.review)
        review = case.review if case is not None else Review()
        findings = analysis.findings if analysis is not None else ()
        added = [rank for rank in states if rank not in {f.rank for f in findings}]
        table, row_before = ui.findingsTable, ui.findingsTable.currentRow()
        self._filling = True
        table.setRowCount(len(findings) + len(added))
        for row, finding in enumerate(findings):
            decided = review.of(finding.rank)
            state = states.get(finding.rank, decided.state)
            cells = [str(finding.rank), _MARKS[state], f"{finding.volume_ml:.2f}"]
            cells += [f"{finding.peak_score:.1f}", finding.place, decided.note]
            self._fill_row(row, cells)
        for row, rank in enumerate(added, start=len(findings)):
            cells = [str(rank), _MARKS[states[rank]], "", "", "", review.of(rank).note]
            self._fill_row(row, cells)
        table.resizeColumnsToContents()
        if 0 <= row_before < table.rowCount:
            table.selectRow(row_before)
        self._filling = False
        self._show_summary(review)
        self._show_note()

    def _fill_row(self, row: int, cells: list[str]) -> None:
        for column, text in enumerate(cells):
            self._context.ui.findingsTable.setItem(row, column, qt.QTableWidgetItem(text))

    def _show_summary(self, review: Review) -> None:
        ui, case = self._context.ui, self._case
        analysis = case.analysis if case is not None else None
        there = analysis is not None
        for widget in (ui.saveButton, ui.studyNoteEdit):
            widget.enabled = there
        chosen = there and self._finding() is not None
        decide = (ui.acceptButton, ui.rejectButton, ui.nextButton, ui.previousButton)
        for widget in (*decide, ui.editButton, ui.noteEdit):
            widget.enabled = chosen
        ui.undoButton.enabled = there and review.can_undo
        if analysis is None:
            ui.caseLabel.text = "No result yet."
            return
        parts = [f"Case score z {analysis.case_score:.1f}"]
        if analysis.p_value is not None:
            parts.append(f"p {analysis.p_value:.3g}")
        warnings = "".join(f"Warning: {warning} " for warning in analysis.warnings)
        ui.caseLabel.text = f"{', '.join(parts)}. {warnings}{analysis.statement}".strip()
        if not self._filling and str(ui.studyNoteEdit.text) != review.study_note:
            ui.studyNoteEdit.text = review.study_note
        if review.waiting:
            count = len(review.waiting)
            ui.saveLabel.text = (
                f"{count} decision{'s' if count > 1 else ''} kept in the scene, not sent yet."
            )
        elif "not sent yet" in str(ui.saveLabel.text):
            ui.saveLabel.text = "All decisions are on the server."

    def _finding(self) -> int | None:
        table = self._context.ui.findingsTable
        item = table.item(table.currentRow(), 0) if table.currentRow() >= 0 else None
        return int(item.text()) if item is not None else None

    def _selected(self) -> None:
        if self._filling or self._case is None:
            return
        finding = self._finding()
        analysis = self._case.analysis
        self._show_summary(self._case.review)
        self._show_note()
        for found in analysis.findings if analysis is not None else ():
            if found.rank == finding:
                views.jump_to(self._case.volume, found.peak_ras_mm)

    def _show_note(self) -> None:
        finding, case = self._finding(), self._case
        note = case.review.of(finding).note if case is not None and finding is not None else ""
        if str(self._context.ui.noteEdit.text) != note:
            self._context.ui.noteEdit.text = note

    def accept(self) -> None:
        """Accept the selected finding and go to the next that is open."""
        self._decide(Action.ACCEPT)

    def reject(self) -> None:
        """Reject the selected finding and go to the next that is open."""
        self._decide(Action.REJECT)

    def _decide(self, action: Action) -> None:
        finding, case = self._finding(), self._case
        if finding is None or case is None or case.analysis is None:
            return
        self._append(case.review.append(action, finding, self._context.reviewer))
        ranks = [found.rank for found in case.analysis.findings]
        still_open = case.review.open_findings(ranks)
        later = [rank for rank in still_open if rank > finding] or list(still_open)
        if later:
            self._context.ui.findingsTable.selectRow(ranks.index(later[0]))

    def undo(self) -> None:
        """Take back the latest decision; it stays in the log."""
        if self._case is not None:
            self._append(self._case.review.undo(self._context.reviewer))

    def _append(self, review: Review) -> None:
        case = self._case
        if case is None or review == case.review:
            return
        case.review = review
        self.update()
        self._context.fire("review")
        self.send()

    def _note_written(self) -> None:
        finding, case = self._finding(), self._case
        note = str(self._context.ui.noteEdit.text).strip()
        if case is not None and finding is not None and note != case.review.of(finding).note:
            reviewer = self._context.reviewer
            self._append(case.review.append(Action.NOTE, finding, reviewer, note))

    def _study_note_written(self) -> None:
        case = self._case
        note = str(self._context.ui.studyNoteEdit.text).strip()
        if case is not None and note != case.review.study_note:
            self._append(case.review.append(Action.NOTE, None, self._context.reviewer, note))

    def next_finding(self) -> None:
        """Select the next finding, after the last the first."""
        self._step(1)

    def previous_finding(self) -> None:
        """Select the previous finding, before the first the last."""
        self._step(-1)

    def _step(self, by: int) -> None:
        table = self._context.ui.findingsTable
        if table.rowCount:
            table.selectRow((table.currentRow() + by) % table.rowCount)

    def _edit(self) -> None:
        case, finding = self._case, self._finding()
        if case is None or finding is None:
            return
        segment = segments.segment_of(case.segmentation, finding)
        if segment is None:
            raise ExplainedError(f"Finding {finding} has no outline.", "Run the analysis again.")
        node = slicer.mrmlScene.GetSingletonNode(_EDITOR, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_EDITOR)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAndObserveSegmentationNode(case.segmentation)
        node.SetAndObserveSourceVolumeNode(case.volume)
        node.SetSelectedSegmentID(segment)
        slicer.util.selectModule(_EDITOR)

    def send(self) -> None:
        """Send the decisions that wait, of every case; they are in the scene meanwhile."""
        client = self._context.client
        offline = client is None or self._context.info is None
        if offline or self._context.jobs.is_live(self._sending):
            return
        case = next((found for found in CaseNode.all() if found.review.waiting), None)
        if client is None or case is None or case.analysis is None:
            return
        analysis, review = case.analysis, case.review

        def work(task: Task) -> Review:
            return client.send_events(analysis.result, review, task)

        self._sending = self._start(
            case, work, lambda sent: self._sent(case, analysis.result, sent)
        )

    def _start(self, case: CaseNode, work: Any, done: Any) -> int:
        jobs = self._context.jobs
        return jobs.start(case.volume.GetID(), work, done, self._context.failed, self._progress)

    def _progress(self, progress: Progress) -> None:
        self._context.ui.saveLabel.text = progress.step

    def _sent(self, case: CaseNode, result: str, sent: Review) -> None:
        if case.analysis is None or case.analysis.result != result:
            return
        # What was decided while the worker sent stays waiting.
        case.review = case.review.with_server(sent.confirmed)
        self._context.ui.saveLabel.text = "All decisions are on the server."
        self.update()
        self.send()

    def save(self) -> None:
        """Send outlines and decisions and store the final segmentation on the server."""
        client, case = self._context.require_client(), self._case
        if case is None or case.analysis is None:
            raise ExplainedError("There is no result to save.", "Run the analysis first.")
        if self._context.jobs.is_live(self._sending):
            self._context.jobs.cancel(self._sending)
        drawn = segments.drawn_masks(case.segmentation, case.volume, case.review)
        edited = {mask.finding for mask in drawn}
        ranks = [found.rank for found in case.analysis.findings if found.rank not in edited]
        still_open = case.review.open_findings(ranks)
        if still_open:
            names = ", ".join(str(rank) for rank in still_open)
            raise ExplainedError(
                f"Finding {names} is undecided."
                if len(still_open) == 1
                else f"Findings {names} are undecided.",
                "Accept or reject them first.",
            )
        review, result = case.review, case.analysis.result
        reviewer, note = self._context.reviewer, case.review.study_note

        def work(task: Task) -> tuple[Review, FinalLabel]:
            return save_review(client, result, review, drawn, reviewer, note, task)

        def done(saved: tuple[Review, FinalLabel]) -> None:
            for mask in drawn:
                segments.mark_sent(case.segmentation, mask)
            self._sent(case, result, saved[0])
            self._context.ui.saveLabel.text = saved[1].statement
            self._context.fire("review")

        self._sending = self._start(case, work, done)


def save_review(
    client: Client,
    result: str,
    review: Review,
    drawn: list[segments.DrawnMask],
    reviewer: str,
    note: str,
    task: Task,
) -> tuple[Review, FinalLabel]:
    """Send everything of a review and store the final label; for a worker."""
    for mask in drawn:
        task.report("Sending outlines")
        digest = client.send_mask(result, mask.volume, task)
        review = review.append(mask.action, mask.finding, reviewer, "", digest)
    review = client.send_events(result, review, task)
    task.report("Storing the final segmentation")
    return review, client.store_final(result, reviewer, note, task)
