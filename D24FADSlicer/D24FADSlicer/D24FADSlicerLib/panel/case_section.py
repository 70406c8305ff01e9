"""The case: analyse a volume, or open one from the server's worklist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..client.api import Client
from ..client.images import STRATEGIES
from ..client.uploads import Stored, ensure_stored
from ..logic.findings import Analysis, regions_of
from ..logic.jobs import Progress, Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import ImageEntry
from ..logic.review_problems import problem_of_refused
from ..logic.volume_file import VolumeData, content_of
from ..scene import case as cases
from ..scene import views
from ..scene.case import Delivery
from ..scene.heatmap import snapshot
from ..scene.parameters import CaseNode
from .context import Context

_PLANES = (["axial"], ["sagittal"], ["coronal"], ["axial", "sagittal", "coronal"])
_COMPARISONS = ("auto", "window", "translated", "learned")


def fetch_delivery(client: Client, analysis: Analysis, task: Task) -> Delivery:
    """Fetch everything of a result; for a worker."""
    review = client.review(analysis.result, task)
    masks = {
        finding: client.fetch_mask(analysis.result, digest, task)
        for finding, digest in review.masks.items()
    }
    return Delivery(
        analysis,
        client.heatmap(analysis.result, task),
        regions_of(client.finding_labels(analysis.result, task).array),
        review,
        masks,
    )


@dataclass(frozen=True)
class _Sending:
    """A volume of the scene that the server must have.

    Attributes:
        case: where its id on the server is kept.
        volume: a copy of its voxels.
        name: what to call it.
        known: what the server has of it.
    """

    case: CaseNode
    volume: VolumeData
    name: str
    known: Stored

    def ensure_stored(self, client: Client, task: Task) -> Stored:
        """Send it unless the server has it; for a worker."""
        return ensure_stored(client, self.volume, self.name, self.known, task)

    def remember(self, stored: Stored) -> None:
        """Keep its id on the server in the scene."""
        self.case.image, self.case.content = stored.image, stored.content


class CaseSection:
    """Starts analyses, shows their progress and cancels them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._job: int | None = None
        self._seen: list[str] = []
        ui = context.ui
        for name in (_("Axial"), _("Sagittal"), _("Coronal"), _("All three")):
            ui.planesBox.addItem(name)
        for name in (_("Automatic"), _("Same place"), _("Translated"), _("Learned")):
            ui.comparisonBox.addItem(name)
        self._fill_worklist([])
        ui.runButton.connect("clicked(bool)", lambda: context.try_to(self.run))
        ui.cancelButton.connect("clicked(bool)", self.cancel)
        ui.openCaseButton.connect("clicked(bool)", lambda: context.try_to(self._open))
        ui.volumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._volume_changed)
        ui.priorSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._prior_changed)
        context.on("connected", self._fill_windows)
        context.on("left", self.show_if_idle)
        context.on("worklist", self.show_worklist)
        self._show_idle()

    def run(self) -> None:
        """Analyse the chosen volume."""
        client = self._context.require_client()
        node = self._context.volume
        if node is None:
            raise ExplainedError(
                _("No case is chosen."), _("Load a CT or MR series and choose it beside Case.")
            )
        prior = self._context.ui.priorSelector.currentNode()
        if prior is node:
            raise ExplainedError(
                _("'{name}' is chosen as its own earlier study.").format(name=node.GetName()),
                _("Choose an earlier study of the same patient, or none."),
            )
        sending = self._sending(node)
        sending_prior = None if prior is None else self._sending(prior)
        support = self._context.support_set
        support_name = support.name if support is not None else None
        options = self._options()

        def work(task: Task) -> tuple[Stored, Stored | None, Delivery]:
            earlier = None
            if sending_prior is not None:
                earlier = sending_prior.ensure_stored(client, task)
                options["prior"] = earlier.image
            stored = sending.ensure_stored(client, task)
            analysis = client.detect(stored.image, support_name, None, options, task)
            return stored, earlier, fetch_delivery(client, analysis, task)

        def done(outcome: tuple[Stored, Stored | None, Delivery]) -> None:
            stored, earlier, delivery = outcome
            sending.remember(stored)
            if sending_prior is not None and earlier is not None:
                sending_prior.remember(earlier)
            self._receive(sending.case, delivery)

        self._start(node.GetID(), work, done)

    def _sending(self, node: Any) -> _Sending:
        if not cases.transform_is_linear(node):
            raise ExplainedError(
                _("'{name}' is under a transform that bends it.").format(name=node.GetName()),
                _("Harden or remove the transform first."),
            )
        volume, case = snapshot(node), CaseNode.of_volume(node)
        return _Sending(case, volume, node.GetName(), self._context.stored(case))

    def _options(self) -> dict[str, Any]:
        ui = self._context.ui
        options: dict[str, Any] = {
            "planes": _PLANES[ui.planesBox.currentIndex],
            "comparison": _COMPARISONS[ui.comparisonBox.currentIndex],
        }
        if ui.analysisWindowBox.count:
            options["ct_window"] = str(ui.analysisWindowBox.currentText)
        return options

    def _start(self, owner: str, work: Any, done: Any) -> None:
        if self._context.jobs.is_live(self._job):
            raise ExplainedError(_("An analysis is under way."), _("Wait for it, or press Cancel."))

        def finish(outcome: Any) -> None:
            self._show_idle()
            try:
                done(outcome)
            except ExplainedError as problem:
                self._context.tell(problem)

        def fail(problem: ExplainedError) -> None:
            self._show_idle()
            self._context.failed(problem)

        self._job = self._context.jobs.start(owner, work, finish, fail, self._progress)
        self._show_running(True)

    def _progress(self, progress: Progress) -> None:
        ui = self._context.ui
        ui.progressLabel.text = progress.step
        # 0 to 0 is Qt's bar of unknown length.
        ui.progressBar.maximum = 0 if progress.fraction is None else 100
        if progress.fraction is not None:
            ui.progressBar.value = int(100 * progress.fraction)

    def _show_idle(self) -> None:
        ui = self._context.ui
        ui.progressBar.maximum = 100
        ui.progressBar.value = 0
        ui.progressLabel.text = ""
        self._show_running(False)

    def _show_running(self, running: bool) -> None:
        ui = self._context.ui
        ui.cancelButton.enabled = running
        for widget in (ui.cancelButton, ui.progressBar, ui.progressLabel):
            widget.visible = running
        ui.runButton.visible = not running
        for button in (ui.runButton, ui.openCaseButton):
            button.enabled = not running

    def cancel(self) -> None:
        """Stop what is under way; it ends here at once, on the server within about a second."""
        if self._context.jobs.is_live(self._job):
            self._context.jobs.cancel(self._job)
            self._context.note(_("Cancelled."))
        self._show_idle()

    def show_if_idle(self) -> None:
        """Show that nothing runs, where the analysis was cancelled from elsewhere."""
        if not self._context.jobs.is_live(self._job):
            self._show_idle()

    def scene_closed(self) -> None:
        """Forget what belonged to the scene."""
        self._show_idle()
        self._context.case = None
        self._context.fire("case")

    def _receive(self, case: CaseNode, delivery: Delivery) -> None:
        ui = self._context.ui
        opacity, seen = float(ui.opacitySlider.value), case.review
        refused = cases.receive(case, delivery, self._context.reviewer, opacity)
        self._context.case = case
        count = len(delivery.analysis.findings)
        text = {0: _("'{name}': no findings."), 1: _("'{name}': 1 finding.")}.get(
            count, _("'{name}': {count} findings.")
        )
        self._context.note(text.format(name=case.volume.GetName(), count=count))
        if refused:
            self._context.tell(problem_of_refused(refused, seen.others(delivery.review)))
        self._context.fire("case")

    def _volume_changed(self, node: Any) -> None:
        case = self._context.case = CaseNode.find(node)
        # It is a study of the same patient, so that it goes with the case.
        self._context.ui.priorSelector.setCurrentNode(None if case is None else case.prior)
        if node is not None and node.GetImageData() is not None:
            if self._context.case is not None and self._context.case.heatmap is not None:
                cases.show_again(self._context.case, float(self._context.ui.opacitySlider.value))
            else:
                views.show_volume(node)
        self._context.fire("case")

    def _prior_changed(self, node: Any) -> None:
        volume = self._context.volume
        if volume is not None and (node is not None or CaseNode.find(volume) is not None):
            CaseNode.of_volume(volume).prior = node

    def show_worklist(self) -> None:
        """Show the server's cases."""
        self._fill_worklist(self._context.images)

    def _fill_worklist(self, images: list[ImageEntry]) -> None:
        box = self._context.ui.caseBox
        before = box.itemData(box.currentIndex) if box.currentIndex >= 0 else None
        box.clear()
        names = (
            _("Next: highest score"),
            _("Next: closest to the limit of normal"),
            _("Next: any that is not reviewed"),
        )
        for strategy, name in zip(STRATEGIES, names):
            box.addItem(name, f"next:{strategy}")
        for entry in images:
            box.addItem(describe(entry), f"open:{entry.image}")
        same = [index for index in range(box.count) if box.itemData(index) == before]
        box.setCurrentIndex(same[0] if same else 0)

    def _open(self) -> None:
        box = self._context.ui.caseBox
        action, name = str(box.itemData(box.currentIndex)).split(":", 1)
        client = self._context.require_client()
        support = self._context.support_set
        support_name = support.name if support is not None else "default"
        exclude = list(self._seen)

        def work(task: Task) -> tuple[str, str, VolumeData, Delivery | None]:
            image, reason = name, ""
            if action == "next":
                task.report(_("Asking for the next case"))
                proposal = client.next_case(name, support_name, exclude, task)
                image, reason = proposal.image, proposal.reason
            volume = client.fetch_image(image, task)
            analysis = client.latest_result(image, task)
            delivery = None if analysis is None else fetch_delivery(client, analysis, task)
            return image, reason, volume, delivery

        self._start("", work, lambda case: self._opened(*case))

    def _opened(self, image: str, reason: str, data: VolumeData, delivery: Delivery | None) -> None:
        self._seen.append(image)
        node = cases.add_volume(image, data)
        case = CaseNode.of_volume(node)
        case.image, case.content = image, content_of(data)
        self._context.ui.volumeSelector.setCurrentNode(node)
        views.fit_views()
        if delivery is not None:
            self._receive(case, delivery)
        if reason:
            self._context.note(reason)

    def _fill_windows(self) -> None:
        box, info = self._context.ui.analysisWindowBox, self._context.info
        if info is None or box.count == len(info.ct_windows):
            return
        box.clear()
        for window in info.ct_windows:
            box.addItem(window)


def describe(entry: ImageEntry) -> str:
    """A study of the server as lists show it: its title, its review and its score."""
    states = {"unreviewed": _("not reviewed"), "in_review": _("in review")}
    states |= {"reviewed": _("reviewed"), "confirmed_normal": _("normal")}
    state = states.get(entry.state, entry.state.replace("_", " "))
    score = "" if entry.case_score is None else _(", score {score:.1f}")
    return f"{entry.title}  ({state}{score.format(score=entry.case_score)})"
