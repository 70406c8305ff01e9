"""The parts of a server, built once: what the routes and the adapter to MONAI Label work with."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from d24fad_core.detection.detector import Detector
from monailabel_app.analysis.analyses import Analyses
from monailabel_app.analysis.dicom_results import DicomResults
from monailabel_app.analysis.matches import Alignments
from monailabel_app.analysis.overlays import Overlays
from monailabel_app.analysis.results import ResultStore
from monailabel_app.calibration.normal_scores import NormalPatients
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import STATE_FOLDER
from monailabel_app.former_reviews import import_former_reviews
from monailabel_app.former_state import import_former_state
from monailabel_app.job_runners import Detection, LabelKeeper, ManyDetections, job_runners
from monailabel_app.jobs.job import JobStore
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.queue import JobQueue, Runner
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.jobs.score_jobs import Scoring
from monailabel_app.normals.quality import QualityControl
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.review.reviews import Reviews
from monailabel_app.review.worklist import Worklist
from monailabel_app.store.database import Database
from monailabel_app.store.recovery import open_database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.nifti_copies import NiftiCopies
from monailabel_app.studies.serving import is_writable
from monailabel_app.studies.study_store import Pacs, StudyStore
from monailabel_app.studies.uploads import Uploads
from monailabel_app.training.checkpoints import Checkpoints
from monailabel_app.training.meta_training import MetaTraining
from monailabel_app.training.normal_studies import NormalStudies
from monailabel_app.training.planning import TrainingPlanner


@dataclass(frozen=True)
class Services:
    """The parts of a server.

    Attributes:
        configuration: the operator's settings.
        datastore: where studies and labels lie.
        studies_folder: folder of the studies, or of the copies of those of a PACS.
        database: the server's state.
        images: the studies by image id.
        nifti_copies: DICOM series as NIfTI files.
        support_sets: the support sets.
        quality: checks them.
        results: what was found before.
        analyses: runs the detector.
        resolve: finds the studies that a request names.
        overlays: pictures of results.
        alignments: where a place of a case is in its normals.
        dicom_results: results as DICOM objects.
        reviews: what reviewers decided.
        worklist: which case is next.
        normals: the normal patients that scores are measured against.
        jobs: work in the background.
        runners: what does each kind of job.
        scoring: starts the scoring of many images.
        checkpoints: the operator's checkpoint and those trained here.
        planner: plans and starts trainings.
        training: runs them, and serves checkpoints.
        cache: where prepared normals are kept; None where nothing can be kept.
    """

    configuration: ServerConfiguration
    datastore: StudyStore
    studies_folder: Path
    database: Database
    images: ImageCatalogue
    nifti_copies: NiftiCopies
    support_sets: SupportSets
    quality: QualityControl
    results: ResultStore
    analyses: Analyses
    resolve: AnalysisResolver
    overlays: Overlays
    alignments: Alignments
    dicom_results: DicomResults
    reviews: Reviews
    worklist: Worklist
    normals: NormalPatients
    jobs: JobQueue
    runners: Mapping[JobKind, Runner] = field(repr=False)
    scoring: Scoring
    checkpoints: Checkpoints
    planner: TrainingPlanner
    training: MetaTraining
    cache: Path | None

    @property
    def studies_kind(self) -> str:
        """`folder`, or `dicomweb` where the studies come from a PACS."""
        return "dicomweb" if isinstance(self.datastore, Pacs) else "folder"

    def start(self) -> None:
        """Begin with the jobs, once the routes are there and before anybody is answered."""
        self.reviews.copy_labels()
        self.jobs.start(self.runners)
        # What is there now stays. Looking through all of it again and again for garbage would
        # hold up every answer for a quarter of a second.
        gc.collect()
        gc.freeze()


def build_services(
    configuration: ServerConfiguration,
    datastore: StudyStore,
    studies_folder: Path,
    damaged: Sequence[Path] = (),
) -> Services:
    """Build the parts; nothing runs until `Services.start`.

    The folder must have been claimed where another server could work on it.

    Args:
        configuration: the operator's settings.
        datastore: where studies and labels lie.
        studies_folder: folder of the studies, or of the copies of those of a PACS.
        damaged: indices of the datastore that were damaged, under their new names.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
    """
    state = studies_folder / STATE_FOLDER
    state.mkdir(parents=True, exist_ok=True)
    database = open_database(state / "state.sqlite3")
    for index in damaged:
        reason = "it could not be read, and was made anew from the files; it lies beside it"
        database.set_aside("datastore index", index.name, reason)
    import_former_state(state, database)
    images = ImageCatalogue(datastore, FileHashes(database), Uploads(database))
    support_sets = SupportSets(database, images, configuration.support_patterns)
    results = ResultStore(state / "results", database)
    log = ReviewLog(database)
    import_former_reviews(state, database, results.records(), log)
    reviews = Reviews(
        log,
        ReviewedMasks(state / "reviews" / "masks"),
        results,
        datastore,
        lambda image: images.content_hash(images.study(image)),
    )
    checkpoints = Checkpoints(state / "checkpoints", database, configuration.checkpoint)
    cache = state / "features" if is_writable(state / "features") else None
    analyses = Analyses(
        lambda folder: Detector.from_checkpoint(
            folder, cache_folder=cache, device=configuration.device
        ),
        checkpoints.path(checkpoints.served),
        images,
        results,
        cache,
        comparison=configuration.comparison.kind,
        # What training on this server makes of the shipped model is no reason to leave the better
        # comparison.
        own_model=configuration.checkpoint is not None,
    )
    resolve = AnalysisResolver(images, support_sets)
    quality = QualityControl(database, support_sets, images, analyses)
    worklist = Worklist(images, datastore, database, log.states, support_sets)
    normals = NormalPatients(worklist, results, analyses, quality, datastore)
    jobs = JobQueue(JobStore(database), configuration.queue_length)
    scoring = Scoring(jobs, support_sets, results, images)
    planner = TrainingPlanner(
        configuration,
        support_sets,
        NormalStudies(images, worklist, results, normals),
        checkpoints,
        jobs,
    )
    training = MetaTraining(
        state / "training", planner, checkpoints, analyses.serve, scoring.with_another_checkpoint
    )
    labels = LabelKeeper(datastore)
    return Services(
        configuration=configuration,
        datastore=datastore,
        studies_folder=studies_folder,
        database=database,
        images=images,
        nifti_copies=NiftiCopies(state / "nifti", images),
        support_sets=support_sets,
        quality=quality,
        results=results,
        analyses=analyses,
        resolve=resolve,
        overlays=Overlays(images),
        alignments=Alignments(images, cache),
        dicom_results=DicomResults(images, datastore),
        reviews=reviews,
        worklist=worklist,
        normals=normals,
        jobs=jobs,
        runners=job_runners(
            Detection(analyses, resolve, labels),
            ManyDetections(analyses, resolve, labels, images, jobs.people_wait),
            quality,
            training,
        ),
        scoring=scoring,
        checkpoints=checkpoints,
        planner=planner,
        training=training,
        cache=cache,
    )
