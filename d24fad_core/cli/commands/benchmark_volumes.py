"""`d24fad benchmark-volumes`: train without each contrast in turn, and measure on it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.messages import progress_bar, say, spoken_warnings
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.extras import extra
from d24fad_core.volumes.volume import Modality, Plane

if TYPE_CHECKING:
    from d24fad_core.evaluation.cohort import Cohort
    from d24fad_core.training.config import TrainingConfig

EPILOG = (
    "Examples: `d24fad benchmark-volumes --data COHORTS --out results`, and for a case of your own "
    "`d24fad benchmark-volumes --case flair.nii.gz --mask lesions.nii.gz --support NORMALS --out "
    "results`. Repeat the command to go on after an interruption."
)


def benchmark_volumes(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for table, figures and pictures, and for students, features and analyses "
            "to go on from.",
            show_default=False,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with CONTRAST/support, CONTRAST/cases and CONTRAST/masks for each "
            "contrast, as `d24fad simulate` writes them.",
            show_default=False,
        ),
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(help="A contrast to test; repeat for several.", show_default="all of --data"),
    ] = None,
    case: Annotated[
        Path | None,
        typer.Option(help="In place of --data: one case of your own.", show_default=False),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Lesion mask of --case.", show_default=False)
    ] = None,
    support: Annotated[
        Path | None,
        typer.Option(help="Folder of normal studies for --case.", show_default=False),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Support studies, the first by name.",
            show_default="4 of a cohort, all of --support",
        ),
    ] = None,
    plane: Annotated[
        list[Plane] | None,
        typer.Option(help="Plane; repeat for several, which are fused too.", show_default="all"),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint for all contrasts in place of training. Whether it saw a contrast is "
            "yours to know.",
            show_default="trained for each contrast; the shipped one for --case",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of each training.", show_default="of the default preset"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Episodes an epoch.", show_default="of the default preset"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and episodes.")] = 0,
    modality: Annotated[
        Modality | None,
        typer.Option(help="What the volumes are, where the files do not say.", show_default=False),
    ] = None,
    window: Annotated[str, typer.Option(help="Named window for CT.")] = "body",
    register: Annotated[
        bool, typer.Option(help="Align by registration, or by relative position only.")
    ] = True,
    teacher_weights: Annotated[
        Path | None,
        typer.Option(help="File with the teacher's weights.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="Device, such as cpu or cuda.")] = "cpu",
) -> None:
    """Measure the detector on volumes of a contrast that it was not trained on.

    For every contrast a student is trained on the normal studies of the others; then each case is
    analysed against the contrast's own support, in each plane and in the fusion of all, beside the
    same without a student and nearest neighbour in the teacher's features. Writes volumes.md,
    volumes.json and pictures of the best and the worst case.
    """
    with extra("train,evaluate", "d24fad benchmark-volumes"):
        from d24fad_core.benchmark.volume_report import TABLE_FILE, write_volume_report
        from d24fad_core.benchmark.volumes import (
            VolumeBenchmark,
            VolumeResult,
            run_volume_benchmark,
        )
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.models.checkpoint import SHIPPED

    own = case is not None
    if own == (data is not None):
        raise ConfigurationError(
            "--data and --case exclude each other, and one is needed",
            "give either --data, or --case with --mask and --support.",
        )
    cohorts = _own_case(case, mask, support) if case else _cohorts(data, mask, support)
    plan = VolumeBenchmark(
        cohorts=cohorts,
        tested=_tested(cohorts, contrast),
        out=out,
        shots=shots if own or shots else 4,
        options=DetectionOptions(
            planes=tuple(dict.fromkeys(plane)) if plane else tuple(Plane),
            ct_window=window,
            register=register,
            comparison=ComparisonKind.WINDOW,
        ),
        training=_training(epochs, steps, seed),
        checkpoint=checkpoint or (SHIPPED if own else None),
        teacher_weights=teacher_weights,
        modality=modality,
        device=device,
    )
    results: list[VolumeResult] = []
    with spoken_warnings(), progress_bar("benchmark") as report:
        for part in run_volume_benchmark(plan, report):
            results.extend(part)
            # Written again after each contrast, so that there is something to look at early.
            write_volume_report(plan, results)
    say(f"wrote {out / TABLE_FILE}")
    typer.echo(RESEARCH_USE_ONLY)


def _own_case(case: Path, mask: Path | None, support: Path | None) -> "dict[str, Cohort]":
    from d24fad_core.evaluation.cohort import Case, Cohort
    from d24fad_core.io.reading import find_studies, study_name

    if mask is None or support is None:
        raise ConfigurationError(
            "--case needs its lesions (--mask) and normals (--support).",
            "Give both.",
        )
    if not support.is_dir():
        raise InputError(f"no folder {support}", "give --support a folder of normal studies.")
    cohort = Cohort(tuple(find_studies(support)), (Case(case.name, case, mask),))
    return {study_name(case): cohort}


def _cohorts(data: Path | None, mask: Path | None, support: Path | None) -> "dict[str, Cohort]":
    from d24fad_core.benchmark.volumes import find_cohorts

    if mask is not None or support is not None:
        raise ConfigurationError("--mask and --support belong to --case", "give it too.")
    if data is None or not data.is_dir():
        raise InputError(f"no folder {data}", "give --data the folder that holds the contrasts.")
    return find_cohorts(data)


def _tested(cohorts: "dict[str, Cohort]", names: list[str] | None) -> tuple[str, ...]:
    for name in names or []:
        if name not in cohorts:
            raise InputError(
                f"no contrast '{name}'; there are {', '.join(cohorts)}.",
                "Name one of these.",
            )
    return tuple(dict.fromkeys(names or cohorts))


def _training(epochs: int | None, steps: int | None, seed: int) -> "TrainingConfig":
    from d24fad_core.training.config import PRESETS

    base = PRESETS["default"]
    return replace(base, epochs=epochs or base.epochs, steps=steps or base.steps, seed=seed)
