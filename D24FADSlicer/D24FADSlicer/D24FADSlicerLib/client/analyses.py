"""Analyses: queued, waited for, and their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..logic.findings import Analysis
from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.matching import Matches
from ..logic.messages import ExplainedError
from ..logic.records import JobState, items
from ..logic.volume_file import VolumeData
from .calls import ROOT, SLOW_S, path_part, query_of
from .server_jobs import JobCalls

_ABANDON_S = 120


class AnalysisCalls(JobCalls):
    """Calls about analyses and their results."""

    def start_detection(
        self,
        image: str,
        support_set: str | None,
        support: Sequence[str] | None,
        options: dict[str, Any],
        task: Task,
    ) -> JobState:
        """Queue an analysis.

        Args:
            image: the image to analyse.
            support_set: a named set; None for the studies in `support`.
            support: ids of the normal studies; None for the set.
            options: planes, ct_window, threshold and so on; those left out have their defaults.
            task: for cancelling.
        """
        body: dict[str, Any] = {"kind": "detect", "image": image, "options": options}
        body["abandon_after_s"] = _ABANDON_S
        if support is not None:
            body["support"] = list(support)
        elif support_set is not None:
            body["support_set"] = support_set
        return JobState.read(self._post("/jobs", body, task))

    def detect(
        self,
        image: str,
        support_set: str | None,
        support: Sequence[str] | None,
        options: dict[str, Any],
        task: Task,
    ) -> Analysis:
        """Analyse an image and wait for it; a server that is away for a while is waited for.

        Raises:
            ExplainedError: it failed, was cancelled on the server, or the server stays away.
            CancelledError: the user cancelled; the server's job is cancelled too.
        """
        task.report(_("Asking the server"))
        started = self.start_detection(image, support_set, support, options, task)
        state = self._finish(started, task)
        if state.state != "done" or state.result is None:
            raise ExplainedError(
                _("The analysis was cancelled on the server."),
                _("Press Analyse again."),
                "cancelled",
            )
        return self.result(state.result, task)

    def latest_result(self, image: str, task: Task) -> Analysis | None:
        """The newest stored result of an image, or None."""
        listed = items(self._get(f"/results{query_of(image=image)}", task.cancellation))
        return self.result(str(listed[0]["id"]), task) if listed else None

    def result(self, result: str, task: Task) -> Analysis:
        """A stored result."""
        return Analysis.read(self._get(f"/results/{path_part(result)}", task.cancellation))

    def matches(self, result: str, task: Task) -> Matches | None:
        """Where places of a case lie in its support studies; None from a server too old to tell.

        The first call for a result may take the server a while: it registers the studies again.
        """
        task.report(_("Finding the matching place"))
        path = f"{ROOT}/results/{path_part(result)}/matches"
        try:
            answer = self._slow.document("GET", path, task.cancellation, limit_s=SLOW_S)
        except ExplainedError as problem:
            if problem.code != "unknown_route":
                raise
            return None
        return Matches.read(answer)

    def heatmap(self, result: str, task: Task) -> VolumeData:
        """Its heatmap, in z units, to within a 255th of its range."""
        return self._fetch(
            f"/results/{path_part(result)}/heatmap", _("Downloading the heatmap"), task
        )

    def finding_labels(self, result: str, task: Task) -> VolumeData:
        """A volume that holds the rank of the finding that a voxel belongs to."""
        path = f"/results/{path_part(result)}/mask?labels=findings"
        return self._fetch(path, _("Downloading the findings"), task)
