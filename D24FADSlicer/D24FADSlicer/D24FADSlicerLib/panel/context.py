"""What the sections of the panel share: the widgets, the jobs, the server, the case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..client.api import Client
from ..client.uploads import Stored
from ..logic.jobs import Jobs
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import CaseCalibration, ImageEntry, ServerInfo, SupportSet
from ..scene.hierarchy import series_uid
from ..scene.parameters import CaseNode
from .theme import Tone, paint


class Context:
    """Shared state, and the events by which sections hear of its changes.

    Events: `connected`, `left` (the server on this computer is not coming back), `worklist` (the
    server's studies were read again), `case` (another case, or a new result of it), `support`
    (another support set, or a change of it), `review`.

    Args:
        ui: the widgets of the panel by name.
        jobs: the work that is under way.
    """

    def __init__(self, ui: Any, jobs: Jobs) -> None:
        self.ui = ui
        self.jobs = jobs
        self.client: Client | None = None
        self.info: ServerInfo | None = None
        self.case: CaseNode | None = None
        self.images: list[ImageEntry] = []
        self.support_set: SupportSet | None = None
        self.calibration: CaseCalibration | None = None
        self.on_server_away: Callable[[ExplainedError], None] = self.tell
        self._tone = Tone.DONE
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    def on(self, event: str, listener: Callable[[], None]) -> None:
        """Call a function whenever an event fires."""
        self._listeners.setdefault(event, []).append(listener)

    def fire(self, event: str) -> None:
        """Tell everybody who listens."""
        for listener in self._listeners.get(event, []):
            listener()

    @property
    def reviewer(self) -> str:
        """Who reviews."""
        return str(self.ui.reviewerEdit.text).strip() or "anonymous"

    @property
    def volume(self) -> Any:
        """The volume chosen, or None."""
        return self.ui.volumeSelector.currentNode()

    def require_client(self) -> Client:
        """The server.

        Raises:
            ExplainedError: there is none yet.
        """
        if self.client is None or self.info is None:
            raise ExplainedError(
                _("The panel is not connected to a server."),
                _("Enter the server's address in the Setup tab and press Connect."),
                "offline",
            )
        return self.client

    def stored(self, case: CaseNode) -> Stored:
        """What the server has of a case: its image, or the DICOM series it was loaded from.

        Raises:
            ExplainedError: the server reads from a PACS alone, and the volume is not from there.
        """
        if self.info is None or self.info.uploads:
            return Stored(case.image, case.content)
        series = series_uid(case.volume)
        if series and not case.content:
            return Stored(series, "", in_pacs=True)
        if not case.image:
            raise ExplainedError(
                _("This server takes its studies from a PACS; volumes cannot be sent to it."),
                _("Load the series from that PACS, or choose it in the worklist."),
                "uploads_not_supported",
            )
        return Stored(case.image, case.content)

    def tell(self, problem: ExplainedError) -> None:
        """Show a problem: what happened and what to do."""
        self._show(f"{problem.cause} {problem.remedy}".strip(), Tone.PROBLEM)

    def note(self, text: str) -> None:
        """Show what was done."""
        self._show(text, Tone.DONE)

    def clear_message(self) -> None:
        """Show nothing."""
        self.ui.messageLabel.visible = False
        self.ui.messageLabel.text = ""

    def repaint(self) -> None:
        """Find the colours again: the theme may have changed."""
        paint(self.ui.noticeLabel, Tone.NOTICE)
        paint(self.ui.messageLabel, self._tone)

    def _show(self, text: str, tone: Tone) -> None:
        self._tone = tone
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = True
        self.repaint()

    def failed(self, problem: ExplainedError) -> None:
        """What every job does with its problem."""
        self.tell(problem)
        if problem.server_is_away:
            self.on_server_away(problem)

    def try_to(self, action: Callable[[], None]) -> None:
        """Do something for a button; a problem is shown, not raised."""
        self.clear_message()
        try:
            action()
        except ExplainedError as problem:
            self.tell(problem)
