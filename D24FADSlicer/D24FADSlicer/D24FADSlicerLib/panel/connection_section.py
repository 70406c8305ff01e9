"""The section that connects: address, test, reconnecting by itself."""

from __future__ import annotations

from typing import Any

import qt

from ..client.api import Client
from ..logic.jobs import Task
from ..logic.messages import ExplainedError
from ..logic.records import ServerInfo
from .context import Context

_DEFAULT_ADDRESS = "http://127.0.0.1:8000"
_ADDRESS, _REVIEWER = "D24FAD/Address", "D24FAD/Reviewer"


class ConnectionSection:
    """Finds out who answers at the address, and says what to do where nobody does."""

    def __init__(self, context: Context, reconnect_ms: int = 5000) -> None:
        self._context = context
        self._job: int | None = None
        ui = context.ui
        settings = qt.QSettings()
        ui.addressEdit.text = str(settings.value(_ADDRESS, _DEFAULT_ADDRESS))
        ui.reviewerEdit.text = str(settings.value(_REVIEWER, "") or "")
        ui.testButton.connect("clicked(bool)", self.test)
        ui.addressEdit.connect("returnPressed()", self.test)
        ui.tokenEdit.connect("returnPressed()", self.test)
        ui.reviewerEdit.connect("editingFinished()", self._keep_reviewer)
        context.on_server_away = self._lost
        self._timer = qt.QTimer()
        self._timer.setInterval(reconnect_ms)
        self._timer.connect("timeout()", self._retry)

    def close(self) -> None:
        """Stop reconnecting."""
        self._timer.stop()

    def test(self) -> None:
        """Connect, or say what is wrong."""
        self._context.try_to(self._test)

    def _test(self) -> None:
        ui = self._context.ui
        self._timer.stop()
        if self._context.jobs.is_live(self._job):
            self._context.jobs.cancel(self._job)
        self._context.info = None
        client = Client(ui.addressEdit.text, ui.tokenEdit.text)
        self._context.client = client
        ui.connectionLabel.text = "Connecting…"
        self._start(client, self._refused)

    def _start(self, client: Client, failed: Any) -> None:
        def work(task: Task) -> ServerInfo:
            return client.info(task.cancellation)

        self._job = self._context.jobs.start("", work, self._connected, failed)

    def _connected(self, info: ServerInfo) -> None:
        self._timer.stop()
        self._context.info = info
        studies = "a PACS (DICOMweb)" if info.studies == "dicomweb" else "a folder of studies"
        self._context.ui.connectionLabel.text = (
            f"Connected: D24FAD {info.version}, checkpoint {info.checkpoint}, {studies}."
        )
        qt.QSettings().setValue(_ADDRESS, self._context.ui.addressEdit.text)
        self._context.clear_message()
        self._context.fire("connected")

    def _refused(self, problem: ExplainedError) -> None:
        self._context.ui.connectionLabel.text = f"Not connected. {problem.cause}"
        self._context.tell(problem)
        if problem.server_is_away:
            self._timer.start()

    def _lost(self, problem: ExplainedError) -> None:
        if self._context.info is None:
            return
        self._context.info = None
        self._context.ui.connectionLabel.text = f"Connection lost, reconnecting… {problem.cause}"
        self._timer.start()

    def _retry(self) -> None:
        client = self._context.client
        if client is not None and not self._context.jobs.is_live(self._job):
            self._start(client, self._still_away)

    def _still_away(self, problem: ExplainedError) -> None:
        self._context.ui.connectionLabel.text = f"Reconnecting… {problem.cause}"
        if not problem.server_is_away:
            self._timer.stop()
            self._context.tell(problem)

    def _keep_reviewer(self) -> None:
        qt.QSettings().setValue(_REVIEWER, self._context.ui.reviewerEdit.text)
