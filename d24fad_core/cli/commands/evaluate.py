"""`d24fad evaluate`: measure the detector beside the training-free baseline."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.cli.messages import progress_bar, spoken_warnings
from d24fad_core.cli.options.paths import check_checkpoint, check_exists
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.extras import extra
from d24fad_core.files import write_text
from d24fad_core.volumes.volume import Modality, Plane

if TYPE_CHECKING:
    from d24fad_core.evaluation.volume_protocol import VolumeEvaluation


def evaluate(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Images: folder with TASK/train/good, TASK/test/good, TASK/test/ungood.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Images: which task of --data.", show_default=False)
    ] = None,
    shots: Annotated[int, typer.Option(min=2, help="Images: support images a draw (K).")] = 4,
    draws: Annotated[int, typer.Option(min=1, help="Images: draws of the support.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Images: seed of the draws.")] = 0,
    volumes: Annotated[
        Path | None,
        typer.Option(
            help="Volumes: folder with support/, cases/ and masks/<case>.nii.gz; a case without "
            "a mask is normal.",
            show_default=False,
        ),
    ] = None,
    plane: Annotated[
        list[Plane] | None,
        typer.Option(help="Volumes: plane; repeat to average several.", show_default="axial"),
    ] = None,
    modality: Annotated[
        Modality | None,
        typer.Option(
            help="Volumes: what they are, where the files do not say.", show_default=False
        ),
    ] = None,
    window: Annotated[str, typer.Option(help="Volumes: named window for CT.")] = "body",
    register: Annotated[
        bool, typer.Option(help="Volumes: align by registration, or by relative position only.")
    ] = True,
    translate: Annotated[
        bool,
        typer.Option(
            "--translate",
            help="Volumes: measure too with the normals translated into the look of each case, "
            "as detect --translate does.",
        ),
    ] = False,
    learned_too: Annotated[
        bool,
        typer.Option(
            "--learned",
            help="Volumes: measure the learned comparison too, as detect --comparison learned "
            "makes it of brains without their heads; none is stripped.",
        ),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Checkpoint folder.", show_default="the shipped one"),
    ] = None,
    teacher_weights: Annotated[
        Path | None,
        typer.Option(help="File with the teacher's weights.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures here.", show_default=False),
    ] = None,
) -> None:
    """Measure how well abnormal images or volumes are told from normal ones.

    Give either --data and --task, or --volumes. Every case is scored by itself: no statistic of
    the test enters a score. Beside the checkpoint stands nearest neighbour in the features of the
    same teacher, which needs no training.
    """
    if (data is None) == (volumes is None):
        raise ConfigurationError(
            "--data and --volumes exclude each other, and one is needed",
            "give either --data with --task, or --volumes.",
        )
    if data is not None and task is None:
        raise ConfigurationError(f"which task of {data}?", "Name it with --task.")
    if json_file is not None and json_file.is_dir():
        raise ConfigurationError(f"{json_file} is a folder", "give --json the name of a file.")
    check_exists(data, volumes)
    check_checkpoint(checkpoint)
    from d24fad_core.models.checkpoint import checkpoint_hash, load_checkpoint

    model, card = load_checkpoint(checkpoint, teacher_weights)
    document: dict[str, Any] = {
        "notice": RESEARCH_USE_ONLY,
        "version": __version__,
        "checkpoint": {"name": card.name, "hash": checkpoint_hash(card)},
    }
    with spoken_warnings(), progress_bar("evaluate") as report:
        if data is not None and task is not None:
            document |= _images(model, card, data, task, shots, draws, seed, report)
        elif volumes is not None:
            from d24fad_core.detection.options import DetectionOptions

            options = DetectionOptions(
                planes=tuple(plane) if plane else (Plane.AXIAL,),
                ct_window=window,
                register=register,
            )
            more = {ComparisonKind.TRANSLATED: translate, ComparisonKind.LEARNED: learned_too}
            kinds = [kind for kind, too in more.items() if too]
            document |= _volumes(model, card, volumes, options, kinds, modality, report)
    _print(document)
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2, allow_nan=False) + "\n")


def _images(
    model: Any, card: Any, root: Path, task: str, shots: int, draws: int, seed: int, report: Any
) -> dict[str, Any]:
    from d24fad_core.comparison.scoring import ImageScoringConfig

    with extra("evaluate", "d24fad evaluate"):
        from d24fad_core.evaluation.image_protocol import evaluate_images
    from d24fad_core.evaluation.methods import (
        DEFAULT,
        NEAREST_NEIGHBOUR,
        nearest_neighbour_images,
    )
    from d24fad_core.images.image_folder import find_task, list_tasks

    tasks = list_tasks(root)
    if task not in tasks:
        raise InputError(
            f"no task '{task}' under {root}; there are {', '.join(tasks) or 'none'}.",
            "Name one of these.",
        )
    scoring = ImageScoringConfig.from_dict(card.image_scoring)
    methods = {DEFAULT: scoring, NEAREST_NEIGHBOUR: nearest_neighbour_images(scoring)}
    results = evaluate_images(
        model,
        methods,
        find_task(root, task),
        shots=shots,
        draws=draws,
        seed=seed,
        image_size=card.image_size,
        progress=report,
    )
    return {
        "data": {"task": task, "shots": shots, "draws": draws, "seed": seed},
        "methods": {
            name: {
                "image_auroc": {
                    "mean": sum(result.auroc) / draws,
                    "draws": list(result.auroc),
                    "interval_95": list(result.interval),
                },
                "image_ap": {
                    "mean": sum(result.average_precision) / draws,
                    "draws": list(result.average_precision),
                },
                "supports": [list(names) for names in result.supports],
                "scores": {key: list(values) for key, values in result.scores.items()},
            }
            for name, result in results.items()
        },
    }


def _volumes(
    model: Any,
    card: Any,
    root: Path,
    options: Any,
    kinds: Sequence[ComparisonKind],
    modality: Modality | None,
    report: Any,
) -> dict[str, Any]:
    from d24fad_core.comparison.scoring import ScoringConfig
    from d24fad_core.evaluation.methods import (
        DEFAULT,
        LEARNED,
        NEAREST_NEIGHBOUR,
        TRANSLATED,
        nearest_neighbour,
    )

    with extra("evaluate", "d24fad evaluate"):
        from d24fad_core.evaluation.volume_protocol import evaluate_volumes

    scoring = ScoringConfig.from_dict(card.scoring)
    compared: dict[ComparisonKind, dict[str, ScoringConfig]] = {
        ComparisonKind.WINDOW: {DEFAULT: scoring, NEAREST_NEIGHBOUR: nearest_neighbour(scoring)}
    }
    names = {ComparisonKind.TRANSLATED: TRANSLATED, ComparisonKind.LEARNED: LEARNED}
    compared |= {kind: {names[kind]: scoring} for kind in kinds}
    results: dict[str, VolumeEvaluation] = {}
    for comparison, methods in compared.items():
        results |= evaluate_volumes(
            model,
            card,
            methods,
            root,
            options=replace(options, comparison=comparison),
            modality=modality,
            progress=report,
        )
    return {
        "data": {
            "volumes": root.name,
            "planes": [plane.value for plane in options.planes],
            "register": options.register,
        },
        "methods": {name: _volume_figures(result) for name, result in results.items()},
    }


def _volume_figures(result: "VolumeEvaluation") -> dict[str, Any]:
    """The figures of a method by name, their 95 % intervals beside them."""
    voxels, lesions, volumes = result.voxels, result.lesions, result.volumes
    estimates = {
        "voxel_auroc": voxels.auroc,
        "voxel_ap": voxels.average_precision,
        "voxel_aupro": voxels.aupro,
        "best_dice": voxels.best_dice,
        "dice": voxels.dice,
        "froc": lesions.mean,
        "volume_auroc": volumes and volumes.auroc,
        "volume_ap": volumes and volumes.average_precision,
        "volume_sensitivity": volumes and volumes.sensitivity,
    }
    return {
        **{name: estimate and estimate.value for name, estimate in estimates.items()},
        "intervals_95": {
            name: estimate and estimate.interval for name, estimate in estimates.items()
        },
        "froc_sensitivity": {
            f"{rate:g}": estimate.value
            for rate, estimate in zip(lesions.rates, lesions.sensitivity, strict=True)
        },
        "voxel_prevalence": voxels.prevalence,
        "best_dice_threshold": voxels.best_dice_threshold,
        "lesions": lesions.lesions,
        "mean_voxel_auroc": result.mean_voxel_auroc,
        "normal_voxels_marked": result.normal_voxels_marked,
        "lesions_hit": result.lesions_hit,
        "case_scores": dict(result.case_scores),
        "case_aurocs": dict(result.case_aurocs),
    }


_COLUMNS = {
    "voxel_auroc": "voxel AUROC",
    "voxel_ap": "voxel AP",
    "voxel_aupro": "AUPRO",
    "best_dice": "best Dice",
    "froc": "FROC",
    "volume_auroc": "volume AUROC",
    "lesions_hit": "cases hit",
    "normal_voxels_marked": "normal voxels marked",
}


def _print(document: dict[str, Any]) -> None:
    table = Table(title=f"checkpoint {document['checkpoint']['name']}", caption=RESEARCH_USE_ONLY)
    methods = document["methods"]
    if "image_auroc" in next(iter(methods.values())):
        data = document["data"]
        table.title = f"{data['task']}, {data['shots']} shots, {data['draws']} draws"
        table.add_column("method", no_wrap=True)
        for heading in ("image AUROC", "lowest", "highest", "95 % interval", "image AP"):
            table.add_column(heading, justify="right")
        for name, figures in methods.items():
            measured = figures["image_auroc"]
            low, high = measured["interval_95"]
            table.add_row(
                name,
                f"{measured['mean']:.3f}",
                f"{min(measured['draws']):.3f}",
                f"{max(measured['draws']):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{figures['image_ap']['mean']:.3f}",
            )
    else:
        # Methods side by side: so few columns fit a terminal of 80 characters.
        table.add_column("", no_wrap=True)
        for name in methods:
            table.add_column(name.replace("_", " "), justify="right")
        for key, heading in _COLUMNS.items():
            row = [figures[key] for figures in methods.values()]
            table.add_row(heading, *("-" if value is None else f"{value:.4f}" for value in row))
    Console().print(table)
