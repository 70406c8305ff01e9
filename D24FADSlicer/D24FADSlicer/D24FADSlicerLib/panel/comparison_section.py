"""The part of the review that shows a normal study beside the case."""

from __future__ import annotations

from typing import Any

from ..logic.findings import SupportShare
from ..logic.jobs import Progress, Task
from ..logic.language import tr as _
from ..logic.matching import Matches
from ..logic.messages import ExplainedError
from ..logic.volume_file import VolumeData
from ..scene import case as cases
from ..scene import comparison
from ..scene.parameters import CaseNode
from .context import Context


class ComparisonSection:
    """Shows the support study that is most like the selected finding; follows the case's view."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shown: comparison.Comparison | None = None
        self._normal = ""
        self._job: int | None = None
        self._cuts: tuple[float, ...] = ()
        self._caption = ""
        context.ui.compareButton.connect("toggled(bool)", self._toggled)
        context.ui.findingsTable.connect("itemSelectionChanged()", self._finding_changed)
        context.on("case", self._case_changed)
        self._case_changed()

    @property
    def shown(self) -> comparison.Comparison | None:
        """What is shown side by side, or None."""
        return self._shown

    def tick(self) -> None:
        """Keep the support at the place of the case's view, whichever moved; called often."""
        if self._shown is None:
            return
        if self._shown.case.volume is None or self._shown.support.GetScene() is None:
            self._stop()
        else:
            if comparison.cuts() != self._cuts:
                self._follow(self._shown)
            comparison.point(self._shown)

    def close(self) -> None:
        """The panel goes away: show what was shown before."""
        self._stop()

    def _case_changed(self) -> None:
        case, ui = self._context.case, self._context.ui
        self._stop()
        ui.compareButton.enabled = case is not None and case.analysis is not None

    def _toggled(self, on: bool) -> None:
        if on:
            self._context.try_to(self._start)
            if self._shown is None and not self._context.jobs.is_live(self._job):
                self._stop()
        else:
            self._stop()

    def _stop(self) -> None:
        self._context.jobs.cancel(self._job)
        self._end()
        self._say("")
        if self._context.ui.compareButton.checked:
            self._context.ui.compareButton.checked = False

    def _end(self) -> None:
        shown, self._shown = self._shown, None
        if shown is not None and shown.case.volume is not None and shown.case.heatmap is not None:
            comparison.end(shown)

    def _finding_changed(self) -> None:
        """Another finding may be most like another normal study."""
        case = self._context.case
        if self._shown is None or case is None or case is not self._shown.case:
            return
        rank = self._rank()  # None while the table is filled anew
        share = None if case.analysis is None or rank is None else case.analysis.normal_for(rank)
        if share is not None and share.name != self._normal:
            self._context.try_to(self._start)

    def _rank(self) -> int | None:
        table = self._context.ui.findingsTable
        item = table.item(table.currentRow(), 0) if table.currentRow() >= 0 else None
        return int(item.text()) if item is not None else None

    def _start(self) -> None:
        case = self._context.case
        analysis = case.analysis if case is not None else None
        share = None if analysis is None else analysis.normal_for(self._rank())
        if case is None or analysis is None or share is None:
            raise ExplainedError(_("The result names no normal study."), _("Press Analyse again."))
        self._context.jobs.cancel(self._job)
        client = self._context.client
        found = [other.volume for other in CaseNode.all() if other.image == share.name]
        support, known = (found[0] if found else None), case.matches
        online = client is not None and self._context.info is not None
        if support is not None and (known is not None or not online):
            self._show(case, share, support, known, self._away())
            return
        client = self._context.require_client()

        def work(task: Task) -> tuple[Matches | None, VolumeData | None]:
            matches = known or client.matches(analysis.result, task)
            return matches, client.fetch_image(share.name, task) if support is None else None

        def done(fetched: tuple[Matches | None, VolumeData | None]) -> None:
            matches, data = fetched
            if matches is not None:
                case.matches = matches
            beside = support if data is None else self._add(share.name, data)
            self._show(case, share, beside, matches, self._approximate())

        self._job = self._context.jobs.start(
            case.volume.GetID(), work, done, self._failed, self._progress
        )

    def _add(self, image: str, data: VolumeData) -> Any:
        selected = self._context.volume
        support = cases.add_volume(image, data)
        CaseNode.of_volume(support).image = image
        self._context.ui.volumeSelector.setCurrentNode(selected)
        return support

    def _show(
        self,
        case: CaseNode,
        share: SupportShare,
        support: Any,
        matches: Matches | None,
        otherwise: str,
    ) -> None:
        self._end()
        self._normal = share.name
        match = matches.of(share.name) if matches is not None else None
        exact = _("the place that this one was compared with.")
        title = self._title(share)
        self._caption = f"{title}: {otherwise if match is None else exact}"
        case_title = _("Case: {name}").format(name=case.volume.GetName())
        self._shown = comparison.begin(case, support, match, (case_title, title))
        self._follow(self._shown)

    def _title(self, share: SupportShare) -> str:
        titles = {entry.image: entry.title for entry in self._context.images}
        name = titles.get(share.name, share.name)
        return _("Normal: {name} (weight {weight:.0%})").format(name=name, weight=share.share)

    def _approximate(self) -> str:
        return _(
            "the same height of the body. This server cannot tell which place exactly it was "
            "compared with; a newer one can."
        )

    def _away(self) -> str:
        return _(
            "the same height of the body. Which place exactly it was compared with shows once "
            "the server can be asked."
        )

    def _follow(self, shown: comparison.Comparison) -> None:
        inside = comparison.follow(shown)
        self._cuts = comparison.cuts()
        beyond = "" if inside else " " + _("This place lies outside the normal study.")
        self._say(self._caption + beyond)

    def _say(self, text: str) -> None:
        label = self._context.ui.comparisonLabel
        label.text, label.visible = text, bool(text)

    def _progress(self, progress: Progress) -> None:
        self._say(f"{progress.step} …")

    def _failed(self, problem: ExplainedError) -> None:
        self._stop()
        self._context.failed(problem)
