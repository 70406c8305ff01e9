"""Running the models as MONAI Label's clients ask for it."""

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask

from monailabel_app.analysis.model_names import HEATMAP_MODEL
from monailabel_app.failures import RequestError


class Inference:
    """The models by name.

    Args:
        models: what runs each of them.
        datastore: where a label is saved.
    """

    def __init__(self, models: Mapping[str, InferTask], datastore: Datastore) -> None:
        self.models = models
        self.datastore = datastore

    def require(self, model: str) -> InferTask:
        """The model of this name.

        Raises:
            RequestError: there is none.
        """
        if model not in self.models:
            raise RequestError(
                "unknown_model",
                f"There is no model {model[:100]!r}.",
                f"Choose one of {', '.join(self.models)}.",
            )
        return self.models[model]

    def run(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Run a model on an image of the datastore, and on nothing else.

        Args:
            request: `model`, `image` (an image id) or `uploaded` (a path, set by our own route
                only), analysis parameters, and MONAI Label's `save_label` and `label_tag`.
            datastore: where a label is saved instead.

        Raises:
            RequestError: the model or image is unknown or the analysis cannot be done.
        """
        model = str(request.get("model"))
        file, answer = self.require(model)(request)
        label = file
        if file and request.get("save_label") and "uploaded" not in request:
            tag = "heatmap" if model == HEATMAP_MODEL else "original"
            label = (datastore or self.datastore).save_label(
                request["image"], file, tag, {"model": model, "params": answer}
            )
        return {"label": label, "tag": "original", "file": file, "params": answer}
