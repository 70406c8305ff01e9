"""The training process: `python -m monailabel_app.training FOLDER`, started by the server.

Reads FOLDER/plan.json, says on standard output how far it is (one JSON object a line), and writes
FOLDER/run/checkpoint and, last, FOLDER/verdict.json. Started again in the same folder it goes on
after the last epoch that was finished. It ends when the server does.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, overload

import torch

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import D24FADError, InputError
from d24fad_core.files import write_text
from d24fad_core.io.reading import read_volume
from d24fad_core.models.checkpoint import ModelCard, load_checkpoint
from d24fad_core.progress import Progress
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import VolumeEpisodes
from d24fad_core.training.trainer import train
from d24fad_core.volumes.volume import Plane, Volume
from monailabel_app.training.comparison import judge, measure
from monailabel_app.training.plan import (
    PLAN_FILE,
    RUN_FOLDER,
    VERDICT_FILE,
    NormalStudy,
    TrainingPlan,
    pseudonym,
)

ERROR_STATUS = 2

_NICENESS = 15
_TRAINING_STARTS, _TRAINING_ENDS = 0.15, 0.65
_QUERIES = 4


class StudiesOnDisk(Sequence[Volume]):
    """Studies that are read when they are asked for, so that one is in memory at a time.

    Args:
        studies: where they are.
        reading: told the number of each study that is read.
    """

    def __init__(
        self, studies: Sequence[NormalStudy], reading: Callable[[int], None] = lambda _: None
    ) -> None:
        self._studies = studies
        self._reading = reading

    def __len__(self) -> int:
        return len(self._studies)

    @overload
    def __getitem__(self, index: int) -> Volume: ...
    @overload
    def __getitem__(self, index: slice) -> "StudiesOnDisk": ...
    def __getitem__(self, index: int | slice) -> "Volume | StudiesOnDisk":
        """One study, read now."""
        if isinstance(index, slice):
            return StudiesOnDisk(self._studies[index], self._reading)
        study = self._studies[index]
        self._reading(index)
        try:
            volume = read_volume(Path(study.path))
        except InputError as error:
            # The server's folders are no business of a client, who sees this in the job.
            raise InputError(
                error.cause.replace(study.path, study.image),
                error.remedy.replace(study.path, study.image),
            ) from error
        return Volume(
            volume.array, volume.affine, volume.modality, study.image, volume.modality_source
        )


def run(folder: Path, progress: Progress) -> None:
    """Train and compare.

    Raises:
        D24FADError: a study or the checkpoint cannot be used.
    """
    plan = TrainingPlan.read(folder / PLAN_FILE)
    torch.set_num_threads(plan.threads)
    _train(plan, folder / RUN_FOLDER, progress)
    options = DetectionOptions(ct_window=plan.options.ct_window, comparison=ComparisonKind.WINDOW)
    support = list(StudiesOnDisk(plan.support))
    held_out = StudiesOnDisk(plan.held_out)
    scores = []
    folders = (Path(plan.checkpoint), folder / RUN_FOLDER / "checkpoint")
    for number, checkpoint in enumerate(folders):
        share = (1.0 - _TRAINING_ENDS) / len(folders)
        start = _TRAINING_ENDS + number * share

        def report(step: str, fraction: float, start: float = start, share: float = share) -> None:
            progress(step, start + share * fraction)

        detector = Detector.from_checkpoint(checkpoint, device=plan.device)
        scores.append(measure(detector, support, held_out, options, report))
    verdict = judge(*scores)
    write_text(folder / VERDICT_FILE, json.dumps(asdict(verdict), indent=1))


def _train(plan: TrainingPlan, folder: Path, progress: Progress) -> None:
    model, card = load_checkpoint(Path(plan.checkpoint))
    count = len(plan.training)
    studies = StudiesOnDisk(
        plan.training,
        lambda index: progress("Aligning the normals", _TRAINING_STARTS * index / count),
    )
    source = VolumeEpisodes.from_studies(
        "confirmed normals", studies, Plane.AXIAL, card.image_size, plan.options.ct_window
    )
    options = plan.options
    total = options.epochs * options.steps

    def on_step(step: int, epoch: int) -> None:
        done = ((epoch - 1) * options.steps + step) / total
        progress(
            f"Training, epoch {epoch} of {options.epochs}",
            _TRAINING_STARTS + (_TRAINING_ENDS - _TRAINING_STARTS) * done,
        )

    train(
        _config(plan, card),
        [source],
        folder,
        _card(plan, card),
        initial=model,
        device=plan.device,
        on_step=on_step,
    )


def _config(plan: TrainingPlan, card: ModelCard) -> TrainingConfig:
    """The settings that the checkpoint was made with, but for those of the new run."""
    names = {"ssd_weight", "tsd_weight", "stop_gradient", "per_position"}
    known = {field.name for field in fields(TrainingConfig)} & names
    former: dict[str, Any] = {name: card.training[name] for name in known & set(card.training)}
    return TrainingConfig(
        network=card.network,
        image_size=card.image_size,
        epochs=plan.options.epochs,
        steps=plan.options.steps,
        queries=_QUERIES,
        shots=min(_QUERIES, len(plan.training) - 1),
        learning_rate=plan.options.learning_rate,
        seed=plan.options.seed,
        **former,
    )


def _card(plan: TrainingPlan, former: ModelCard) -> ModelCard:
    learned = {pseudonym(study.patient) for study in plan.training} | set(plan.learned_from)
    return ModelCard(
        name=former.name,
        network=former.network,
        image_size=former.image_size,
        scoring=former.scoring,
        image_scoring=former.image_scoring,
        licence=former.licence,
        training={
            "data": f"confirmed normals of a server, {len(plan.training)} studies",
            "learned_from": sorted(learned),
            "continued_from": {"checkpoint_hash": plan.checkpoint_hash, **former.training},
        },
    )


def _end_with_the_server() -> None:
    """The server holds the other end of standard input; it closes however the server ends."""
    # Python's own buffer would be locked by this thread when the process ends.
    while os.read(sys.stdin.fileno(), 1):
        continue
    os._exit(1)


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Do what the server asks for; returns the exit status."""
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    os.nice(_NICENESS)
    try:
        run(
            Path(sys.argv[1]),
            lambda step, fraction: _say({"step": step, "fraction": fraction}),
        )
    except D24FADError as error:
        cause, remedy = error.sentences()
        _say({"error": {"cause": cause, "remedy": remedy}})
        return ERROR_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main())
