"""What changed since an earlier study of the patient, as the panel shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .language import tr as _
from .matching import SupportMatch
from .records import Document, number, text

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First and last voxel index (i, j, k), both inclusive."""


@dataclass(frozen=True)
class Change:
    """What became of a place since the prior.

    Attributes:
        kind: `new`, `grown`, `shrunk`, `gone` or `stable`.
        volume_ml: volume now, in ml.
        prior_volume_ml: volume in the prior, in ml.
        box: where it is; None where the report does not say.
    """

    kind: str
    volume_ml: float
    prior_volume_ml: float
    box: Box | None = None

    @classmethod
    def read(cls, document: Document) -> Change:
        """Read it from a report.

        Raises:
            ExplainedError: the report lacks one of its parts.
        """
        return cls(
            kind=text(document, "kind"),
            volume_ml=number(document, "volume_ml"),
            prior_volume_ml=number(document, "prior_volume_ml"),
            box=read_box(document.get("bounding_box")),
        )

    @property
    def words(self) -> str:
        """What became of it, with its volumes then and now, e.g. `grown 0.29 to 1.03 ml`."""
        kinds = {
            "new": _("new"),
            "grown": _("grown"),
            "shrunk": _("shrunk"),
            "gone": _("gone"),
            "stable": _("stable"),
        }
        return _("{kind} {before:.2f} to {now:.2f} ml").format(
            kind=kinds.get(self.kind, self.kind), before=self.prior_volume_ml, now=self.volume_ml
        )


@dataclass(frozen=True)
class SincePrior:
    """The comparison with an earlier study of the patient.

    Attributes:
        prior: image id of the earlier study.
        changes: by falling peak; what is stable comes last.
        match: where places of the case lie in the prior; None from a server too old to tell.
    """

    prior: str
    changes: tuple[Change, ...]
    match: SupportMatch | None = None

    @classmethod
    def read(cls, document: object) -> SincePrior | None:
        """Read it from a report.

        Returns:
            None where no prior was given, or by a server that knows none.

        Raises:
            ExplainedError: the report lacks one of its parts.
        """
        if not isinstance(document, dict):
            return None
        prior = document.get("prior") or {}
        name, matrix = text(prior, "name"), prior.get("to_prior")
        match = {"image": name, "query_to_support": matrix}
        return cls(
            prior=name,
            changes=tuple(Change.read(change) for change in document.get("changes") or ()),
            match=None if matrix is None else SupportMatch.read(match),
        )

    def change_at(self, box: Box | None) -> Change | None:
        """The change that shares most with a box; None where none touches it."""
        shared = [(shared_voxels(change.box, box), change) for change in self.changes]
        most, change = max(shared, key=lambda pair: pair[0], default=(0, None))
        return change if most else None


def read_box(document: Any) -> Box | None:
    """A box of a report; None where there is none."""
    try:
        (i, j, k), (last_i, last_j, last_k) = document
        return (int(i), int(j), int(k)), (int(last_i), int(last_j), int(last_k))
    except (TypeError, ValueError):
        return None


def shared_voxels(first: Box | None, second: Box | None) -> int:
    """How many voxels two boxes share."""
    if first is None or second is None:
        return 0
    low, high = np.maximum(first[0], second[0]), np.minimum(first[1], second[1])
    return int(np.prod(np.maximum(high - low + 1, 0)))
