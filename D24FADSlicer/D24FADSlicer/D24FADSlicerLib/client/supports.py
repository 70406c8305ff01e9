"""Support sets on the server, and what is known of their studies."""

from __future__ import annotations

from collections.abc import Sequence

from ..logic.jobs import Task
from ..logic.records import CaseCalibration, JobState, SupportSet, items
from .calls import cancellation_of, path_part, query_of
from .server_jobs import JobCalls


class SupportCalls(JobCalls):
    """Calls about support sets."""

    def support_sets(self, task: Task | None = None) -> list[SupportSet]:
        """Every support set, without the quality of its studies."""
        return [
            SupportSet.read(entry)
            for entry in items(self._get("/support-sets", cancellation_of(task)))
        ]

    def support_set(self, name: str, task: Task | None = None) -> SupportSet:
        """One support set with the quality of its studies."""
        return SupportSet.read(self._get(f"/support-sets/{path_part(name)}", cancellation_of(task)))

    def create_support_set(
        self, name: str, title: str, studies: Sequence[str], reviewer: str, task: Task
    ) -> SupportSet:
        """Make a named support set of images on the server."""
        body = {"name": name, "title": title, "studies": list(studies), "reviewer": reviewer}
        return SupportSet.read(self._post("/support-sets", body, task))

    def add_support(
        self,
        name: str,
        image: str,
        reviewer: str,
        task: Task,
        *,
        confirmed_normal: bool = False,
        note: str = "",
    ) -> SupportSet:
        """Add an image to a support set; confirmed as normal, it also joins the calibration."""
        body = {
            "image": image,
            "reviewer": reviewer,
            "note": note,
            "confirmed_normal": confirmed_normal,
            "rescore": confirmed_normal,
        }
        return SupportSet.read(self._post(f"/support-sets/{path_part(name)}/studies", body, task))

    def remove_support(self, name: str, image: str, task: Task) -> SupportSet:
        """Take an image out of a support set; the image stays on the server."""
        path = f"/support-sets/{path_part(name)}/studies/{path_part(image)}"
        return SupportSet.read(self._delete(path, task))

    def check_quality(self, name: str, task: Task) -> SupportSet:
        """Let the server compare the studies of a set with one another; waits for it."""
        started = JobState.read(self._post(f"/support-sets/{path_part(name)}/quality", {}, task))
        self._finish(started, task)
        return self.support_set(name, task)

    def calibration(self, support_set: str, task: Task) -> CaseCalibration:
        """How often normal cases have a voxel above a threshold with a support set."""
        query = query_of(support_set=support_set, quantity="peak_score")
        return CaseCalibration.read(self._get(f"/calibration{query}", task.cancellation))
