"""The checkpoint that is served, those that training made of it, and the way back."""

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.errors import CheckpointError
from d24fad_core.files import sync_folder, write_text
from d24fad_core.models.checkpoint import (
    CARD_FILE,
    SHIPPED,
    ModelCard,
    checkpoint_hash,
    read_card,
)
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import CHECKPOINTS, SETTINGS
from monailabel_app.times import now

SERVED = "served_checkpoint"


@dataclass(frozen=True)
class CheckpointRecord:
    """What is known of a checkpoint.

    Attributes:
        hash: names it, as in results and calibration.
        name: name on its card.
        created: when training ended, ISO 8601, UTC; None for the operator's own.
        continued_from: hash of the checkpoint that training began with.
        support_set: name of the set that it was judged with.
        verdict: what held-out normals said, see `training.comparison`.
        kept: whether its weights are here; those of a refused one are not.
    """

    hash: str
    name: str
    created: str | None = None
    continued_from: str | None = None
    support_set: str | None = None
    verdict: dict[str, Any] | None = None
    kept: bool = True


@dataclass(frozen=True)
class ServedCheckpoint:
    """Which checkpoint took the place of the operator's.

    Attributes:
        own: hash of the operator's checkpoint at that time.
        served: hash of the one that is served instead.
    """

    own: str
    served: str


class Checkpoints:
    """The operator's checkpoint and those that training on this server made.

    Args:
        folder: where the weights of the latter are kept; made when missing.
        database: keeps what is known of them.
        own: folder of the operator's checkpoint; None is the shipped one.
    """

    def __init__(self, folder: Path, database: Database, own: Path | None) -> None:
        self._folder = folder
        self._records = Records(database, CHECKPOINTS, CheckpointRecord)
        self._settings = Records(database, SETTINGS, ServedCheckpoint)
        self._own = own or SHIPPED
        card = read_card(self._own)
        self._own_record = CheckpointRecord(_hash(card), card.name)
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def served(self) -> str:
        """Hash of the checkpoint in use: the operator's, unless another took its place."""
        choice = self._settings.get(SERVED)
        # An operator who starts the server with another checkpoint wants that one.
        if choice and choice.own == self._own_record.hash and self._has(choice.served):
            return choice.served
        return self._own_record.hash

    def all(self) -> list[CheckpointRecord]:
        """Every checkpoint, the operator's first, the others by time."""
        trained = sorted(self._records.find(), key=lambda record: record.created or "")
        return [self._own_record, *trained]

    def get(self, identifier: str) -> CheckpointRecord:
        """The checkpoint with this hash.

        Raises:
            RequestError: there is none.
        """
        for record in self.all():
            if record.hash == identifier:
                return record
        raise RequestError(
            "unknown_checkpoint",
            f"There is no checkpoint '{identifier[:100]}'.",
            "Choose one that GET /d24fad/v1/checkpoints lists.",
        )

    def path(self, identifier: str) -> Path:
        """The folder with the weights of a checkpoint.

        Raises:
            RequestError: there is none, or held-out normals were against it.
        """
        record = self.get(identifier)
        if record.hash == self._own_record.hash:
            return self._own
        if not record.kept:
            raise RequestError(
                "unknown_checkpoint",
                f"The checkpoint '{identifier}' was not kept.",
                "Choose one whose 'kept' is true.",
            )
        return self._folder / record.hash

    def add(
        self, trained: Path, continued_from: str, support_set: str, verdict: dict[str, Any]
    ) -> CheckpointRecord:
        """Put a trained checkpoint on record, with its weights where the verdict is for it.

        Args:
            trained: the folder that training wrote.
            continued_from: hash of what training began with.
            support_set: name of the set that it was judged with.
            verdict: what held-out normals said.
        """
        card = read_card(trained)
        accepts = bool(verdict["accepted"])
        record = CheckpointRecord(
            _hash(card), card.name, now(), continued_from, support_set, verdict, accepts
        )
        if accepts:
            measured = replace(card, metrics={**card.metrics, "held_out_normals": verdict})
            self._keep_weights(trained, measured, self._folder / record.hash)
        self._records.add(record.hash, record)
        return record

    def serve(self, identifier: str, put_in_place: Callable[[Path], None]) -> None:
        """Serve another checkpoint, now and after a restart.

        Args:
            identifier: its hash.
            put_in_place: loads it from its folder; where that fails nothing changes.

        Raises:
            RequestError: there is no such checkpoint.
            CheckpointError: it cannot be loaded.
        """
        with self._lock:
            put_in_place(self.path(identifier))
            self._settings.put(SERVED, ServedCheckpoint(self._own_record.hash, identifier))

    def _keep_weights(self, trained: Path, card: ModelCard, target: Path) -> None:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._folder))
        try:
            shutil.copytree(trained, partial, dirs_exist_ok=True)
            write_text(partial / CARD_FILE, json.dumps(card.to_dict(), indent=2) + "\n")
            partial.chmod(0o755)
            if not target.exists():
                partial.rename(target)
                sync_folder(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _has(self, identifier: str) -> bool:
        try:
            return (self.path(identifier) / CARD_FILE).is_file()
        except RequestError:
            return False


def _hash(card: ModelCard) -> str:
    """The hash that a detector of this card goes by."""
    if not card.weights_hash:
        raise CheckpointError(
            f"the model card of '{card.name}' has no hash of its weights",
            "save it again.",
        )
    return checkpoint_hash(replace(card, scoring=ScoringConfig.from_dict(card.scoring).to_dict()))
