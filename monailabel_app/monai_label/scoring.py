"""The scoring method that MONAI Label's clients see: case scores of all images."""

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

CASE_SCORES = "case_scores"


class CaseScores(ScoringMethod):
    """Fills the case scores that the strategies choose by.

    Args:
        start: starts the job that does it.
    """

    def __init__(self, start: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__("Case score of every image against the default support set")
        self._start = start

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> Mapping[str, Any]:
        """Start it; the answer says which job does it."""
        return self._start()
