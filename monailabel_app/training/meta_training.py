"""The job that continues meta-training on confirmed normals and serves what came out of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from d24fad_core.progress import Progress
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.requests import TrainingRequest
from monailabel_app.training.checkpoints import Checkpoints
from monailabel_app.training.plan import RUN_FOLDER, TrainingPlan
from monailabel_app.training.planning import TrainingPlanner
from monailabel_app.training.process import run_training


class MetaTraining:
    """Runs trainings, one at a time, each in a process of its own.

    Args:
        folder: where the runs lie; made when missing.
        planner: plans a training.
        checkpoints: where its result goes.
        load: loads a checkpoint from its folder and puts it in the place of the served one.
        score_anew: called with the support set's name after that.
    """

    def __init__(
        self,
        folder: Path,
        planner: TrainingPlanner,
        checkpoints: Checkpoints,
        load: Callable[[Path], None],
        score_anew: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._planner = planner
        self._checkpoints = checkpoints
        self._load = load
        self._score_anew = score_anew
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, job: Job, progress: Progress) -> str:
        """Train, judge, and serve the new checkpoint if the verdict is for it; returns its hash.

        Raises:
            RequestError: there are too few normals now, or the training failed.
            CancelledError: `progress` raised it.
        """
        run = self._folder / job.id
        request = job.request_as(TrainingRequest)
        name = request.support_set
        for former in self._folder.iterdir():
            if former != run:
                shutil.rmtree(former, ignore_errors=True)
        try:
            progress("Choosing the normals", 0.0)
            plan = TrainingPlan.read_stopped(run) or self._planner.plan(name, request.options)
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
        self._checkpoints.serve(identifier, self._load)
        self._score_anew(support_set)
