"""The app: builds its parts and hands them to MONAI Label."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d24fad_core.detection.detector import Detector
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask

from d24fad_core import RESEARCH_USE_ONLY, __version__
from monailabel_app.library.analyses import Analyses
from monailabel_app.library.configuration import ServerConfiguration
from monailabel_app.library.failures import RequestError
from monailabel_app.library.images import ImageCatalogue
from monailabel_app.library.infer_tasks import (
    HEATMAP_MODEL,
    LABELS,
    MASK_MODEL,
    AnomalyHeatmapTask,
    AnomalyMaskTask,
)
from monailabel_app.library.resolver import AnalysisResolver
from monailabel_app.library.results import ResultStore
from monailabel_app.library.routes import install_routes
from monailabel_app.library.support_sets import SupportSets

logger = logging.getLogger(__name__)

STATE_FOLDER = ".d24fad"


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
            name="D24FAD",
            description=(
                "Finds what is abnormal in a CT or MRI study by a few normal ones. "
                f"{RESEARCH_USE_ONLY}"
            ),
            version=__version__,
            labels=LABELS,
        )
        server = sys.modules.get("monailabel.app")
        if server is not None:  # absent in MONAI Label's sub-processes, which serve nobody
            install_routes(server.app, self)

    def init_infers(self) -> dict[str, InferTask]:
        """Build the parts; MONAI Label calls this once its datastore is there."""
        self.state_folder = Path(self._datastore._datastore_path) / STATE_FOLDER
        self.images = ImageCatalogue(self._datastore)
        self.support_sets = SupportSets(
            self.state_folder / "support_sets", self.images, self.configuration.support_patterns
        )
        self.results = ResultStore(self.state_folder / "results")
        detector = Detector.from_checkpoint(
            self.configuration.checkpoint,
            cache_folder=self.state_folder / "features",
            device=self.configuration.device,
        )
        self.analyses = Analyses(detector, self.images, self.results)
        self.resolve = AnalysisResolver(self.images, self.support_sets)
        return {
            MASK_MODEL: AnomalyMaskTask(self.analyses, self.resolve),
            HEATMAP_MODEL: AnomalyHeatmapTask(self.analyses, self.resolve),
        }

    @property
    def studies_kind(self) -> str:
        """`folder`, or `dicomweb` where the studies come from a PACS."""
        return "dicomweb" if isinstance(self._datastore, DICOMWebDatastore) else "folder"

    def checkpoint_document(self) -> dict[str, str]:
        """What is known of the weights."""
        return {"hash": self.analyses.detector.checkpoint_hash}

    def infer(self, request: Mapping[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the datastore; unlike the stock method, on nothing else.

        Args:
            request: `model`, `image` (an image id) or `uploaded` (a path, set by our own route
                only), analysis parameters, and MONAI Label's `save_label` and `label_tag`.
            datastore: where a label is saved; the app's own by default.

        Raises:
            RequestError: the model or image is unknown or the analysis cannot be done.
        """
        model = request.get("model")
        task = self._infers.get(model) if isinstance(model, str) else None
        if task is None:
            raise RequestError(
                "unknown_model",
                f"There is no model {str(model)[:100]!r}.",
                f"Choose one of {', '.join(self._infers)}.",
            )
        file, answer = task(request)
        label = file
        if file and request.get("save_label") and "uploaded" not in request:
            tag = "heatmap" if model == HEATMAP_MODEL else "original"
            label = (datastore or self._datastore).save_label(
                request["image"], file, tag, {"model": model, "params": answer}
            )
        return {"label": label, "tag": "original", "file": file, "params": answer}
