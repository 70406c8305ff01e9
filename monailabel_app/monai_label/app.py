"""The app: hands the services of the server to MONAI Label."""

import sys
from collections.abc import Mapping
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
from monailabel_app.analysis.model_names import HEATMAP_MODEL, LABELS, MASK_MODEL
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import STATE_FOLDER
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.monai_label.infer_tasks import AnomalyHeatmapTask, AnomalyMaskTask
from monailabel_app.monai_label.inference import Inference
from monailabel_app.monai_label.pacs import pacs_studies
from monailabel_app.monai_label.routes.installation import install_all_routes
from monailabel_app.monai_label.scoring import CASE_SCORES, CaseScores
from monailabel_app.monai_label.strategies import OHIF_STRATEGY, NextCase
from monailabel_app.monai_label.training_task import MetaTrainingTask
from monailabel_app.review.worklist import Strategy
from monailabel_app.services import build_services
from monailabel_app.studies.leftovers import remove_leftovers
from monailabel_app.studies.serving import claim, refuse_mistyped
from monailabel_app.studies.study_store import VOLUME_PATTERNS

# Absent in MONAI Label's sub-processes, which serve nobody.
_SERVER = "monailabel.app"


class D24FADApp(MONAILabelApp):
    """D24FAD for MONAI Label.

    Args:
        app_dir: the folder of `main.py`.
        studies: a folder of studies, or the address of a DICOMweb service.
        conf: the operator's settings, see `ServerConfiguration`.
    """

    studies: str

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
            install_all_routes(server.app, self.services, self._inference)
            self.services.start()

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
        """Build the services; MONAI Label calls this once its datastore is there."""
        folder = Path(self._datastore._datastore_path)
        if _SERVER in sys.modules:
            remove_leftovers(folder, folder / STATE_FOLDER)
        self.services = build_services(
            self.configuration, self._datastore, folder, self._datastore.damaged
        )
        analyses, resolve = self.services.analyses, self.services.resolve
        models: dict[str, InferTask] = {
            MASK_MODEL: AnomalyMaskTask(analyses, resolve),
            HEATMAP_MODEL: AnomalyHeatmapTask(analyses, resolve),
        }
        self._inference = Inference(models, self._datastore)
        return models

    def init_trainers(self) -> dict[str, TrainTask]:
        """The training on confirmed normals."""
        planner = self.services.planner
        return {
            MASK_MODEL: MetaTrainingTask(
                lambda request: {"job": planner.start(request.get("support_set"), request).id}
            )
        }

    def init_strategies(self) -> dict[str, StrategyTask]:
        """The orders in which MONAI Label's clients can ask for the next case."""
        parts = self.services.worklist, self.services.support_sets
        strategies = {strategy.value: NextCase(strategy, *parts) for strategy in Strategy}
        return {OHIF_STRATEGY: NextCase(Strategy.UNREVIEWED, *parts), **strategies}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """The case scores that the strategies choose by."""
        return {CASE_SCORES: CaseScores(lambda: {"job": self.services.scoring.start().id})}

    def async_scoring(self, method: str | None, params: Any = None) -> dict[str, Any]:
        """Score in a job of this server; the stock method starts one more Python for it.

        MONAI Label calls this at its start and after each case, unless
        `MONAI_LABEL_AUTO_UPDATE_SCORING` is false.
        """
        sets = self.services.support_sets
        if not sets.get(sets.default_name).members:
            return {}
        return {CASE_SCORES: {"job": self.services.scoring.start().id}}

    def infer(self, request: Mapping[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the datastore; unlike the stock method, on nothing else.

        Args:
            request: see `Inference.run`.
            datastore: where a label is saved; the app's own by default.

        Raises:
            RequestError: the model or image is unknown or the analysis cannot be done.
        """
        return self._inference.run(request, datastore)
