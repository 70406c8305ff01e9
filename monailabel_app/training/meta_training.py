"""The job that continues meta-training on confirmed normals and serves what came out of it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from d24fad_core.models.checkpoint import read_card
from d24fad_core.progress import Progress
from monailabel_app.analysis.parameters import MINIMUM_SUPPORTS
from monailabel_app.analysis.results import ResultStore
from monailabel_app.calibration.normal_scores import NormalPatients
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.review.worklist import Worklist
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.training.checkpoints import Checkpoints
from monailabel_app.training.plan import (
    RUN_FOLDER,
    NormalStudy,
    TrainingOptions,
    TrainingPlan,
    hold_out,
)
from monailabel_app.training.process import run_training


class MetaTraining:
    """Plans and runs trainings, one at a time, each in a process of its own.

    Args:
        folder: where the runs lie; made when missing.
        configuration: device and threads.
        images: the studies of the server.
        support_sets: the support sets.
        worklist: knows which images are confirmed as normal.
        results: knows which images were scored with a set.
        normals: knows whose image is whose.
        checkpoints: where training begins, and where its result goes.
        serve: loads a checkpoint from its folder and puts it in the place of the served one.
        served_anew: called with the support set's name after that.
    """

    def __init__(
        self,
        folder: Path,
        configuration: ServerConfiguration,
        images: ImageCatalogue,
        support_sets: SupportSets,
        worklist: Worklist,
        results: ResultStore,
        normals: NormalPatients,
        checkpoints: Checkpoints,
        serve: Callable[[Path], None],
        served_anew: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._configuration = configuration
        self._images = images
        self._support_sets = support_sets
        self._worklist = worklist
        self._results = results
        self._normals = normals
        self._checkpoints = checkpoints
        self._serve = serve
        self._served_anew = served_anew
        folder.mkdir(parents=True, exist_ok=True)

    def plan(self, support_set: str, options: TrainingOptions) -> TrainingPlan:
        """Divide the confirmed normals into those to learn from and those to judge by.

        Raises:
            RequestError: the set is unknown or too small, or there are too few normals.
        """
        members = self._support_sets.get(support_set).images
        if len(members) < MINIMUM_SUPPORTS:
            raise RequestError(
                "too_few_supports",
                f"The support set '{support_set}' has {len(members)} studies; at least "
                f"{MINIMUM_SUPPORTS} are needed to judge the new checkpoint with.",
                "Add normal studies of the same kind to the set.",
            )
        served = self._checkpoints.served
        folder = self._checkpoints.path(served)
        learned_from = tuple(read_card(folder).training.get("learned_from", ()))
        studies = self._normal_studies(support_set)
        judging = hold_out({study.patient for study in studies}, learned_from)
        held_out = {study.patient: study for study in studies if study.patient in judging}
        return TrainingPlan(
            checkpoint=str(folder),
            checkpoint_hash=served,
            support=tuple(self._study(image) for image in members),
            training=tuple(study for study in studies if study.patient not in judging),
            held_out=tuple(held_out.values()),
            learned_from=learned_from,
            options=options,
            device=self._configuration.device,
            threads=self._configuration.training_threads,
        )

    def run(self, job: Job, progress: Progress) -> str:
        """Train, judge, and serve the new checkpoint if the verdict is for it; returns its hash.

        Raises:
            RequestError: there are too few normals now, or the training failed.
            CancelledError: `progress` raised it.
        """
        run = self._folder / job.id
        name = job.request["support_set"]
        for former in self._folder.iterdir():
            if former != run:
                shutil.rmtree(former, ignore_errors=True)
        try:
            progress("Choosing the normals", 0.0)
            plan = TrainingPlan.read_stopped(run) or self.plan(
                name, TrainingOptions.parse(job.request["options"])
            )
            verdict = run_training(run, plan, progress)
            record = self._checkpoints.add(
                run / RUN_FOLDER / "checkpoint", plan.checkpoint_hash, name, verdict
            )
        except Exception:
            shutil.rmtree(run, ignore_errors=True)
            raise
        # Somebody may have brought another checkpoint back while this one was trained.
        if record.kept and self._checkpoints.served == plan.checkpoint_hash:
            self.serve(record.hash, name)
        return record.hash

    def serve(self, identifier: str, support_set: str) -> None:
        """Serve a checkpoint from now on.

        Args:
            identifier: its hash.
            support_set: the set whose scores are made again with it.

        Raises:
            RequestError: there is no such checkpoint.
            CheckpointError: it cannot be loaded.
        """
        if identifier == self._checkpoints.served:
            return
        self._checkpoints.serve(identifier, self._serve)
        self._served_anew(support_set)

    def _normal_studies(self, support_set: str) -> list[NormalStudy]:
        """Studies confirmed as normal that were scored with the set and are not in it."""
        scored = {r.image for r in self._results.records() if r.support_set == support_set}
        found: dict[str, NormalStudy] = {}
        for entry in self._worklist.entries(support_set):
            if (
                entry.confirmed_normal
                and entry.image in scored
                and support_set not in entry.support_sets
            ):
                study = self._study(entry.image)
                # A study that is here twice must not be learned from and judged by.
                content = self._images.content_hash(self._images.study(entry.image))
                found.setdefault(content, study)
        return list(found.values())

    def _study(self, image: str) -> NormalStudy:
        study = self._images.study(image)
        return NormalStudy(image, self._normals.patient(image), str(study.path))


class MetaTrainingTask(TrainTask):
    """The training as MONAI Label's clients see it.

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
