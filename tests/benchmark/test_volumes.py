"""The benchmark on volumes, with a real teacher and an untrained student."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.volume_cells import FUSION, kept_analyses
from d24fad_core.benchmark.volume_report import write_volume_report
from d24fad_core.benchmark.volume_tables import volume_table
from d24fad_core.benchmark.volumes import (
    VolumeBenchmark,
    VolumeResult,
    analysis_file,
    find_cohorts,
    run_volume_benchmark,
    train_on_others,
)
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import InputError, SupportError
from d24fad_core.evaluation.cohort import Case, Cohort
from d24fad_core.evaluation.methods import (
    DEFAULT,
    NEAREST_NEIGHBOUR,
    WITHOUT_STUDENT,
    without_student,
)
from d24fad_core.evaluation.volume_pictures import best_and_worst
from d24fad_core.evaluation.volume_protocol import evaluate_volumes
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.networks.d24fad import NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.training.config import TrainingConfig
from d24fad_core.volumes.volume import Plane
from tests.benchmark.small_cohorts import write_cohort

OPTIONS = DetectionOptions(planes=(Plane.AXIAL, Plane.CORONAL), register=False)
TRAINING = TrainingConfig(
    network=NetworkConfig(student=StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16))),
    image_size=64,
    epochs=1,
    steps=1,
    queries=1,
    shots=2,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohorts")
    for number, contrast in enumerate(("T1", "T2", "PD")):
        write_cohort(folder / contrast, seed=100 * number)
    return folder


def benchmark(root: Path, out: Path, checkpoint: Path | None = None) -> VolumeBenchmark:
    return VolumeBenchmark(
        cohorts=find_cohorts(root),
        tested=("T1",),
        out=out,
        shots=3,
        options=OPTIONS,
        training=TRAINING,
        checkpoint=checkpoint,
        rounds=50,
    )


def run(plan: VolumeBenchmark) -> list[VolumeResult]:
    return [result for part in run_volume_benchmark(plan) for result in part]


@pytest.fixture(scope="module")
def plan(root: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> VolumeBenchmark:
    return benchmark(root, tmp_path_factory.mktemp("out"), untrained)


@pytest.fixture(scope="module")
def results(plan: VolumeBenchmark) -> list[VolumeResult]:
    return run(plan)


def figures(results: list[VolumeResult]) -> dict[tuple[str, str], object]:
    """Everything but the time that it took."""
    return {(one.method, one.planes): (one.threshold, one.evaluation) for one in results}


def test_each_method_is_measured_in_each_plane_and_their_fusion(
    results: list[VolumeResult],
) -> None:
    assert [(one.method, one.planes) for one in results] == [
        (method, planes)
        for method in (DEFAULT, WITHOUT_STUDENT, NEAREST_NEIGHBOUR)
        for planes in ("axial", "coronal", FUSION)
    ]
    assert {one.contrast for one in results} == {"T1"}
    assert all(one.seconds > 0 for one in results)
    assert results[-1].evaluation.voxels.auroc.value > 0.9


def test_a_plane_is_measured_as_evaluate_measures_it(
    root: Path, untrained: Path, results: list[VolumeResult]
) -> None:
    model, card = load_checkpoint(untrained)
    scoring = {DEFAULT: ScoringConfig.from_dict(card.scoring)}
    options = replace(OPTIONS, planes=(Plane.AXIAL,))
    direct = evaluate_volumes(model, card, scoring, root / "T1", options=options, rounds=50)[
        DEFAULT
    ]
    evaluation = results[0].evaluation
    for name in ("auroc", "average_precision", "aupro", "best_dice"):
        expected = getattr(direct.voxels, name).value
        assert getattr(evaluation.voxels, name).value == pytest.approx(expected, abs=2e-3)
    assert evaluation.case_scores == pytest.approx(dict(direct.case_scores))
    assert evaluation.lesions_hit == direct.lesions_hit


def test_fusion_is_what_the_detector_makes_of_all_planes(
    root: Path, untrained: Path, plan: VolumeBenchmark, results: list[VolumeResult]
) -> None:
    detector = Detector.from_checkpoint(untrained)
    support = detector.prepare_support(
        [read_volume(path) for path in find_studies(root / "T1" / "support")], OPTIONS
    )
    volume = read_volume(root / "T1" / "cases" / "sick.nii.gz")
    direct = detector.detect(volume, support, OPTIONS)
    analyses = kept_analyses(analysis_file(plan, "T1", DEFAULT, "sick.nii.gz"))
    assert list(analyses) == ["axial", "coronal", FUSION]
    np.testing.assert_allclose(analyses[FUSION].heatmap, direct.heatmap, rtol=2e-3, atol=2e-3)
    assert analyses[FUSION].score == pytest.approx(direct.case_score)
    fused = next(one for one in results if one.planes == FUSION)
    assert fused.threshold == pytest.approx(direct.calibration.threshold)


def test_without_student_owes_nothing_to_it(results: list[VolumeResult]) -> None:
    table = figures(results)
    assert table[DEFAULT, FUSION] != table[WITHOUT_STUDENT, FUSION]


def test_without_student_keeps_the_default_but_for_the_student() -> None:
    scoring = ScoringConfig()
    plain = without_student(scoring)
    assert {kind for kind, _ in plain.keys} == {MapKind.TEACHER_SUPPORT}
    assert plain.fusion[MapKind.TEACHER_SUPPORT] == scoring.fusion[MapKind.TEACHER_SUPPORT]
    assert replace(plain, fusion=scoring.fusion) == scoring
    nothing = dict.fromkeys(MapKind, (0.0, 0.0, 0.0))
    only_student = replace(scoring, fusion={**nothing, MapKind.TEACHER_STUDENT: (1.0, 1.0, 1.0)})
    assert without_student(only_student).keys


def test_what_was_analysed_is_not_analysed_again(
    plan: VolumeBenchmark, results: list[VolumeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a case was analysed again")

    monkeypatch.setattr(Detector, "detect", refuse)
    again = run(plan)
    assert figures(again) == figures(results)
    assert [one.seconds for one in again] == [one.seconds for one in results]


def test_what_has_changed_or_is_damaged_is_analysed_again(
    plan: VolumeBenchmark, results: list[VolumeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed: list[str] = []
    detect = Detector.detect

    def counted(self: Detector, query: object, *rest: object) -> object:
        analysed.append(query.name)
        return detect(self, query, *rest)

    monkeypatch.setattr(Detector, "detect", counted)
    damaged = analysis_file(plan, "T1", DEFAULT, "plain.nii.gz")
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert figures(run(plan)) == figures(results)
    assert analysed == ["plain"] * 3  # one method, two planes and their fusion

    analysed.clear()
    run(replace(plan, shots=2, out=plan.out))
    assert len(analysed) == 2 * 3 * 3  # cases, methods, planes and their fusion


def test_a_student_is_trained_on_the_supports_of_the_others_alone(
    root: Path, tmp_path: Path
) -> None:
    plan = benchmark(root, tmp_path)
    checkpoint = train_on_others(plan, "T1")
    model, card = load_checkpoint(checkpoint)
    assert card.training["held_out"] == "T1"
    assert sorted(card.training["tasks"]) == [
        "PD axial",
        "PD coronal",
        "T2 axial",
        "T2 coronal",
    ]
    assert model.config.student.widths == (16, 16, 16)


def test_with_no_other_contrast_there_is_nothing_to_train_on(root: Path, tmp_path: Path) -> None:
    plan = benchmark(root, tmp_path)
    alone = replace(plan, cohorts={"T1": plan.cohorts["T1"]})
    with pytest.raises(InputError, match="no other contrast than T1"):
        run(alone)


def test_everything_is_written(plan: VolumeBenchmark, results: list[VolumeResult]) -> None:
    run(plan)
    write_volume_report(plan, results)
    document = json.loads((plan.out / "volumes.json").read_text())
    assert document["notice"] == RESEARCH_USE_ONLY
    assert len(document["results"]) == len(results)
    voxels = document["results"][0]["evaluation"]["voxels"]
    low, high = voxels["auroc"]["interval"]
    assert low - 1e-9 <= voxels["auroc"]["value"] <= high + 1e-9
    table = (plan.out / "volumes.md").read_text()
    assert RESEARCH_USE_ONLY in table and "## T1" in table
    assert f"{results[0].evaluation.voxels.auroc.value:.3f} (" in table
    rows = [line for line in table.splitlines() if line.startswith("| `default` | fusion")]
    assert len(rows) == 2  # all measures, and the sensitivities
    pictures = {path.name for path in (plan.out / "pictures").iterdir()}
    assert pictures == {
        f"T1_only_{method}.png" for method in (DEFAULT, WITHOUT_STUDENT, NEAREST_NEIGHBOUR)
    }
    with Image.open(plan.out / "pictures" / "T1_only_default.png") as picture:
        assert picture.info["Comment"] == RESEARCH_USE_ONLY
        assert len(np.unique(np.asarray(picture))) > 50


def test_contrasts_are_averaged(plan: VolumeBenchmark, results: list[VolumeResult]) -> None:
    other = [replace(one, contrast="T2") for one in results]
    assert "Mean of contrasts" not in volume_table(results)
    table = volume_table([*results, *other]).split("## Mean of contrasts")[1]
    assert f"{results[0].evaluation.voxels.auroc.value:.3f}" in table


def test_one_case_is_measured_without_intervals(
    root: Path, untrained: Path, tmp_path: Path
) -> None:
    cohort = root / "T2"
    case = Case("sick", cohort / "cases" / "sick.nii.gz", cohort / "masks" / "sick.nii.gz")
    support = tuple(find_studies(cohort / "support"))
    plan = replace(
        benchmark(root, tmp_path, untrained),
        cohorts={"own": Cohort(support, (case,))},
        tested=("own",),
        shots=None,
        options=replace(OPTIONS, planes=(Plane.AXIAL,)),
    )
    results = run(plan)
    assert [one.planes for one in results] == ["axial"] * 3
    measured = results[-1].evaluation
    assert measured.voxels.auroc.value > 0.9
    assert measured.voxels.auroc.interval is None
    assert measured.volumes is None and measured.normal_voxels_marked is None
    write_volume_report(plan, results)
    assert "1 case, 1 lesions" in (tmp_path / "volumes.md").read_text()


def test_best_and_worst_are_of_the_lesion_cases() -> None:
    assert best_and_worst({"a": 0.7, "b": 0.9, "c": 0.8}) == [("best", "b"), ("worst", "a")]
    assert best_and_worst({"a": 0.7}) == [("only", "a")]


def test_a_folder_without_cohorts_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no cohort in .*the layout is ROOT/<contrast>/support"):
        find_cohorts(tmp_path)


def test_too_few_supports_are_named(root: Path, untrained: Path, tmp_path: Path) -> None:
    with pytest.raises(SupportError, match=r"support of T1 has 3 studies and 4 were asked for"):
        run(replace(benchmark(root, tmp_path, untrained), shots=4))


def test_a_mask_that_does_not_fit_is_named_before_the_work(untrained: Path, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohorts" / "T1", seed=0)
    mask = cohort / "masks" / "sick.nii.gz"
    nib.save(nib.load(mask).slicer[:, :, :10], mask)
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"sick\.nii\.gz has shape \(24, 26, 10\)"):
        run(benchmark(tmp_path / "cohorts", out, untrained))
    assert not out.exists()
