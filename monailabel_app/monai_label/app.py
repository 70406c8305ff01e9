"""The app: builds its parts and hands them to MONAI Label."""

import gc
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy as StrategyTask
from monailabel.interfaces.tasks.train import TrainTask

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.detection.detector import Detector
from d24fad_core.io.known_studies import KnownStudies
from monailabel_app.analysis.analyses import Analyses
from monailabel_app.analysis.dicom_results import DicomResults
from monailabel_app.analysis.matches import Alignments
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultStore
from monailabel_app.api.installation import install_routes
from monailabel_app.calibration.normal_scores import NormalPatients
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import STATE_FOLDER, RequestError
from monailabel_app.former_reviews import import_former_reviews
from monailabel_app.former_state import import_former_state
from monailabel_app.job_runners import JobRunners
from monailabel_app.jobs.job import Job, JobKind, JobStore
from monailabel_app.jobs.queue import JobQueue
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.monai_label.infer_tasks import (
    HEATMAP_MODEL,
    LABELS,
    MASK_MODEL,
    AnomalyHeatmapTask,
    AnomalyMaskTask,
)
from monailabel_app.monai_label.scoring import CASE_SCORES, CaseScores
from monailabel_app.monai_label.strategies import NextCase
from monailabel_app.normals.quality import QualityControl
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.review.reviews import Reviews
from monailabel_app.review.worklist import Strategy, Worklist
from monailabel_app.store.recovery import open_database
from monailabel_app.studies.datastore import VOLUME_PATTERNS, PacsStudies, StudiesFolder
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.leftovers import remove_leftovers
from monailabel_app.studies.nifti_copies import NiftiCopies
from monailabel_app.studies.pacs import pacs_studies
from monailabel_app.studies.serving import claim, is_writable, refuse_mistyped
from monailabel_app.studies.uploads import Uploads
from monailabel_app.training.checkpoints import Checkpoints
from monailabel_app.training.meta_training import MetaTraining, MetaTrainingTask
from monailabel_app.training.plan import TrainingOptions

# Absent in MONAI Label's sub-processes, which serve nobody.
_SERVER = "monailabel.app"


