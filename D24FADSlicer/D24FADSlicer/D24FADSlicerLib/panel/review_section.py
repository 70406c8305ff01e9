"""The section of the review: findings, decisions, notes, saving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import qt
import slicer

from ..client.reviews import Sent
from ..client.saving import SavedReview, save_review
from ..logic.findings import Analysis
from ..logic.grids import on_grid
from ..logic.jobs import Progress, Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.review import Review
from ..logic.review_events import Action, State
from ..logic.review_problems import problem_of_refused
from ..scene import case as cases
from ..scene import segments, views
from ..scene.case import Delivery
from ..scene.parameters import CaseNode
from .case_line import case_line, where
from .case_section import fetch_delivery
from .context import Context
from .note_field import NoteField

_EDITOR = "SegmentEditor"
_CHANGE_COLUMN = 6


@dataclass(frozen=True)
class _Subject:
    """What a note is about.

    Attributes:
        node: that of the case.
        finding: its rank; None for the case as a whole.
    """

    node: Any
    finding: int | None = None


class ReviewSection:
    """Decisions go into the scene at once and to the server in the background.

    Args:
        context: what the sections share.
        open_editor: opens the Segment Editor for a finding.
    """

    def __init__(self, context: Context, open_editor: Callable[[int], None]) -> None:
        self._context = context
        self._open_editor = open_editor
        self._sending: int | None = None
        self._filling = False
        self._waiting = False
        self._marks = {
            State.OPEN: _("open"),
            State.ACCEPTED: _("✓ accepted"),
            State.EDITED: _("✎ edited"),
            State.ADDED: _("+ added"),
            State.REJECTED: _("✗ rejected"),
        }
        self._unloaded = False
        self._refused_results: set[str] = set()
        self._progress_text = ""
        ui = context.ui
        table = ui.findingsTable
        columns = ["#", _("Decision"), _("ml"), _("Score"), _("Where (mm)"), _("Note"), _("Change")]
        table.setColumnCount(len(columns))
        table.setHorizontalHeaderLabels(columns)
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
        self._note = NoteField(ui.noteEdit, self._write_note)
        self._study_note = NoteField(ui.studyNoteEdit, self._write_note)
        context.on("case", self._case_changed)
        context.on("connected", self._connected)
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
        self._connected()

    def _connected(self) -> None:
        self._unloaded = True
        self._refused_results.clear()
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
            cells = [str(finding.rank), self._marks[state], f"{finding.volume_ml:.2f}"]
            change = analysis.change_of(finding) if analysis is not None else None
            cells += [f"{finding.peak_score:.1f}", where(finding), decided.note]
            cells.append("" if change is None else change.words)
            self._fill_row(row, cells)
        for row, rank in enumerate(added, start=len(findings)):
            cells = [str(rank), self._marks[states[rank]], "", "", "", review.of(rank).note, ""]
            self._fill_row(row, cells)
        table.resizeColumnsToContents()
        without_prior = analysis is None or analysis.since_prior is None
        table.setColumnHidden(_CHANGE_COLUMN, without_prior)
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
        ui.caseLabel.text = case_line(analysis)
        about = None if case is None else _Subject(case.node)
        self._study_note.show(about, review.study_note)
        if analysis is None:
            return
        self._show_waiting(review)

    def _show_waiting(self, review: Review) -> None:
        ui, count = self._context.ui, len(review.waiting)
        if count:
            text = _("1 decision is not sent yet; it is kept in the scene.")
            several = _("{count} decisions are not sent yet; they are kept in the scene.")
            self._waiting = True
            ui.saveLabel.text = text if count == 1 else several.format(count=count)
        elif self._waiting:
            self._waiting = False
            ui.saveLabel.text = self._all_sent()

    def _all_sent(self) -> str:
        return _("All decisions are on the server.")

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
        if case is None or finding is None:
            self._note.show(None, "")
        else:
            self._note.show(_Subject(case.node, finding), case.review.of(finding).note)

    def _write_note(self, subject: _Subject | None, note: str) -> None:
        case = None if subject is None else CaseNode(subject.node)
        if subject is None or case is None or case.volume is None or case.analysis is None:
            return
        before = case.review.study_note
        if subject.finding is not None:
            before = case.review.of(subject.finding).note
        if note != before:
            reviewer = self._context.reviewer
            self._append(case, case.review.append(Action.NOTE, subject.finding, reviewer, note))

    def accept(self) -> None:
        """Accept the selected finding and go to the next that is open."""
        self._decide(Action.ACCEPT)

    def reject(self) -> None:
        """Reject the selected finding and go to the next that is open."""
        self._decide(Action.REJECT)

    def _decide(self, action: Action) -> None:
        self._note.take_typed()
        finding, case = self._finding(), self._case
        if finding is None or case is None or case.analysis is None:
            return
        self._append(case, case.review.append(action, finding, self._context.reviewer))
        ranks = [found.rank for found in case.analysis.findings]
        still_open = case.review.open_findings(ranks)
        later = [rank for rank in still_open if rank > finding] or list(still_open)
        if later:
            self._context.ui.findingsTable.selectRow(ranks.index(later[0]))

    def undo(self) -> None:
        """Take back the latest decision; it stays in the log."""
        if self._case is not None:
            self._append(self._case, self._case.review.undo(self._context.reviewer))

    def _append(self, case: CaseNode, review: Review) -> None:
        if review == case.review:
            return
        case.review = review
        self._refused_results.clear()
        self.update()
        self._context.fire("review")
        self.send()

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
            raise ExplainedError(
                _("Finding {number} has no outline.").format(number=finding),
                _("Press Analyse again."),
            )
        node = slicer.mrmlScene.GetSingletonNode(_EDITOR, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_EDITOR)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAndObserveSegmentationNode(case.segmentation)
        node.SetAndObserveSourceVolumeNode(case.volume)
        node.SetSelectedSegmentID(segment)
        self._open_editor(finding)

    def send(self) -> None:
        """Send the decisions that wait, of every case; they are in the scene meanwhile."""
        client = self._context.client
        offline = client is None or self._context.info is None
        if offline or self._context.jobs.is_live(self._sending):
            return
        unsent = self._next_unsent()
        if client is None or unsent is None:
            self._load()
            return
        case, result, review = unsent
        own = _outline_keys(case)

        def work(task: Task) -> Sent:
            return client.send_events(result, review, task, own)

        self._sending = self._start(case, work, lambda sent: self._sent(case, result, sent))

    def _next_unsent(self) -> tuple[CaseNode, str, Review] | None:
        """A review with decisions that wait; none of those that the server would not take."""
        for case in CaseNode.all():
            for result, review in case.unsent.items():
                if result not in self._refused_results:
                    return case, result, review
        return None

    def _load(self) -> None:
        """Load the review of the case that was opened, which others may have changed."""
        client, case = self._context.client, self._case
        if client is None or case is None or case.analysis is None or not self._unloaded:
            return
        self._unloaded = False
        result = case.analysis.result

        def work(task: Task) -> Sent:
            return Sent(Review(client.review(result, task)))

        self._sending = self._start(case, work, lambda sent: self._sent(case, result, sent))

    def _start(self, case: CaseNode, work: Any, done: Any) -> int:
        jobs = self._context.jobs
        return jobs.start(case.volume.GetID(), work, done, self._context.failed, self._progress)

    def _progress(self, progress: Progress) -> None:
        self._progress_text = progress.step
        self._context.ui.saveLabel.text = progress.step

    def _sent(self, case: CaseNode, result: str, sent: Sent, fetch: bool = True) -> None:
        if case.analysis is None:
            return
        current = case.analysis.result == result
        seen = case.review if current else case.former_reviews.get(result, Review())
        server, own = sent.review.server, sent.keys | _outline_keys(case)
        # What was decided while the worker sent stays waiting, unless others touched it too.
        review, refused = seen.without(sent.refused).rebased(server, own)
        if current:
            case.review = review
            if case.segmentation is not None:
                segments.recognise_sent(case.segmentation, server)
        else:
            case.former_reviews = {**case.former_reviews, result: review}
        refused = (*sent.refused, *refused)
        others = seen.others(server, own)
        label = self._context.ui.saveLabel
        if sent.keys:
            label.text = self._all_sent()
        elif str(label.text) == self._progress_text:
            label.text = ""
        self.update()
        if refused:
            self._context.tell(problem_of_refused(refused, others))
        if sent.problem is not None:
            self._context.failed(sent.problem)
            self._refused_results.add(result)
            if sent.problem.code == "review_changed":
                self._connected()
            elif not sent.problem.server_is_away:
                self.send()  # what waits in other reviews
            return
        if fetch and current:
            self._fetch_outlines(case)
        self.send()

    def _fetch_outlines(self, case: CaseNode) -> None:
        """Show the outlines that the server has now, where the scene shows others."""
        client, analysis = self._context.client, case.analysis
        if client is None or analysis is None or not _outdated(case):
            return

        def work(task: Task) -> Delivery:
            return fetch_delivery(client, analysis, task)

        def done(delivery: Delivery) -> None:
            if case.analysis is None or case.analysis.result != analysis.result:
                return
            cases.show_outlines(case, delivery)
            self._sent(case, analysis.result, Sent(Review(delivery.review)), fetch=False)

        self._sending = self._start(case, work, done)

    def save(self) -> None:
        """Send outlines and decisions and store the final segmentation on the server."""
        for field in (self._note, self._study_note):
            field.take_typed()
        client, case = self._context.require_client(), self._case
        if case is None or case.analysis is None:
            raise ExplainedError(_("There is no result to save."), _("Press Analyse first."))
        if self._context.jobs.is_live(self._sending):
            self._context.jobs.cancel(self._sending)
        reviewer, note = self._context.reviewer, case.review.study_note
        drawn = segments.drawn_masks(case.segmentation, case.volume, case.review, reviewer)
        outlines = [_as_analysed(mask, case.analysis) for mask in drawn]
        edited = {mask.finding for mask in drawn}
        still_open = _open_findings(case, edited)
        if still_open:
            numbers = ", ".join(str(rank) for rank in still_open)
            one, several = (
                _("Finding {numbers} is undecided."),
                _("Findings {numbers} are undecided."),
            )
            raise ExplainedError(
                (one if len(still_open) == 1 else several).format(numbers=numbers),
                _("Accept or reject them first."),
            )
        if _outdated(case):
            self._fetch_outlines(case)
            raise ExplainedError(
                _("Outlines have changed on the server and are being loaded."),
                _("Look at them, then save again."),
            )
        review, result = case.review, case.analysis.result

        def work(task: Task) -> SavedReview[segments.DrawnMask]:
            return save_review(client, result, review, outlines, reviewer, note, task)

        def done(saved: SavedReview[segments.DrawnMask]) -> None:
            for mask, finding, digest in saved.outlines:
                segments.mark_sent(case.segmentation, mask, finding, digest)
            self._sent(case, result, saved.sent)
            if saved.final is not None:
                self._context.ui.saveLabel.text = saved.final.statement
            self._context.fire("review")

        self._sending = self._start(case, work, done)


def _as_analysed(mask: segments.DrawnMask, analysis: Analysis) -> segments.DrawnMask:
    """An outline in the order in which the server read the image."""
    volume = on_grid(mask.volume, np.asarray(analysis.affine), analysis.shape)
    return mask if volume is None else replace(mask, volume=volume)


def _open_findings(case: CaseNode, edited: set[int | None]) -> tuple[int, ...]:
    """The findings that nobody has decided, those with a new outline left out."""
    analysis = case.analysis
    ranks = {found.rank for found in analysis.findings} if analysis is not None else set()
    ranks |= set(case.review.findings())
    return case.review.open_findings([rank for rank in sorted(ranks) if rank not in edited])


def _outline_keys(case: CaseNode) -> frozenset[str]:
    return frozenset() if case.segmentation is None else segments.outline_keys(case.segmentation)


def _outdated(case: CaseNode) -> tuple[int, ...]:
    if case.segmentation is None:
        return ()
    return segments.outdated(case.segmentation, case.volume, case.review.server)
