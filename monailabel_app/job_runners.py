"""What the jobs do."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from monailabel.interfaces.datastore import Datastore

from d24fad_core.progress import Progress
from monailabel_app.analysis.analyses import Analyses, part
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job, JobKind
from monailabel_app.jobs.queue import Runner
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.monai_label.infer_tasks import HEATMAP_MODEL, MASK_MODEL
from monailabel_app.normals.quality import QualityControl
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.training.meta_training import MetaTraining


class JobRunners:
    """The work behind each kind of job.

    Args:
        analyses: runs the detector.
        resolve: finds the studies that a request names.
        images: the studies of the server.
        datastore: where mask and heatmap are kept for MONAI Label's clients.
        quality: checks support sets.
        training: continues meta-training.
        people_wait: whether a job that somebody waits for is queued or runs.
    """

    def __init__(
        self,
        analyses: Analyses,
        resolve: AnalysisResolver,
        images: ImageCatalogue,
        datastore: Datastore,
        quality: QualityControl,
        training: MetaTraining,
        people_wait: Callable[[], bool],
    ) -> None:
        self._analyses = analyses
        self._resolve = resolve
        self._images = images
        self._datastore = datastore
        self._quality = quality
        self._training = training
        self._people_wait = people_wait

    @property
    def by_kind(self) -> Mapping[JobKind, Runner]:
        """What does each kind of job."""
        return {
            JobKind.DETECT: self.detect,
            JobKind.QUALITY: self.quality,
            JobKind.SCORE: self.score,
            JobKind.TRAIN: self._training.run,
        }

    def detect(self, job: Job, progress: Progress) -> str:
        """Analyse one image and keep its mask and heatmap as labels."""
        given = job.request
        request = self._resolve(
            {**given["options"], "image": given["image"], "support": given["support"]}
        )
        # The studies stay those of the moment the job was asked for; the set's name goes on record.
        parameters = replace(request.parameters, support_set=given["support_set"])
        if given["support_set"]:
            parameters = replace(parameters, support=None)
        stored = self._analyses.run(replace(request, parameters=parameters), progress)
        self.keep_labels(stored)
        return stored.record.id

    def quality(self, job: Job, progress: Progress) -> None:
        """Check how well the studies of a support set agree."""
        self._quality.check(job.request["support_set"], progress)

    def score(self, job: Job, progress: Progress) -> None:
        """Analyse many images, one by one, giving way to what people wait for."""
        options = {**job.request["options"], "support_set": job.request["support_set"]}
        images = job.request["images"] or self._images.identifiers()
        for number, image in enumerate(images):
            fraction = number / len(images)
            while self._people_wait():
                progress("Giving way to other jobs", fraction)
                time.sleep(0.2)
            progress(f"Scoring image {number + 1} of {len(images)}", fraction)
            try:
                stored = self._analyses.run(
                    self._resolve({**options, "image": image}), part(progress, fraction, fraction)
                )
            except RequestError:
                continue  # an image of another kind: it gets no score with this set
            self.keep_labels(stored)

    def keep_labels(self, stored: StoredResult) -> None:
        """Put mask and heatmap into the datastore; neither tag makes a case count as labelled."""
        record = stored.record
        for model, tag, path in (
            (MASK_MODEL, "original", stored.mask),
            (HEATMAP_MODEL, "heatmap", stored.preview),
        ):
            info = {"model": model, "result": record.id, "case_score": record.case_score}
            self._datastore.save_label(record.image, str(path), tag, info)
