"""Planning a training, and starting its job."""

from collections.abc import Mapping
from typing import Any

from d24fad_core.models.checkpoint import read_card
from monailabel_app.analysis.parameters import MINIMUM_SUPPORTS
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.queue import JobQueue
from monailabel_app.jobs.requests import TrainingRequest
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.training.checkpoints import Checkpoints
from monailabel_app.training.normal_studies import NormalStudies
from monailabel_app.training.plan import TrainingPlan, hold_out


class TrainingPlanner:
    """Plans trainings, and starts them.

    Args:
        configuration: device and threads.
        support_sets: the support sets.
        normals: the studies to learn from.
        checkpoints: where training begins.
        jobs: does it.
    """

    def __init__(
        self,
        configuration: ServerConfiguration,
        support_sets: SupportSets,
        normals: NormalStudies,
        checkpoints: Checkpoints,
        jobs: JobQueue,
    ) -> None:
        self._configuration = configuration
        self._support_sets = support_sets
        self._normals = normals
        self._checkpoints = checkpoints
        self._jobs = jobs

    def start(self, support_set: str | None, options: Mapping[str, Any]) -> Job:
        """Continue meta-training on the confirmed normals that were scored with a set.

        Raises:
            RequestError: the set or an option is unknown, or there are too few normals.
        """
        name = support_set or self._support_sets.default_name
        parsed = TrainingOptions.parse(options)
        plan = self.plan(name, parsed)
        request = TrainingRequest(
            support_set=name,
            options=parsed,
            images=tuple(study.image for study in plan.training),
            held_out=tuple(study.image for study in plan.held_out),
        )
        return self._jobs.submit(Job.create(request))

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
        studies = self._normals.confirmed(support_set)
        judging = hold_out({study.patient for study in studies}, learned_from)
        held_out = {study.patient: study for study in studies if study.patient in judging}
        return TrainingPlan(
            checkpoint=str(folder),
            checkpoint_hash=served,
            support=tuple(self._normals.study(image) for image in members),
            training=tuple(study for study in studies if study.patient not in judging),
            held_out=tuple(held_out.values()),
            learned_from=learned_from,
            options=options,
            device=self._configuration.device,
            threads=self._configuration.training_threads,
        )
