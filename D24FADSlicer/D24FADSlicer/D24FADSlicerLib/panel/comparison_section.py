"""The part of the review that shows a normal study, or the earlier one, beside the case."""

from __future__ import annotations

from typing import Any

from ..logic.findings import SupportShare
from ..logic.jobs import Progress, Task
from ..logic.language import tr as _
from ..logic.matching import Matches, SupportMatch
from ..logic.messages import ExplainedError
from ..logic.volume_file import VolumeData
from ..scene import case as cases
from ..scene import comparison
from ..scene.parameters import CaseNode
from .context import Context

_BUTTONS = ("compareButton", "priorButton")


class ComparisonSection:
    """Shows another study where the case's view is: the normal one that is most like the selected
    finding, or the earlier one of the patient."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._leaving = False
        self._shown: comparison.Comparison | None = None
        self._normal = ""
        self._job: int | None = None
        self._cuts: tuple[float, ...] = ()
        self._caption = self._beyond = ""
        for name in _BUTTONS:
            button = getattr(context.ui, name)
            button.connect("toggled(bool)", lambda on, name=name: self._toggled(name, on))
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
        analysis = case.analysis if case is not None else None
        ui.compareButton.enabled = analysis is not None
        since = analysis.since_prior if analysis is not None else None
        ui.priorButton.visible = since is not None and since.match is not None

    def _toggled(self, name: str, on: bool) -> None:
        if self._leaving:
            return
        self._stop(name if on else "")
        if on:
            start = self._start if name == "compareButton" else self._start_prior
            self._context.try_to(start)
            if self._shown is None and not self._context.jobs.is_live(self._job):
                self._stop()

    def _stop(self, but: str = "") -> None:
        """End what is shown; every button but one is let go."""
        self._context.jobs.cancel(self._job)
        self._end()
        self._say("")
        self._leaving = True
        for name in _BUTTONS:
            button = getattr(self._context.ui, name)
            if name != but and button.checked:
                button.checked = False
        self._leaving = False

    def _end(self) -> None:
        shown, self._shown = self._shown, None
        if shown is not None and shown.case.volume is not None and shown.case.heatmap is not None:
            comparison.end(shown)

    def _finding_changed(self) -> None:
        """Another finding may be most like another normal study."""
        case = self._context.case
        if self._shown is None or case is None or case is not self._shown.case:
            return
        if not self._normal:
            return  # the earlier study is shown, whatever the finding
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
        support, known = _volume_in_scene(share.name), case.matches
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

    def _start_prior(self) -> None:
        case = self._context.case
        since = case.analysis.since_prior if case is not None and case.analysis else None
        if case is None or since is None or since.match is None:
            raise ExplainedError(
                _("The result names no earlier study."), _("Choose one and press Analyse again.")
            )
        match, image = since.match, since.prior
        prior = _volume_in_scene(image)
        if prior is not None:
            self._show_prior(case, match, prior)
            return
        client = self._context.require_client()

        def work(task: Task) -> VolumeData:
            return client.fetch_image(image, task)

        def done(data: VolumeData) -> None:
            self._show_prior(case, match, self._add(image, data))

        self._job = self._context.jobs.start(
            case.volume.GetID(), work, done, self._failed, self._progress
        )

    def _show_prior(self, case: CaseNode, match: SupportMatch, prior: Any) -> None:
        self._normal = ""
        title = _("Earlier: {name}").format(name=prior.GetName())
        self._caption = title + _(": the same place, as the two studies were laid on each other.")
        self._beyond = _("This place lies outside the earlier study.")
        self._begin(case, match, prior, title)

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
        self._normal = share.name
        match = matches.of(share.name) if matches is not None else None
        exact = _("the place that this one was compared with.")
        title = self._title(share)
        self._caption = f"{title}: {otherwise if match is None else exact}"
        self._beyond = _("This place lies outside the normal study.")
        self._begin(case, match, support, title)

    def _begin(self, case: CaseNode, match: SupportMatch | None, support: Any, title: str) -> None:
        self._end()
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
        self._say(self._caption if inside else f"{self._caption} {self._beyond}")

    def _say(self, text: str) -> None:
        label = self._context.ui.comparisonLabel
        label.text, label.visible = text, bool(text)

    def _progress(self, progress: Progress) -> None:
        self._say(f"{progress.step} …")

    def _failed(self, problem: ExplainedError) -> None:
        self._stop()
        self._context.failed(problem)


def _volume_in_scene(image: str) -> Any:
    """The volume of the scene that the server knows by this id; None where there is none."""
    volumes = [case.volume for case in CaseNode.all() if case.image == image]
    return volumes[0] if volumes else None
