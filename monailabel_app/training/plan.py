"""What one training run learns from, and what it is judged by."""

import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from d24fad_core.files import hash_bytes
from monailabel_app.failures import RequestError
from monailabel_app.jobs.training_options import TrainingOptions

PLAN_FILE = "plan.json"
VERDICT_FILE = "verdict.json"
RUN_FOLDER = "run"

MINIMUM_TRAINING = 3
"""Patients to learn from; an episode needs a query and several supports."""
MINIMUM_HELD_OUT = 3
"""Patients to judge by."""


@dataclass(frozen=True)
class NormalStudy:
    """A study to read.

    Attributes:
        image: its image id.
        patient: whose it is, by a name that says nothing about them.
        path: file, or folder of a DICOM series.
    """

    image: str
    patient: str
    path: str


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that the training process is told.

    Attributes:
        checkpoint: folder of the checkpoint that training goes on from.
        checkpoint_hash: its hash.
        support: the support set; it is not learned from, since its own leave-one-out scores give
            the units and would come out too small.
        training: studies to learn from.
        held_out: one study of each patient to judge by.
        learned_from: patients that this or an earlier checkpoint of the line has learned from.
        options: how.
        device: torch device.
        threads: threads that it may use.
    """

    checkpoint: str
    checkpoint_hash: str
    support: tuple[NormalStudy, ...]
    training: tuple[NormalStudy, ...]
    held_out: tuple[NormalStudy, ...]
    learned_from: tuple[str, ...]
    options: TrainingOptions
    device: str
    threads: int

    def to_json(self) -> str:
        """As text for a file."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> "TrainingPlan":
        """From the file."""
        document = json.loads(path.read_text(encoding="utf-8"))
        for name in ("support", "training", "held_out"):
            document[name] = tuple(NormalStudy(**study) for study in document[name])
        document["learned_from"] = tuple(document["learned_from"])
        document["options"] = TrainingOptions(**document["options"])
        return cls(**document)

    @classmethod
    def read_stopped(cls, run: Path) -> "TrainingPlan | None":
        """The plan that a stopped run was begun with; None where there is no such run."""
        path = run / PLAN_FILE
        return cls.read(path) if path.is_file() else None


def pseudonym(patient: str) -> str:
    """How a patient is named on a model card, which may leave the house."""
    return hash_bytes(patient.encode())[:16]


def hold_out(patients: Collection[str], learned_from: Collection[str]) -> frozenset[str]:
    """Choose the patients to judge by: a third, never one that was learned from.

    The choice goes by a hash, so that it is the same every time; all studies of a patient fall on
    one side.

    Args:
        patients: everybody with a study confirmed as normal, outside the support set.
        learned_from: pseudonyms of those that the checkpoint has seen.

    Raises:
        RequestError: there are too few.
    """
    needed = MINIMUM_TRAINING + MINIMUM_HELD_OUT
    if len(patients) < needed:
        raise RequestError(
            "too_few_normals",
            f"{len(patients)} normal patients outside the support set are scored and confirmed; "
            f"training needs {needed}: {MINIMUM_TRAINING} to learn from and {MINIMUM_HELD_OUT} "
            "to judge the new checkpoint by.",
            f"Confirm {needed - len(patients)} more as normal.",
        )
    unseen = sorted((p for p in patients if pseudonym(p) not in learned_from), key=pseudonym)
    if len(unseen) < MINIMUM_HELD_OUT:
        raise RequestError(
            "too_few_normals",
            f"{len(unseen)} of the {len(patients)} normal patients were never learned from; "
            f"{MINIMUM_HELD_OUT} are needed to judge the new checkpoint by.",
            f"Confirm {MINIMUM_HELD_OUT - len(unseen)} new patients as normal.",
        )
    count = max(MINIMUM_HELD_OUT, math.floor(len(patients) / 3))
    return frozenset(unseen[:count])
