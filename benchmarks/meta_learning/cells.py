"""Scores of a held-out task's test images by weights or metrics learnt without it, for
`benchmarks.meta_learning`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.meta_learning.data import (
    SHOTS,
    MetaTask,
    Table,
    episode_rows,
    support_rows,
    tables_of,
)
from benchmarks.meta_learning.fusion import (
    FixedWeights,
    FusionConfig,
    image_pairs,
    image_rows,
    learn_weights,
    pixel_pairs,
    restricted,
)
from benchmarks.meta_learning.maps import STUDENT_KEYS, TEACHER_KEYS
from benchmarks.meta_learning.metric import MetricConfig, image_scores, learn_metric
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores, read_scores, write_scores
from d24fad_core.files import hash_bytes
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.networks.d24fad import D24FAD

_EPISODES = 4
_QUERIES = 40

PASTED, OWN, REAL, TEST = "pasted", "own", "real", "test"
"""What a variant learns from: anomalies pasted into the other tasks' normal images; into the
held-out task's own; the other tasks' real anomalies; the very test. Only the first is a result, the
others show where its limits lie."""


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: its name.
        learnt: what is learnt, or weights that are not.
        source: what from, `PASTED`, `OWN`, `REAL` or `TEST`.
    """

    name: str
    learnt: FixedWeights | FusionConfig | MetricConfig
    source: str = PASTED


class HeldOutCells:
    """Scores of variants on held-out tasks; those on disk are read.

    Args:
        tasks: all tasks.
        teacher: a network whose teacher is used.
        students: folder of TASK_seed0/checkpoint, trained without TASK; None for no student.
        out: folder of scores.
        draws: draws of support images.
    """

    def __init__(
        self,
        tasks: Sequence[MetaTask],
        teacher: D24FAD,
        students: Path | None,
        out: Path,
        draws: int,
    ) -> None:
        self._tasks, self._teacher, self._students = tasks, teacher, students
        self._out, self._draws = out, draws
        self._keys = TEACHER_KEYS + (STUDENT_KEYS if students else ())
        self._tested: dict[int, list[Table]] = {}
        self._pasted: dict[tuple[int, int], list[Table]] = {}

    def scores(self, variant: Variant, held_out: int) -> list[ImageScores]:
        """Scores of the test images by one variant, for each draw of supports.

        Args:
            variant: the variant.
            held_out: index of the task that it is measured on.
        """
        task = self._tasks[held_out]
        title = "".join(letter if letter.isalnum() else "_" for letter in variant.name)
        folder = self._out / "meta_learning" / task.name
        shaping = [asdict(variant), bool(self._students), len(task.source), _EPISODES, _QUERIES]
        key = hash_bytes(json.dumps(shaping, sort_keys=True).encode())
        paths = [folder / f"{title}_draw{draw}.json" for draw in range(self._draws)]
        known = [read_scores(path, key) for path in paths]
        if not all(known):
            for draw, values in enumerate(self._measure(variant, held_out)):
                scores = ImageScores(
                    task=task.name,
                    method=variant.name,
                    protocol=CORRECTED,
                    shots=SHOTS,
                    seed=None,
                    draw=draw,
                    names=task.names,
                    labels=task.labels,
                    scores=tuple(values.tolist()),
                )
                write_scores(paths[draw], key, [scores])
                known[draw] = (scores,)
        return [one for scores in known for one in scores or ()]

    def _measure(self, variant: Variant, held_out: int) -> list[Tensor]:
        """Scores of the test images, (B,), for each draw."""
        task, learnt = self._tasks[held_out], variant.learnt
        if isinstance(learnt, MetricConfig):
            others = [other for other in self._tasks if other is not task]
            info = self._teacher.teacher.info
            sources = [task] if variant.source == OWN else others
            metric = learn_metric(sources, held_out, learnt, info)
            supports = [task.normals[support_rows(task, draw)] for draw in range(self._draws)]
            return [image_scores(metric, task.test, support, info) for support in supports]
        keys = self._keys if learnt.student else TEACHER_KEYS
        weights = (
            learnt.weights(keys)
            if isinstance(learnt, FixedWeights)
            else learn_weights(self._pairs(learnt, variant.source, held_out), keys, learnt)
        )
        return [
            image_rows(restricted(table, keys), learnt.poolings) @ weights
            for table in self._test_tables(held_out)
        ]

    def _pairs(self, config: FusionConfig, source: str, held_out: int) -> Tensor:
        """Differences of abnormal and normal things that weights are learnt from."""
        others = [index for index in range(len(self._tasks)) if index != held_out]
        learnt_from = [held_out] if source in (OWN, TEST) else others
        random = np.random.default_rng(held_out)
        pairs = []
        for index in learnt_from:
            if source in (REAL, TEST):
                tables, normals = self._test_tables(index), self._tasks[index].labels.count(0)
            else:
                tables, normals = self._pasted_tables(index, held_out), _QUERIES
            for table in tables:
                part = restricted(table, self._keys if config.student else TEACHER_KEYS)
                pairs.append(
                    pixel_pairs(part, random)
                    if config.pixels
                    else image_pairs(part, normals, config, random)
                )
        return torch.cat(pairs)

    def _test_tables(self, index: int) -> list[Table]:
        """Distances of a task's test images, for each draw, by the student that never saw it."""
        if index not in self._tested:
            task, model = self._tasks[index], self._student(index)
            supports = [task.normals[support_rows(task, draw)] for draw in range(self._draws)]
            self._tested[index] = tables_of(task.test, supports, self._keys, model)
        return self._tested[index]

    def _pasted_tables(self, index: int, held_out: int) -> list[Table]:
        """Distances in episodes of one task while another one, or itself, is held out.

        The student is that of the held-out task. It has seen the normal images of the other tasks,
        and predicts them better than it will predict the held-out task's.
        """
        if (index, held_out) not in self._pasted:
            task, model = self._tasks[index], self._student(held_out)
            tables: list[Table] = []
            for episode in range(_EPISODES):
                random = np.random.default_rng([7, index, episode])
                support, normal, pasted = episode_rows(task, held_out, random, _QUERIES)
                masks = torch.cat([torch.zeros_like(task.masks[:_QUERIES]), task.masks[pasted]])
                images = task.normals[normal] + task.pasted[pasted]
                tables += tables_of(images, [task.normals[support]], self._keys, model, masks)
            self._pasted[index, held_out] = tables
        return self._pasted[index, held_out]

    def _student(self, held_out: int) -> D24FAD:
        if self._students is None:
            return self._teacher
        folder = self._students / f"{self._tasks[held_out].name}_seed0" / "checkpoint"
        return load_checkpoint(folder)[0].eval()
