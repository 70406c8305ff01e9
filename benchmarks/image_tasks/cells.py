"""Scoring one task's test images with one draw of supports: all variants, shots and poolings at
once, each comparison made once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.image_tasks.maps import ComparedImage, ImageMaps, PreparedDraw, prepare_maps
from benchmarks.image_tasks.methods import Variant
from benchmarks.image_tasks.official import OFFICIAL, corrected_scores, official_scores
from d24fad_core.benchmark.image_cells import CellSettings, HeldOutTask
from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.fusion import top_mean
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores
from d24fad_core.images.paper_map import PaperMap
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent


def score_draw(
    model: D24FAD,
    methods: Sequence[Variant],
    task: HeldOutTask,
    queries: Sequence[StudyFeatures],
    supports: Sequence[StudyFeatures],
    settings: CellSettings,
    *,
    seed: int | None,
    draw: int,
    progress: Progress = silent,
) -> dict[str, list[ImageScores]]:
    """Score all test images with one draw of supports.

    Args:
        model: the network, in eval mode.
        methods: methods that this network can serve.
        task: names and labels of the images.
        queries: features of the test images.
        supports: features of the draw's support images, in its order.
        settings: of the benchmark.
        seed: seed of the model's training; None where the methods need none.
        draw: number of the draw.
        progress: told of each image.

    Returns:
        Method name to its scores for all shots, poolings and protocols.
    """
    cells = [
        _Cell(
            method, shots, prepare_maps(model, method.recipe, supports[:shots], settings.image_size)
        )
        for method in methods
        for shots in settings.shots
    ]
    prepared = PreparedDraw(supports)
    for number, query in enumerate(queries):
        progress(f"{task.name}: draw {draw}", number / len(queries))
        compared = ComparedImage(query, prepared)
        for cell in cells:
            cell.add(compared, keep=OFFICIAL in settings.protocols)
    scores: dict[str, list[ImageScores]] = {method.name: [] for method in methods}
    for cell in cells:
        for name, protocol, cases, values in cell.results(task.labels, settings.protocols):
            scores[cell.method.name].append(
                ImageScores(
                    task=task.name,
                    method=name,
                    protocol=protocol,
                    shots=cell.shots,
                    seed=seed,
                    draw=draw,
                    names=tuple(task.names[index] for index in cases),
                    labels=tuple(task.labels[index] for index in cases),
                    scores=values,
                )
            )
    return scores


_Result = tuple[str, str, Sequence[int], tuple[float, ...]]
"""Method with pooling, protocol, indices of the images that have a score, and the scores."""


class _Cell:
    """One method with some shots: makes each image's map and collects what is pooled from it."""

    def __init__(self, method: Variant, shots: int, maps: ImageMaps) -> None:
        self.method, self.shots, self._maps = method, shots, maps
        self._poolings = method.poolings or ((maps.pooling,) if maps.pooling else ())
        self._scores: dict[str, list[float]] = {pooling.name: [] for pooling in self._poolings}
        self._raw: list[Tensor] = []

    def add(self, image: ComparedImage, *, keep: bool) -> None:
        raw = self._maps.raw(image)
        if keep and self.method.official:
            self._raw.append(raw)
        values = self._maps.finished(raw)
        inside = values[image.study.foreground[0]]
        for pooling in self._poolings:
            pooled = inside if pooling.foreground else values.flatten()
            self._scores[pooling.name].append(top_mean(pooled, pooling.fraction))

    def results(self, labels: Sequence[int], protocols: Sequence[str]) -> list[_Result]:
        every = range(len(labels))
        rows: list[_Result] = []
        if CORRECTED in protocols:
            for name, values in self._scores.items():
                title = f"{self.method.name}/{name}" if name else self.method.name
                rows.append((title, CORRECTED, every, tuple(values)))
        if OFFICIAL in protocols and self.method.official:
            maps = torch.stack(self._raw).numpy()
            title = self.method.name
            if not isinstance(self.method.recipe, PaperMap):
                # The published protocol pools in its own way; the honest score that it is
                # compared with has to pool the same maps in that way too.
                title = f"{title}/paper_pooling"
                if CORRECTED in protocols:
                    rows.append((title, CORRECTED, every, corrected_scores(maps)))
            published = official_scores(maps, labels)
            rows.append((title, OFFICIAL, published.cases, published.scores))
        return rows
