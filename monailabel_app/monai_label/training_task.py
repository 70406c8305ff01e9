"""The training as MONAI Label's clients see it."""

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from monailabel_app.jobs.training_options import TrainingOptions


class MetaTrainingTask(TrainTask):
    """Continues meta-training.

    Args:
        start: starts the job that does it.
    """

    def __init__(self, start: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        super().__init__("Continue meta-training on studies confirmed as normal")
        self._start = start

    def config(self) -> dict[str, Any]:
        """The options with their defaults."""
        default = TrainingOptions()
        return {
            "epochs": default.epochs,
            "steps": default.steps,
            "learning_rate": default.learning_rate,
        }

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> Mapping[str, Any]:
        """Start it; the answer says which job does it."""
        return self._start(request)