class D24FADApp(MONAILabelApp):
    """D24FAD for MONAI Label.

    Args:
        app_dir: the folder of `main.py`.
        studies: a folder of studies, or the address of a DICOMweb service.
        conf: the operator's settings, see `ServerConfiguration`.
    """

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self.configuration = ServerConfiguration.from_conf(conf)
        super().__init__(
            app_dir,
            studies,
            dict(conf),
            name=f"D24FAD. {RESEARCH_USE_ONLY}",  # the one text of the app that OHIF shows
            description=(
                "Finds what is abnormal in a CT or MRI study by a few normal ones. "
                f"{RESEARCH_USE_ONLY}"
            ),
            version=__version__,
            labels=list(LABELS),  # OHIF adds to it
        )
        server = sys.modules.get(_SERVER)
        if server is not None:
            install_routes(server.app, self)
            self.jobs.start(self._runners.by_kind)
            # What is there now stays. Looking through all of it again and again for garbage would
            # hold up every answer for a quarter of a second.
            gc.collect()
            gc.freeze()

    def init_datastore(self) -> Datastore:
        """A folder of volumes and DICOM series, or a PACS behind DICOMweb."""
        if self.studies.startswith(("http://", "https://")):
            self.studies = self.studies.rstrip("/").strip()
            pacs = pacs_studies(self.studies)
            self._claim(Path(pacs._datastore_path))
            return pacs
        if _SERVER in sys.modules:
            refuse_mistyped(Path(self.studies))
        self._claim(Path(self.studies))
        return StudiesFolder(
            self.studies,
            extensions=VOLUME_PATTERNS,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def _claim(self, folder: Path) -> None:
        """Lock the folder, before anything in it is changed or any job runs."""
        if _SERVER in sys.modules:
            self._lock = claim(folder / STATE_FOLDER)

    def init_infers(self) -> dict[str, InferTask]:
        """Build the parts; MONAI Label calls this once its datastore is there."""
        configuration, datastore = self.configuration, self._datastore
        self.studies_folder = Path(datastore._datastore_path)
        state = self.studies_folder / STATE_FOLDER
        state.mkdir(parents=True, exist_ok=True)
        if _SERVER in sys.modules:
            remove_leftovers(self.studies_folder, state)
        self.database = open_database(state / "state.sqlite3")
        for damaged in datastore.damaged:
            reason = "it could not be read, and was made anew from the files; it lies beside it"
            self.database.set_aside("datastore index", damaged.name, reason)
        import_former_state(state, self.database)
        self.images = ImageCatalogue(datastore, FileHashes(self.database), Uploads(self.database))
        self.nifti_copies = NiftiCopies(state / "nifti", self.images)
        self.support_sets = SupportSets(self.database, self.images, configuration.support_patterns)
        self.results = ResultStore(state / "results", self.database)
        log = ReviewLog(self.database)
        import_former_reviews(state, self.database, self.results.records(), log)
        self.reviews = Reviews(
            log,
            ReviewedMasks(state / "reviews" / "masks"),
            self.results,
            datastore,
            lambda image: self.images.content_hash(self.images.study(image)),
        )
        if _SERVER in sys.modules:
            self.reviews.copy_labels()
        self.checkpoints = Checkpoints(
            state / "checkpoints", self.database, configuration.checkpoint
        )
        cache = state / "features"
        self.cache = cache if is_writable(cache) else None
        known = None if self.cache is None else KnownStudies(self.cache)
        self.analyses = Analyses(
            lambda folder: Detector.from_checkpoint(
                folder, cache_folder=self.cache, device=configuration.device
            ),
            self.checkpoints.path(self.checkpoints.served),
            self.images,
            self.results,
            known,
            self.cache,
        )
        self.alignments = Alignments(self.images, known, self.cache)
        self.resolve = AnalysisResolver(self.images, self.support_sets)
        self.quality = QualityControl(self.database, self.support_sets, self.images, self.analyses)
        self.dicom_results = DicomResults(self.images, datastore)
        self.worklist = Worklist(
            self.images,
            datastore,
            self.database,
            log.states,
            self.support_sets,
        )
        self.normals = NormalPatients(
            self.worklist, self.results, self.analyses, self.quality, datastore
        )
        self.jobs = JobQueue(JobStore(self.database), configuration.queue_length)
        self.training = MetaTraining(
            state / "training",
            configuration,
            self.images,
            self.support_sets,
            self.worklist,
            self.results,
            self.normals,
            self.checkpoints,
            self.analyses.serve,
            self._served_anew,
        )
        self._runners = JobRunners(
            self.analyses,
            self.resolve,
            self.images,
            datastore,
            self.quality,
            self.training,
            self.jobs.people_wait,
        )
        return {
            MASK_MODEL: AnomalyMaskTask(self.analyses, self.resolve),
            HEATMAP_MODEL: AnomalyHeatmapTask(self.analyses, self.resolve),
        }

    def init_trainers(self) -> dict[str, TrainTask]:
        """The training on confirmed normals."""
        return {
            MASK_MODEL: MetaTrainingTask(
                lambda request: {"job": self.start_training(request.get("support_set"), request).id}
            )
        }

    def init_strategies(self) -> dict[str, StrategyTask]:
        """The orders in which MONAI Label's clients can ask for the next case."""
        return {
            strategy.value: NextCase(strategy, self.worklist, self.support_sets)
            for strategy in Strategy
        }

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """The case scores that the strategies choose by."""
        return {CASE_SCORES: CaseScores(lambda: {"job": self.score_in_background(None).id})}

    def async_scoring(self, method: str | None, params: Any = None) -> dict[str, Any]:
        """Score in a job of this server; the stock method starts one more Python for it.

        MONAI Label calls this at its start and after each case, unless
        `MONAI_LABEL_AUTO_UPDATE_SCORING` is false.
        """
        if not self.support_sets.get(self.support_sets.default_name).members:
            return {}
        return {CASE_SCORES: {"job": self.score_in_background(None).id}}

    def score_in_background(self, images: list[str] | None) -> Job:
        """Score images, all where none are named, with the default support set.

        A job that does the same and has not ended is taken instead of a new one.
        """
        request = {
            "support_set": self.support_sets.default_name,
            "images": images,
            "options": AnalysisParameters().document(),
        }
        for job in self.jobs.all():
            same = job.kind is JobKind.SCORE and job.request == request
            if same and not job.state.finished:
                return job
        return self.jobs.submit(Job.create(JobKind.SCORE, request))

    def score_again(self, support_set: str) -> None:
        """Score again the images that have a score with a set, and no others."""
        scored = {r.image for r in self.results.records() if r.support_set == support_set}
        if not scored:
            return
        request = {
            "support_set": support_set,
            "images": sorted(scored & set(self.images.identifiers())),
            "options": AnalysisParameters().document(),
        }
        self.jobs.submit(Job.create(JobKind.SCORE, request))

    def _served_anew(self, support_set: str) -> None:
        """Scores of two checkpoints do not compare: make those of a set anew."""
        self.jobs.submit(Job.create(JobKind.QUALITY, {"support_set": support_set}))
        self.score_again(support_set)

    def start_training(self, support_set: str | None, options: Mapping[str, Any]) -> Job:
        """Continue meta-training on the confirmed normals that were scored with a set.

        Raises:
            RequestError: the set or an option is unknown, or there are too few normals.
        """
        name = support_set or self.support_sets.default_name
        chosen = TrainingOptions.parse(options)
        plan = self.training.plan(name, chosen)
        request = {
            "support_set": name,
            "options": asdict(chosen),
            "images": [study.image for study in plan.training],
            "held_out": [study.image for study in plan.held_out],
        }
        return self.jobs.submit(Job.create(JobKind.TRAIN, request))

    @property
    def studies_kind(self) -> str:
        """`folder`, or `dicomweb` where the studies come from a PACS."""
        return "dicomweb" if isinstance(self._datastore, PacsStudies) else "folder"

    def checkpoint_document(self) -> dict[str, str]:
        """What is known of the weights."""
        detector = self.analyses.detector
        return {
            "name": detector.card.name,
            "hash": detector.checkpoint_hash,
            "teacher": detector.card.network.teacher,
        }

    def require_model(self, model: str) -> InferTask:
        """The model of this name.

        Raises:
            RequestError: there is none.
        """
        if model not in self._infers:
            raise RequestError(
                "unknown_model",
                f"There is no model {model[:100]!r}.",
                f"Choose one of {', '.join(self._infers)}.",
            )
        return self._infers[model]

    def infer(self, request: Mapping[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the datastore; unlike the stock method, on nothing else.

        Args:
            request: `model`, `image` (an image id) or `uploaded` (a path, set by our own route
                only), analysis parameters, and MONAI Label's `save_label` and `label_tag`.
            datastore: where a label is saved; the app's own by default.

        Raises:
            RequestError: the model or image is unknown or the analysis cannot be done.
        """
        model = str(request.get("model"))
        file, answer = self.require_model(model)(request)
        label = file
        if file and request.get("save_label") and "uploaded" not in request:
            tag = "heatmap" if model == HEATMAP_MODEL else "original"
            label = (datastore or self._datastore).save_label(
                request["image"], file, tag, {"model": model, "params": answer}
            )
        return {"label": label, "tag": "original", "file": file, "params": answer}
