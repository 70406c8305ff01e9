"""Work that the server queues: started by others, followed and cancelled here."""

from __future__ import annotations

import time

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import CancelledError, ExplainedError
from ..logic.records import JobState
from .calls import ROOT, Calls, path_part, query_of
from .transport import Transport

_POLL_S = 2


class JobCalls(Calls):
    """Calls about jobs."""

    def cancel_job(self, job: str) -> None:
        """Cancel a job on the server; a server that is away will abandon it by itself."""
        hurried = Transport(
            self.address,
            self._http.token,
            connect_s=2.0,
            silence_s=3.0,
            authority=self._http.authority,
        )
        try:
            hurried.document("DELETE", f"{ROOT}/jobs/{path_part(job)}", limit_s=3.0)
        except ExplainedError:
            return  # `abandon_after_s` ends it without us

    def _finish(self, state: JobState, task: Task) -> JobState:
        """Wait for a job; it is cancelled with the task.

        Raises:
            ExplainedError: it failed, or the server stays away.
            CancelledError: the user cancelled.
        """
        try:
            state = self._follow(state, task)
        except CancelledError:
            self.cancel_job(state.job)
            raise
        if state.problem is not None:
            raise state.problem
        return state

    def _follow(self, state: JobState, task: Task) -> JobState:
        away_since: float | None = None
        while not state.finished:
            if state.state == "queued" and state.queue_position:
                text = _("Waiting behind {count} other analyses")
                task.report(text.format(count=state.queue_position), 0.0)
            else:
                task.report(state.step or _("Analysing"), state.fraction)
            query = query_of(wait=_POLL_S, after=state.version)
            try:
                document = self._get(f"/jobs/{path_part(state.job)}{query}", task.cancellation)
                state = JobState.read(document)
                away_since = None
            except ExplainedError as problem:
                started = away_since = away_since or time.monotonic()
                if not problem.server_is_away or time.monotonic() - started > self._patience_s:
                    raise
                task.report(_("Waiting for the server to come back"), state.fraction)
                task.cancellation.wait(min(1.0, self._patience_s / 4))
        return state
