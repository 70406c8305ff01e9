"""The section that connects: to an address, or to the server on this computer; and reconnects."""

from __future__ import annotations

from typing import Any

import qt

from ..client.api import Client
from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import ServerInfo
from .context import Context

_DEFAULT_ADDRESS = "http://127.0.0.1:8000"
# A server that has died on this computer is back in less, and goes on with what it was doing.
_LOCAL_PATIENCE_S = 300.0
_ADDRESS, _REVIEWER, _AUTHORITY = "D24FAD/Address", "D24FAD/Reviewer", "D24FAD/Authority"


class ConnectionSection:
    """Finds out who answers at the address, and says what to do where nobody does."""

    def __init__(self, context: Context, reconnect_ms: int = 5000) -> None:
        self._context = context
        self._job: int | None = None
        self._shown = False
        self._reconnecting = False
        self._is_typed = False
        ui = context.ui
        settings = qt.QSettings()
        self.is_known = bool(settings.value(_ADDRESS, ""))
        ui.addressEdit.text = str(settings.value(_ADDRESS, "") or _DEFAULT_ADDRESS)
        ui.reviewerEdit.text = str(settings.value(_REVIEWER, "") or "")
        ui.authorityEdit.currentPath = str(settings.value(_AUTHORITY, "") or "")
        ui.testButton.connect("clicked(bool)", self.test)
        ui.addressEdit.connect("returnPressed()", self.test)
        ui.tokenEdit.connect("returnPressed()", self.test)
        ui.reviewerEdit.connect("editingFinished()", self._keep_reviewer)
        context.on_server_away = self.lost
        self._timer = qt.QTimer()
        self._timer.setInterval(reconnect_ms)
        self._timer.connect("timeout()", self._retry)

    def enter(self, connect: bool = True) -> None:
        """The panel shows: go on reconnecting.

        Args:
            connect: whether to connect to the address of the last time, the first time it shows.
        """
        first, self._shown = not self._shown, True
        if self._reconnecting:
            self._timer.start()
        if first and connect and self.is_known:
            self.test()

    def exit(self) -> None:
        """Another module shows: nothing is asked meanwhile."""
        self._timer.stop()

    def close(self) -> None:
        """Stop reconnecting."""
        self._reconnect(False)

    def leave(self) -> None:
        """Have nothing to do with the server any more."""
        self._reconnect(False)
        self._context.jobs.cancel(self._job)
        self._context.client = self._context.info = None
        self._context.ui.connectionLabel.text = _("Not connected.")

    def test(self) -> None:
        """Connect, or say what is wrong."""
        self._context.try_to(self._test)

    def _reconnect(self, on: bool) -> None:
        self._reconnecting = on
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    def _test(self) -> None:
        self.leave()
        ui = self._context.ui
        authority = str(ui.authorityEdit.currentPath)
        client = Client(ui.addressEdit.text, ui.tokenEdit.text, authority=authority)
        self._is_typed = True
        self._connect(client)

    def connect_to(self, address: str, token: str) -> None:
        """Connect to a server that the panel has started itself."""
        self.leave()
        self._is_typed = False
        self._connect(Client(address, token, patience_s=_LOCAL_PATIENCE_S))

    def _connect(self, client: Client) -> None:
        self._context.client = client
        self._context.ui.connectionLabel.text = _("Connecting…")
        self._start(client, self._refused)

    def _start(self, client: Client, failed: Any) -> None:
        def work(task: Task) -> ServerInfo:
            return client.info(task.cancellation)

        self._job = self._context.jobs.start("", work, self._connected, failed)

    def _connected(self, info: ServerInfo) -> None:
        ui, settings = self._context.ui, qt.QSettings()
        self._reconnect(False)
        self._context.info = info
        in_pacs = info.studies == "dicomweb"
        studies = _("studies from a PACS") if in_pacs else _("studies from a folder")
        ui.connectionLabel.text = _(
            "Connected: D24FAD {version}, model {model}, {studies}."
        ).format(version=info.version, model=info.checkpoint, studies=studies)
        if self._is_typed:
            settings.setValue(_ADDRESS, ui.addressEdit.text)
            settings.setValue(_AUTHORITY, ui.authorityEdit.currentPath)
        self._context.clear_message()
        self._context.fire("connected")

    def _refused(self, problem: ExplainedError) -> None:
        self._context.ui.connectionLabel.text = _("Not connected.") + f" {problem.cause}"
        self._context.tell(problem)
        if problem.server_is_away:
            self._reconnect(True)

    def lost(self, problem: ExplainedError) -> None:
        """The server is away: try until it is back."""
        if self._context.info is None:
            return
        self._context.info = None
        lost = _("Connection lost, reconnecting…")
        self._context.ui.connectionLabel.text = f"{lost} {problem.cause}"
        self._reconnect(True)

    def _retry(self) -> None:
        client = self._context.client
        if client is not None and not self._context.jobs.is_live(self._job):
            self._start(client, self._still_away)

    def _still_away(self, problem: ExplainedError) -> None:
        self._context.ui.connectionLabel.text = _("Reconnecting…") + f" {problem.cause}"
        if not problem.server_is_away:
            self._reconnect(False)
            self._context.tell(problem)

    def _keep_reviewer(self) -> None:
        qt.QSettings().setValue(_REVIEWER, self._context.ui.reviewerEdit.text)
