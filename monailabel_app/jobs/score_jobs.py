"""Starting the jobs that fill the case scores."""

from collections.abc import Sequence

from monailabel_app.analysis.results import ResultStore
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.queue import JobQueue
from monailabel_app.jobs.requests import QualityRequest, ScoringRequest
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.studies.images import ImageCatalogue


class Scoring:
    """Starts scoring: of all images, of some, or of those whose scores do not hold any more.

    Args:
        jobs: does it.
        support_sets: knows the default set.
        results: knows which images have a score.
        images: the studies of the server.
    """

    def __init__(
        self,
        jobs: JobQueue,
        support_sets: SupportSets,
        results: ResultStore,
        images: ImageCatalogue,
    ) -> None:
        self._jobs = jobs
        self._support_sets = support_sets
        self._results = results
        self._images = images

    def start(self, images: Sequence[str] | None = None) -> Job:
        """Score images, all where none are named, with the default support set.

        A job that does the same and has not ended is taken instead of a new one.
        """
        request = _request(self._support_sets.default_name, images)
        for job in self._jobs.all():
            if job.request == request and not job.state.finished:
                return job
        return self._jobs.submit(Job.create(request))

    def again(self, support_set: str) -> None:
        """Score again the images that have a score with a set, and no others."""
        scored = {r.image for r in self._results.records() if r.support_set == support_set}
        if not scored:
            return
        request = _request(support_set, sorted(scored & set(self._images.identifiers())))
        self._jobs.submit(Job.create(request))

    def with_another_checkpoint(self, support_set: str) -> None:
        """Scores of two checkpoints do not compare: make those of a set anew."""
        self._jobs.submit(Job.create(QualityRequest(support_set)))
        self.again(support_set)


def _request(support_set: str, images: Sequence[str] | None) -> ScoringRequest:
    return ScoringRequest(support_set, None if images is None else tuple(images))
