"""What the jobs do."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from d24fad_core.progress import Progress
from monailabel_app.analysis.analyses import Analyses, part
from monailabel_app.analysis.model_names import HEATMAP_MODEL, MASK_MODEL
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.queue import Runner
from monailabel_app.jobs.requests import DetectionRequest, QualityRequest, ScoringRequest
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.normals.quality import QualityControl
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import StudyStore
from monailabel_app.training.meta_training import MetaTraining


class LabelKeeper:
    """Keeps mask and heatmap of each analysis as labels of its image.

    Args:
        datastore: where they are kept for MONAI Label's clients.
    """

    def __init__(self, datastore: StudyStore) -> None:
        self._datastore = datastore

    def keep(self, stored_result: StoredResult) -> None:
        """Put mask and heatmap into the datastore; neither tag makes a case count as labelled."""
        record = stored_result.record
        for model, tag, path in (
            (MASK_MODEL, "original", stored_result.mask),
            (HEATMAP_MODEL, "heatmap", stored_result.preview),
        ):
            info = {"model": model, "result": record.id, "case_score": record.case_score}
            self._datastore.save_label(record.image, str(path), tag, info)


class Detection:
    """Analyses one image.

    Args:
        analyses: runs the detector.
        resolve: finds the studies that a request names.
        labels: keeps what came of it.
    """

    def __init__(self, analyses: Analyses, resolve: AnalysisResolver, labels: LabelKeeper) -> None:
        self._analyses = analyses
        self._resolve = resolve
        self._labels = labels

    def __call__(self, job: Job, progress: Progress) -> str:
        """Analyse the image of a job; the result's id."""
        request = job.request_as(DetectionRequest)
        # The studies stay those of the moment the job was asked for; the set's name goes on record.
        analysis = self._resolve.analysis(request.image, request.parameters)
        parameters = analysis.parameters
        if parameters.support_set:
            parameters = replace(parameters, support=None)
        stored_result = self._analyses.run(replace(analysis, parameters=parameters), progress)
        self._labels.keep(stored_result)
        return stored_result.record.id


class ManyDetections:
    """Analyses many images, one by one, giving way to what people wait for.

    Args:
        analyses: runs the detector.
        resolve: finds the studies that a request names.
        labels: keeps what came of it.
        images: the studies of the server.
        people_wait: whether a job that somebody waits for is queued or runs.
    """

    def __init__(
        self,
        analyses: Analyses,
        resolve: AnalysisResolver,
        labels: LabelKeeper,
        images: ImageCatalogue,
        people_wait: Callable[[], bool],
    ) -> None:
        self._analyses = analyses
        self._resolve = resolve
        self._labels = labels
        self._images = images
        self._people_wait = people_wait

    def __call__(self, job: Job, progress: Progress) -> None:
        """Score the images of a job, all where it names none."""
        request = job.request_as(ScoringRequest)
        parameters = replace(request.parameters, support_set=request.support_set, support=None)
        images = request.images or self._images.identifiers()
        for number, image in enumerate(images):
            fraction = number / len(images)
            while self._people_wait():
                progress("Giving way to other jobs", fraction)
                time.sleep(0.2)
            progress(f"Scoring image {number + 1} of {len(images)}", fraction)
            try:
                stored_result = self._analyses.run(
                    self._resolve.analysis(image, parameters), part(progress, fraction, fraction)
                )
            except RequestError:
                continue  # an image of another kind: it gets no score with this set
            self._labels.keep(stored_result)


def job_runners(
    detect: Detection, score: ManyDetections, quality: QualityControl, training: MetaTraining
) -> Mapping[JobKind, Runner]:
    """What does each kind of job."""

    def check(job: Job, progress: Progress) -> None:
        quality.check(job.request_as(QualityRequest).support_set, progress)

    return {
        JobKind.DETECT: detect,
        JobKind.QUALITY: check,
        JobKind.SCORE: score,
        JobKind.TRAIN: training.run,
    }
