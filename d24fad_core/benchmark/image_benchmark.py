"""The benchmark on image tasks: features, baselines, held-out students and their scores, in an
order that gives whole results early; what was done is not done again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d24fad_core.benchmark.image_cells import (
    CellSettings,
    HeldOutTask,
    draw_supports,
    image_features,
    score_draw,
    score_file,
    score_key,
)
from d24fad_core.benchmark.image_methods import Method
from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.image_scores import ImageScores, read_scores, write_scores
from d24fad_core.files import hash_bytes
from d24fad_core.images.image_folder import (
    ImageFolderTask,
    find_task,
    foreground,
    load_images,
    to_unit,
)
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.networks.weighting import PositionWeighting
from d24fad_core.progress import Progress, silent
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.feature_episodes import FeatureEpisodes
from d24fad_core.training.feature_store import FeatureStore
from d24fad_core.training.held_out import NormalImages, train_without

_READ_AT_ONCE = 64
_SECONDS_A_STEP = 0.15
_SECONDS_A_DRAW = 20.0
_SECONDS_OF_FEATURES = 10.0
"""Rough times on one core, so that the progress bar moves evenly."""

_ONLY_NEAREST = -10.0
"""Logarithm of a temperature at which the nearest support image has all the weight."""


@dataclass(frozen=True)
class ImageBenchmark:
    """What to measure.

    Attributes:
        data: folder of tasks.
        out: where features, students and scores are kept.
        tasks: names of all tasks; a student is trained on all of them but the held-out one.
        held_out: the tasks to measure on, each held out in turn.
        methods: the methods, each of whose trainings is in `trainings`.
        trainings: name to configuration; seed and image size are set by the benchmark.
        settings: shots, protocols and image size.
        seeds: number of trainings of each held-out task.
        draws: number of draws of supports.
        network: whose teacher and normalisation the methods without training use.
        device: torch device of teacher and training.
        teacher_weights: a file with the teacher's weights.
    """

    data: Path
    out: Path
    tasks: tuple[str, ...]
    held_out: tuple[str, ...]
    methods: tuple[Method, ...]
    trainings: Mapping[str, TrainingConfig]
    settings: CellSettings
    seeds: int
    draws: int
    network: NetworkConfig
    device: str = "cpu"
    teacher_weights: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """What shapes the results, as plain values; no paths of this computer."""
        return {
            "tasks": list(self.tasks),
            "held_out": list(self.held_out),
            "methods": [method.to_dict() for method in self.methods],
            "trainings": {name: config.to_dict() for name, config in self.trainings.items()},
            "settings": asdict(self.settings),
            "seeds": self.seeds,
            "draws": self.draws,
            "network": self.network.to_dict(),
            "device": self.device,
        }

    def __post_init__(self) -> None:
        for method in self.methods:
            if method.training is not None and method.training not in self.trainings:
                raise ConfigurationError(
                    f"method '{method.name}' needs a student trained with the preset "
                    f"'{method.training}'",
                    f"give --preset {method.training} too.",
                )
        if len(self.tasks) < 2 and any(method.training for method in self.methods):
            raise InputError(
                "a held-out student is trained on the other tasks, and there is one task only",
                "give two or more, or methods that need no training.",
            )


DrawScorer = Callable[..., dict[str, list[ImageScores]]]
"""Scores one draw of supports; called as `image_cells.score_draw`."""


def run_image_benchmark(
    benchmark: ImageBenchmark, progress: Progress = silent, *, scorer: DrawScorer | None = None
) -> Iterator[list[ImageScores]]:
    """Score everything that has not been scored yet.

    Args:
        benchmark: what to measure.
        progress: told of each step.
        scorer: scores the benchmark's methods; None takes `image_cells.score_draw`.

    Yields:
        All scores so far: after the methods that need no training, and after each seed of each
        training.

    Raises:
        InputError: an image cannot be read, or a task is too small.
        CheckpointError: a student's folder is of another configuration or other images.
        CancelledError: Ctrl-C during training; all that was done is kept.
    """
    run = _Run(benchmark, progress, scorer or score_draw)
    scores = run.baselines()
    if scores:
        yield scores
    for seed in range(benchmark.seeds):
        for name in benchmark.trainings:
            fresh = run.trained(name, seed)
            scores = scores + fresh
            if fresh:
                yield scores


class _Run:
    """One pass over a benchmark's cells."""

    def __init__(self, benchmark: ImageBenchmark, progress: Progress, scorer: DrawScorer) -> None:
        self._benchmark, self._progress, self._scorer = benchmark, progress, scorer
        self._files = {name: find_task(benchmark.data, name) for name in benchmark.tasks}
        self._embedders: dict[tuple[str, bool], D24FAD] = {}
        self._foregrounds: dict[str, Tensor] = {}
        for name in benchmark.held_out:
            # A task that is too small would else be noticed hours later.
            draw_supports(len(self._files[name].train_good), benchmark.settings.shots, 0, 0)
        self._done, self._whole = 0.0, self._cost()

    def baselines(self) -> list[ImageScores]:
        """Scores of the methods that need no training."""
        network = self._benchmark.network
        methods = [method for method in self._benchmark.methods if method.training is None]
        scores: list[ImageScores] = []
        for name in self._benchmark.held_out if methods else ():
            task = self._task(name, network)
            scores += self._score(task, methods, lambda: self._embedder(network), None, "")
        return scores

    def trained(self, training: str, seed: int) -> list[ImageScores]:
        """Scores of the methods of one training and seed, on every task."""
        benchmark = self._benchmark
        methods = [method for method in benchmark.methods if method.training == training]
        if not methods:
            return []
        config = replace(
            benchmark.trainings[training], seed=seed, image_size=benchmark.settings.image_size
        )
        normals = {name: self._normals(name, config) for name in benchmark.tasks}
        scores: list[ImageScores] = []
        for name in benchmark.held_out:
            folder = benchmark.out / "students" / training / f"{name}_seed{seed}"
            before = self._done

            def on_step(step: int, epoch: int, name: str = name, before: float = before) -> None:
                self._done = before + ((epoch - 1) * config.steps + step) * _SECONDS_A_STEP
                self._say(f"training without {name}, seed {seed}, epoch {epoch}")

            card = train_without(
                name,
                normals,
                config,
                folder,
                device=benchmark.device,
                teacher_weights=benchmark.teacher_weights,
                on_step=on_step,
            )
            self._done = before + _training_seconds(config)

            def student(folder: Path = folder) -> D24FAD:
                return load_checkpoint(folder / "checkpoint", benchmark.teacher_weights)[0]

            task = self._task(name, config.network)
            scores += self._score(task, methods, student, seed, card.weights_hash)
        return scores

    def _score(
        self,
        task: HeldOutTask,
        methods: Sequence[Method],
        load: Callable[[], D24FAD],
        seed: int | None,
        weights: str,
    ) -> list[ImageScores]:
        """Scores of all draws; those that are on disk are read, the others made."""
        settings, folder = self._benchmark.settings, self._benchmark.out / "scores"
        results: list[ImageScores] = []
        model: D24FAD | None = None
        queries: list[StudyFeatures] = []
        for draw in range(self._benchmark.draws):
            keys = {m.name: score_key(task, m, settings, draw, weights) for m in methods}
            paths = {m.name: score_file(folder, task.name, m, seed, draw) for m in methods}
            known = {name: read_scores(paths[name], keys[name]) for name in keys}
            missing = [method for method in methods if known[method.name] is None]
            if missing and model is None:
                model = load().to(self._benchmark.device)
                queries = image_features(
                    model, task.test, task.test_foreground, student=seed is not None
                )
            if missing and model is not None:
                indices = torch.from_numpy(
                    draw_supports(
                        len(task.train.embedding), settings.shots, settings.draw_seed, draw
                    )
                )
                supports = image_features(
                    model.to(self._benchmark.device),
                    task.train.choose(indices),
                    task.train_foreground[indices],
                    student=seed is not None,
                )
                fresh = self._scorer(
                    model.to("cpu"),
                    missing,
                    task,
                    queries,
                    supports,
                    settings,
                    seed=seed,
                    draw=draw,
                    progress=lambda step, share: self._say(step, share * _SECONDS_A_DRAW),
                )
                for name, scores in fresh.items():
                    write_scores(paths[name], keys[name], scores)
                    known[name] = tuple(scores)
            self._done += _SECONDS_A_DRAW
            results += [one for scores in known.values() for one in scores or ()]
        return results

    def _task(self, name: str, network: NetworkConfig) -> HeldOutTask:
        files, store = self._files[name], self._store(network)
        tests = (*files.test_good, *files.test_ungood)
        train = store.features(f"{name}/train_good", files.train_good, progress=self._features)
        test = store.features(f"{name}/test", tests, progress=self._features)
        return HeldOutTask(
            name=name,
            train=train.images,
            test=test.images,
            train_foreground=self._foreground(f"{name}/train_good", files.train_good),
            test_foreground=self._foreground(f"{name}/test", tests),
            # One file name may stand in both folders; the folder keeps them apart.
            names=tuple(f"{path.parent.name}/{path.name}" for path in tests),
            labels=(0,) * len(files.test_good) + (1,) * len(files.test_ungood),
            key=hash_bytes(train.key.encode(), test.key.encode()),
        )

    def _foreground(self, title: str, files: Sequence[Path]) -> Tensor:
        if title not in self._foregrounds:
            size = self._benchmark.settings.image_size
            parts = [
                foreground(to_unit(load_images(files[start : start + _READ_AT_ONCE], size)))
                for start in range(0, len(files), _READ_AT_ONCE)
            ]
            self._foregrounds[title] = torch.cat(parts)
        return self._foregrounds[title]

    def _normals(self, name: str, config: TrainingConfig) -> NormalImages:
        files: ImageFolderTask = self._files[name]
        store, title = self._store(config.network), f"{name}/train_good"
        features = store.features(title, files.train_good, progress=self._features)
        mirrored = None
        if config.horizontal_flip:
            mirrored = store.features(
                title, files.train_good, mirrored=True, progress=self._features
            ).images
        return NormalImages(FeatureEpisodes(name, features.images, mirrored), features.key)

    def _store(self, network: NetworkConfig) -> FeatureStore:
        return FeatureStore(
            self._benchmark.out / "features",
            self._embedder(network),
            self._benchmark.settings.image_size,
        )

    def _embedder(self, network: NetworkConfig) -> D24FAD:
        key = (network.teacher, network.normalise_input)
        if key not in self._embedders:
            self._embedders[key] = without_training(network, self._benchmark.teacher_weights)
        return self._embedders[key].to(self._benchmark.device)

    def _features(self, step: str, fraction: float) -> None:
        self._say(step, fraction * _SECONDS_OF_FEATURES)

    def _say(self, step: str, more: float = 0.0) -> None:
        self._progress(step, min(1.0, (self._done + more) / self._whole))

    def _cost(self) -> float:
        benchmark = self._benchmark
        draws = benchmark.draws * len(benchmark.held_out) * _SECONDS_A_DRAW
        total = draws if any(method.training is None for method in benchmark.methods) else 0.0
        for name, config in benchmark.trainings.items():
            if any(method.training == name for method in benchmark.methods):
                trainings = len(benchmark.held_out) * _training_seconds(config)
                total += benchmark.seeds * (trainings + draws)
        return max(total, 1.0)


def without_training(network: NetworkConfig, teacher_weights: Path | None = None) -> D24FAD:
    """A network for the teacher's features and for methods that need no training.

    Its student says nothing, and of the support images the nearest one at each position counts
    alone.

    Args:
        network: whose teacher and normalisation are used.
        teacher_weights: a file with the teacher's weights.
    """
    model = D24FAD(
        replace(network, weighting="position"), build_teacher(network.teacher, teacher_weights)
    ).eval()
    model.requires_grad_(False)
    if isinstance(model.weighting, PositionWeighting):
        model.weighting.log_temperature.fill_(_ONLY_NEAREST)
    return model


def _training_seconds(config: TrainingConfig) -> float:
    return config.epochs * config.steps * _SECONDS_A_STEP
