"""Volumes of one contrast tested with a student that saw only others.

For each contrast a student is trained on the normal studies of the other contrasts; then every case
is analysed against the contrast's own support.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from d24fad_core.benchmark.volume_cells import analyse_case
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions, check_support
from d24fad_core.errors import InputError, SupportError
from d24fad_core.evaluation.cohort import Cohort, check_case, find_cohort, read_lesions
from d24fad_core.evaluation.methods import (
    DEFAULT,
    NEAREST_NEIGHBOUR,
    WITHOUT_STUDENT,
    nearest_neighbour,
    without_student,
)
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS
from d24fad_core.evaluation.volume_protocol import AnalysedCase, VolumeEvaluation, measure_cases
from d24fad_core.files import hash_bytes
from d24fad_core.io.reading import read_volume
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.progress import Progress, silent
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import VolumeEpisodes
from d24fad_core.training.held_out import NormalImages, train_without
from d24fad_core.volumes.volume import Modality, Plane, Volume


@dataclass(frozen=True)
class VolumeBenchmark:
    """What is measured, and how.

    Attributes:
        cohorts: contrast to its files; what is not tested is trained on all the same.
        tested: the contrasts to leave out in turn.
        out: where students, features and analyses are kept.
        shots: support studies, the first by name; None takes all.
        options: planes and how volumes are analysed.
        training: how a student is trained on the other contrasts.
        checkpoint: taken for all contrasts in place of training.
        teacher_weights: file with the teacher's weights.
        modality: what the volumes are, where the files do not say.
        device: torch device.
        rounds: resamples of the intervals.
    """

    cohorts: Mapping[str, Cohort]
    tested: tuple[str, ...]
    out: Path
    shots: int | None = 4
    options: DetectionOptions = field(
        default_factory=lambda: DetectionOptions(
            planes=tuple(Plane), comparison=ComparisonKind.WINDOW
        )
    )
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: Path | None = None
    teacher_weights: Path | None = None
    modality: Modality | None = None
    device: str = "cpu"
    rounds: int = ROUNDS


@dataclass(frozen=True, eq=False)
class VolumeResult:
    """What one method reached on one contrast, in one plane or in the fusion of all.

    Attributes:
        contrast: the contrast that was left out.
        method: the method.
        planes: a plane, or `volume_cells.FUSION`.
        threshold: z from which a voxel is marked.
        seconds: mean time of an analysis.
        evaluation: all measures.
    """

    contrast: str
    method: str
    planes: str
    threshold: float
    seconds: float
    evaluation: VolumeEvaluation


def find_cohorts(root: Path) -> dict[str, Cohort]:
    """List the cohorts ROOT/<contrast>/{support,cases,masks}, as `d24fad simulate` writes them.

    Raises:
        InputError: there is none, or one lacks a part.
    """
    folders = sorted(path.parent for path in root.glob("*/support") if path.is_dir())
    if not folders:
        raise InputError(
            f"no cohort in {root}",
            "the layout is ROOT/<contrast>/support, cases and masks, as `d24fad simulate "
            "ROOT/<contrast> --contrast <contrast>` writes them.",
        )
    return {folder.name: find_cohort(folder) for folder in folders}


def run_volume_benchmark(
    plan: VolumeBenchmark, progress: Progress = silent
) -> Iterator[list[VolumeResult]]:
    """Measure each contrast in turn; what is kept of an earlier run is not computed again.

    Yields:
        The results of each contrast.

    Raises:
        InputError: a cohort cannot be measured, or there is no other contrast to train on.
        SupportError: a support has too few studies.
    """
    supports = {contrast: read_support(plan, contrast) for contrast in plan.tested}
    for contrast in plan.tested:
        for case in plan.cohorts[contrast].cases:
            check_case(case, supports[contrast], plan.modality)
    for number, contrast in enumerate(plan.tested):

        def report(step: str, fraction: float, number: int = number) -> None:
            progress(f"{plan.tested[number]}: {step}", (number + fraction) / len(plan.tested))

        checkpoint = plan.checkpoint or train_on_others(plan, contrast, report)
        yield _measure(plan, contrast, supports[contrast], checkpoint, report)


def read_support(plan: VolumeBenchmark, contrast: str) -> list[Volume]:
    """Read the support studies of a contrast.

    Raises:
        SupportError: there are fewer than asked for, or they do not fit together.
    """
    files = plan.cohorts[contrast].support
    if plan.shots is not None and plan.shots > len(files):
        raise SupportError(
            f"the support of {contrast} has {len(files)} studies and {plan.shots} were asked for",
            "give fewer --shots, or more normal studies.",
        )
    studies = [read_volume(path, plan.modality) for path in files[: plan.shots]]
    check_support(studies)
    return studies


def train_on_others(plan: VolumeBenchmark, contrast: str, progress: Progress = silent) -> Path:
    """Train a student on the support studies of all contrasts but one, in all planes.

    Only support studies: a simulated head is the same in every contrast, so the cases of another
    contrast would show the test's own heads.

    Returns:
        The checkpoint.

    Raises:
        InputError: there is no other contrast, or one with too few studies.
    """
    sources: dict[str, NormalImages] = {}
    for other, cohort in plan.cohorts.items():
        if other == contrast:
            continue
        progress(f"normals of {other}", 0.0)
        studies = [read_volume(path, plan.modality) for path in cohort.support]
        content = [study.content_hash.encode() for study in studies]
        for plane in plan.options.planes:
            name = f"{other} {plane.value}"
            source = VolumeEpisodes.from_studies(
                name, studies, plane, plan.training.image_size, plan.options.ct_window
            )
            sources[name] = NormalImages(source, hash_bytes(*content, plane.value.encode()))
    if not sources:
        raise InputError(
            f"there is no other contrast than {contrast} to train on",
            "simulate another one, or give --checkpoint.",
        )
    folder = plan.out / "students" / contrast

    def on_step(step: int, epoch: int) -> None:
        done = (epoch - 1) * plan.training.steps + step
        progress("training", 0.5 * done / (plan.training.epochs * plan.training.steps))

    train_without(
        contrast,
        sources,
        plan.training,
        folder,
        device=plan.device,
        teacher_weights=plan.teacher_weights,
        on_step=on_step,
    )
    return folder / "checkpoint"


def volume_methods(scoring: ScoringConfig) -> dict[str, ScoringConfig]:
    """The methods that are compared, all with the pooling and the blur of the default."""
    return {
        DEFAULT: scoring,
        WITHOUT_STUDENT: without_student(scoring),
        NEAREST_NEIGHBOUR: nearest_neighbour(scoring),
    }


def analysis_file(plan: VolumeBenchmark, contrast: str, method: str, case: str) -> Path:
    """Where the analysis of a case is kept."""
    return plan.out / "analyses" / contrast / method / f"{case}.npz"


def _measure(
    plan: VolumeBenchmark,
    contrast: str,
    support: Sequence[Volume],
    checkpoint: Path,
    progress: Progress,
) -> list[VolumeResult]:
    model, card = load_checkpoint(checkpoint, plan.teacher_weights)
    model = model.to(plan.device)
    methods = volume_methods(ScoringConfig.from_dict(card.scoring))
    results: list[VolumeResult] = []
    for number, (method, scoring) in enumerate(methods.items()):

        def report(step: str, fraction: float, number: int = number, method: str = method) -> None:
            progress(f"{method}, {step}", 0.5 + 0.5 * (number + fraction) / len(methods))

        report("support", 0.0)
        detector = Detector(model, card, plan.out / "features", scoring)
        measures = _measure_method(plan, contrast, method, detector, support, report)
        results.extend(
            VolumeResult(contrast, method, planes, threshold, seconds, evaluation)
            for planes, (threshold, seconds, evaluation) in measures.items()
        )
    return results


def _measure_method(
    plan: VolumeBenchmark,
    contrast: str,
    method: str,
    detector: Detector,
    support: Sequence[Volume],
    progress: Progress,
) -> dict[str, tuple[float, float, VolumeEvaluation]]:
    """Threshold, mean seconds and measures of each plane and, with several, of their fusion."""
    options = plan.options
    prepared = detector.prepare_support(support, options)
    cases: dict[str, list[AnalysedCase]] = {}
    seconds: dict[str, list[float]] = {}
    thresholds: dict[str, float] = {}
    every = plan.cohorts[contrast].cases
    for index, case in enumerate(every):
        progress(case.name, index / len(every))
        volume = read_volume(case.path, plan.modality)
        path = analysis_file(plan, contrast, method, case.name)
        named = analyse_case(detector, prepared, volume, options, path)
        truth = read_lesions(case, volume)
        for planes, part in named.items():
            measured = part.measured(case.name, volume, truth, options.minimum_volume_ml)
            cases.setdefault(planes, []).append(measured)
            seconds.setdefault(planes, []).append(part.seconds)
            thresholds[planes] = part.threshold
    measures = {}
    for planes, analysed in cases.items():
        progress(f"measuring {planes}", 1.0)
        evaluation = measure_cases(analysed, thresholds[planes], rounds=plan.rounds)
        mean = sum(seconds[planes]) / len(seconds[planes])
        measures[planes] = (thresholds[planes], mean, evaluation)
    return measures
