"""The section of the case: analyse a volume, take the next case, open one of the server."""

from __future__ import annotations

from typing import Any

from ..client.api import Client
from ..client.images import STRATEGIES
from ..client.uploads import Stored, ensure_stored
from ..logic.findings import Analysis, regions_of
from ..logic.jobs import Progress, Task
from ..logic.messages import ExplainedError
from ..logic.review import Review
from ..logic.volume_file import VolumeData, content_of
from ..scene import case as cases
from ..scene import views
from ..scene.case import Delivery
from ..scene.heatmap import snapshot
from ..scene.parameters import CaseNode
from .context import Context

_PLANES = {
    "Axial": ["axial"],
    "Sagittal": ["sagittal"],
    "Coronal": ["coronal"],
    "All three": ["axial", "sagittal", "coronal"],
}


def fetch_delivery(client: Client, analysis: Analysis, task: Task) -> Delivery:
    """Fetch everything of a result; for a worker."""
    events = client.review(analysis.result, task)
    masks = {
        finding: client.fetch_mask(analysis.result, found.mask, task)
        for finding, found in Review(events).findings().items()
        if found.mask is not None
    }
    return Delivery(
        analysis,
        client.heatmap(analysis.result, task),
        regions_of(client.finding_labels(analysis.result, task).array),
        events,
        masks,
    )


class CaseSection:
    """Starts analyses, shows their progress and cancels them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._job: int | None = None
        self._seen: list[str] = []
        ui = context.ui
        for name in _PLANES:
            ui.planesBox.addItem(name)
        for strategy in STRATEGIES:
            ui.strategyBox.addItem(strategy.replace("_", " ").capitalize(), strategy)
        ui.runButton.connect("clicked(bool)", lambda: context.try_to(self.run))
        ui.cancelButton.connect("clicked(bool)", self.cancel)
        ui.nextCaseButton.connect("clicked(bool)", lambda: context.try_to(self._next))
        ui.openCaseButton.connect("clicked(bool)", lambda: context.try_to(self._open_chosen))
        ui.volumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._volume_changed)
        context.on("connected", self._fill_windows)
        self._show_idle()

    def run(self) -> None:
        """Analyse the chosen volume."""
        client = self._context.require_client()
        node = self._context.volume
        if node is None:
            raise ExplainedError("No volume is chosen.", "Load a CT or MR series and choose it.")
        if not cases.transform_is_linear(node):
            raise ExplainedError(
                f"'{node.GetName()}' is under a transform that bends it.",
                "Harden or remove the transform first.",
            )
        case = CaseNode.of_volume(node)
        volume, name = snapshot(node), node.GetName()
        known = self._context.stored(case)
        support = self._context.support_set
        support_name = support.name if support is not None else None
        options = self._options()

        def work(task: Task) -> tuple[Stored, Delivery]:
            stored = ensure_stored(client, volume, name, known, task)
            analysis = client.detect(stored.image, support_name, None, options, task)
            return stored, fetch_delivery(client, analysis, task)

        def done(found: tuple[Stored, Delivery]) -> None:
            case.image, case.content = found[0].image, found[0].content
            self._receive(case, found[1])

        self._start(node.GetID(), work, done)

    def _options(self) -> dict[str, Any]:
        ui = self._context.ui
        options: dict[str, Any] = {"planes": _PLANES[ui.planesBox.currentText]}
        if ui.analysisWindowBox.count:
            options["ct_window"] = str(ui.analysisWindowBox.currentText)
        return options

    def _start(self, owner: str, work: Any, done: Any) -> None:
        if self._context.jobs.is_live(self._job):
            raise ExplainedError("An analysis is under way.", "Wait for it, or cancel it.")

        def finish(found: Any) -> None:
            self._show_idle()
            try:
                done(found)
            except ExplainedError as problem:
                self._context.tell(problem)

        def fail(problem: ExplainedError) -> None:
            self._show_idle()
            self._context.failed(problem)

        self._job = self._context.jobs.start(owner, work, finish, fail, self._progress)
        ui = self._context.ui
        ui.cancelButton.enabled = True
        for button in (ui.runButton, ui.nextCaseButton, ui.openCaseButton):
            button.enabled = False

    def _progress(self, progress: Progress) -> None:
        ui = self._context.ui
        ui.progressLabel.text = progress.step
        # 0 to 0 is Qt's bar of unknown length.
        ui.progressBar.maximum = 0 if progress.fraction is None else 100
        if progress.fraction is not None:
            ui.progressBar.value = int(100 * progress.fraction)

    def _show_idle(self) -> None:
        ui = self._context.ui
        ui.cancelButton.enabled = False
        for button in (ui.runButton, ui.nextCaseButton, ui.openCaseButton):
            button.enabled = True
        ui.progressBar.maximum = 100
        ui.progressBar.value = 0
        ui.progressLabel.text = ""

    def cancel(self) -> None:
        """Stop what is under way; it ends here at once, on the server within about a second."""
        if self._context.jobs.is_live(self._job):
            self._context.jobs.cancel(self._job)
            self._context.note("Cancelled.")
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
        cases.receive(case, delivery, self._context.reviewer, float(ui.opacitySlider.value))
        self._context.case = case
        count = len(delivery.analysis.findings)
        findings = "1 finding" if count == 1 else f"{count or 'no'} findings"
        self._context.note(f"'{case.volume.GetName()}': {findings}.")
        self._context.fire("case")

    def _volume_changed(self, node: Any) -> None:
        self._context.case = CaseNode.find(node)
        if node is not None and node.GetImageData() is not None:
            if self._context.case is not None and self._context.case.heatmap is not None:
                cases.show_again(self._context.case, float(self._context.ui.opacitySlider.value))
            else:
                views.show_volume(node)
        self._context.fire("case")

    def _next(self) -> None:
        client = self._context.require_client()
        box = self._context.ui.strategyBox
        strategy = str(box.itemData(box.currentIndex))
        support = self._context.support_set
        name = support.name if support is not None else "default"
        exclude = list(self._seen)

        def work(task: Task) -> tuple[str, str, VolumeData, Delivery | None]:
            task.report("Asking for the next case")
            found = client.next_case(strategy, name, exclude, task)
            return found.image, found.reason, *_fetch_case(client, found.image, task)

        self._start("", work, lambda found: self._opened(*found))

    def _open_chosen(self) -> None:
        client = self._context.require_client()
        box = self._context.ui.caseBox
        image = str(box.itemData(box.currentIndex) or "") if box.currentIndex >= 0 else ""
        if not image:
            raise ExplainedError("No case is chosen.", "Choose one in the list.")

        def work(task: Task) -> tuple[str, str, VolumeData, Delivery | None]:
            return image, "", *_fetch_case(client, image, task)

        self._start("", work, lambda found: self._opened(*found))

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


def _fetch_case(client: Client, image: str, task: Task) -> tuple[VolumeData, Delivery | None]:
    volume = client.fetch_image(image, task)
    analysis = client.latest_result(image, task)
    return volume, None if analysis is None else fetch_delivery(client, analysis, task)
