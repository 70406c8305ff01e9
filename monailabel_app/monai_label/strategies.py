"""The choice of the next case, in the form in which MONAI Label's clients ask for it."""

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy as StrategyTask

from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.review.worklist import Strategy, Worklist

OHIF_STRATEGY = "random"
"""What OHIF's *Next Sample* asks for, whichever strategy its user has chosen."""

_DESCRIPTIONS = {
    Strategy.MOST_ANOMALOUS: "Highest case score first",
    Strategy.MOST_UNCERTAIN: "Case score nearest the threshold first",
    Strategy.UNREVIEWED: "In the order of the image ids",
}


class NextCase(StrategyTask):
    """One strategy.

    Args:
        strategy: which.
        worklist: knows the images.
        support_sets: knows the default set.
    """

    def __init__(self, strategy: Strategy, worklist: Worklist, support_sets: SupportSets) -> None:
        super().__init__(_DESCRIPTIONS[strategy])
        self._strategy = strategy
        self._worklist = worklist
        self._support_sets = support_sets

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The next image's id, None when every image is reviewed."""
        name = request.get("support_set") or self._support_sets.default_name
        choice = self._worklist.next(self._strategy, self._support_sets.get(str(name)).name)
        if choice is None:
            return None
        return {"id": choice.entry.image, "reason": choice.reason}
