"""`d24fad evaluate` on pictures of discs and on small studies, through the real command line."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.evaluation.volume_protocol import evaluate_volumes
from tests.cli.small_studies import write_study
from tests.evaluation.small_tasks import write_task

Break = Callable[[Path], list[str]]


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments)])


def figures(*arguments: object, target: Path) -> dict[str, Any]:
    """Run the command; returns what it wrote as JSON."""
    run = evaluate(*arguments, "--json", target)
    assert run.exit_code == 0, run.output
    assert run.stderr == ""
    assert RESEARCH_USE_ONLY in run.stdout
    for method in ("default", "nearest"):
        assert method in run.stdout
    document: dict[str, Any] = json.loads(target.read_text())
    for measured in document["methods"].values():
        if "voxel_auroc" in measured:
            assert f"{measured['voxel_auroc']:.4f}" in run.stdout, "cut off at 80 columns"
    return document


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_task(tmp_path / "tasks", train=4, good=3, bad=3)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three normals, a normal case and one with a lesion."""
    root = tmp_path / "cohort"
    for number in range(3):
        write_study(root / "support" / f"normal-{number}.nii.gz", seed=number)
    write_study(root / "cases" / "plain.nii.gz", seed=10)
    write_study(root / "cases" / "sick.nii.gz", seed=20, lesion=True)
    image = nib.load(root / "cases" / "sick.nii.gz")
    mask = np.zeros(image.shape, np.uint8)
    mask[14:18, 8:12, 5:8] = 1
    (root / "masks").mkdir()
    nib.save(nib.Nifti1Image(mask, image.affine), root / "masks" / "sick.nii.gz")
    return root


def assert_share(value: object) -> None:
    assert isinstance(value, float) and 0 <= value <= 1


def test_images_are_measured_beside_nearest_neighbour(
    tasks: Path, untrained: Path, tmp_path: Path
) -> None:
    document = figures(
        *("--data", tasks, "--task", "discs", "--shots", 2, "--draws", 3, "--seed", 7),
        *("--checkpoint", untrained),
        target=tmp_path / "figures.json",
    )
    assert list(document["methods"]) == ["default", "nearest_neighbour"]
    for method in document["methods"].values():
        measured = method["image_auroc"]
        assert len(measured["draws"]) == 3
        for value in (*measured["draws"], *measured["interval_95"], measured["mean"]):
            assert_share(value)
        assert measured["mean"] == pytest.approx(np.mean(measured["draws"]))
        assert {len(names) for names in method["supports"]} == {2}
        assert len(method["scores"]) == 6
    assert document["data"] == {"task": "discs", "shots": 2, "draws": 3, "seed": 7}
    assert document["notice"] == RESEARCH_USE_ONLY
    assert document["checkpoint"]["name"] == "untrained"


def test_volumes_are_measured_beside_nearest_neighbour(
    cohort: Path, untrained: Path, tmp_path: Path
) -> None:
    document = figures(
        *("--volumes", cohort, "--no-register", "--checkpoint", untrained),
        target=tmp_path / "new" / "figures.json",
    )
    assert list(document["methods"]) == ["default", "nearest_neighbour"]
    for method in document["methods"].values():
        for name in ("voxel_auroc", "voxel_ap", "voxel_aupro", "best_dice", "dice", "froc"):
            assert_share(method[name])
            low, high = method["intervals_95"][name]
            assert 0 <= low <= high <= 1
        assert_share(method["volume_auroc"])
        assert list(method["froc_sensitivity"]) == ["0.125", "0.25", "0.5", "1", "2", "4", "8"]
        assert set(method["case_scores"]) == {"plain.nii.gz", "sick.nii.gz"}
    assert document["data"] == {"volumes": "cohort", "planes": ["axial"], "register": False}


def test_translated_normals_are_measured_too_on_demand(
    cohort: Path, untrained: Path, tmp_path: Path
) -> None:
    document = figures(
        *("--volumes", cohort, "--no-register", "--checkpoint", untrained, "--translate"),
        target=tmp_path / "figures.json",
    )
    methods = document["methods"]
    assert list(methods) == ["default", "nearest_neighbour", "translated_normals"]
    translated = methods["translated_normals"]
    assert_share(translated["voxel_auroc"])
    scores = translated["case_scores"]
    assert scores.keys() == {"plain.nii.gz", "sick.nii.gz"}
    assert scores["sick.nii.gz"] > scores["plain.nii.gz"]
    assert scores != methods["default"]["case_scores"]


def test_the_learned_comparison_is_measured_too_on_demand(
    cohort: Path, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for by its own name; what it computes is the business of other tests."""
    kinds = []
    measured = evaluate_volumes

    def evaluate(*arguments: Any, options: DetectionOptions, **more: Any) -> Any:
        kinds.append(options.comparison)
        window = replace(options, comparison=ComparisonKind.WINDOW)
        return measured(*arguments, options=window, **more)

    monkeypatch.setattr("d24fad_core.evaluation.volume_protocol.evaluate_volumes", evaluate)
    document = figures(
        *("--volumes", cohort, "--no-register", "--checkpoint", untrained, "--learned"),
        target=tmp_path / "figures.json",
    )
    assert list(document["methods"]) == ["default", "nearest_neighbour", "learned"]
    assert kinds == [ComparisonKind.WINDOW, ComparisonKind.LEARNED]


def test_the_same_command_gives_the_same_figures(
    tasks: Path, untrained: Path, tmp_path: Path
) -> None:
    arguments = ("--data", tasks, "--task", "discs", "--shots", 2, "--checkpoint", untrained)
    first = figures(*arguments, target=tmp_path / "first.json")
    assert figures(*arguments, target=tmp_path / "second.json") == first
    other = figures(*arguments, "--seed", 1, target=tmp_path / "other.json")
    assert other["methods"]["default"]["supports"] != first["methods"]["default"]["supports"]


def test_cohorts_without_normal_cases_say_what_is_not_known(
    cohort: Path, untrained: Path, tmp_path: Path
) -> None:
    (cohort / "cases" / "plain.nii.gz").unlink()
    document = figures(
        *("--volumes", cohort, "--no-register", "--checkpoint", untrained),
        target=tmp_path / "figures.json",
    )
    method = document["methods"]["default"]
    assert method["volume_auroc"] is method["intervals_95"]["volume_auroc"] is None
    assert_share(method["voxel_auroc"])


def test_doubts_about_a_file_are_said_in_one_line(cohort: Path, untrained: Path) -> None:
    path = cohort / "cases" / "plain.nii.gz"
    image = nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32), None)
    image.header.set_zooms((2, 2, 3))
    nib.save(image, path)
    run = evaluate("--volumes", cohort, "--no-register", "--checkpoint", untrained)
    assert run.exit_code == 0, run.output
    lines = run.stderr.splitlines()
    assert lines and all(line.startswith("warning: plain.nii.gz: ") for line in lines)


def images(*more: str) -> Break:
    """Evaluation of the image task with other options."""

    def arguments_of(folder: Path) -> list[str]:
        arguments = ["--data", str(folder / "tasks")]
        return [*arguments, *(() if "--task" in more else ("--task", "discs")), *more]

    return arguments_of


def volumes(folder: Path) -> list[str]:
    return ["--volumes", str(folder / "cohort"), "--no-register"]


def without(part: str, change: Break) -> Break:
    """The same with a file or folder less."""

    def remove(folder: Path) -> list[str]:
        place = folder / part
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        return change(folder)

    return remove


def replaced(part: str, change: Break) -> Break:
    """The same with a file that holds no image."""

    def spoil(folder: Path) -> list[str]:
        (folder / part).write_bytes(b"this is no image")
        return change(folder)

    return spoil


def mask_of_another_shape(folder: Path) -> list[str]:
    path = folder / "cohort" / "masks" / "sick.nii.gz"
    nib.save(nib.load(path).slicer[:, 1:, :], path)
    return volumes(folder)


def mask_of_another_name(folder: Path) -> list[str]:
    masks = folder / "cohort" / "masks"
    shutil.copy(masks / "sick.nii.gz", masks / "sick-mask.nii.gz")
    return volumes(folder)


def case_in_the_support(folder: Path) -> list[str]:
    cohort = folder / "cohort"
    shutil.copy(cohort / "support" / "normal-0.nii.gz", cohort / "cases" / "normal.nii.gz")
    return volumes(folder)


BAD_INPUTS: dict[str, tuple[Break, str]] = {
    "neither images nor volumes": (lambda folder: [], "--data with --task, or --volumes"),
    "both images and volumes": (
        lambda folder: [*images()(folder), *volumes(folder)],
        "--data with --task, or --volumes",
    ),
    "no task named": (lambda folder: ["--data", str(folder / "tasks")], "--task"),
    "unknown task": (images("--task", "knees"), "no task 'knees' under"),
    "missing data folder": (without("tasks", images()), "no such file or folder"),
    "missing test folder": (without("tasks/discs/test/ungood", images()), "test/ungood"),
    "missing good tests": (without("tasks/discs/test/good", images()), "test/good"),
    "too many shots": (images("--shots", "5"), "5 shots"),
    "unreadable test image": (
        replaced("tasks/discs/test/good/01.png", images("--shots", "2")),
        "good/01.png",
    ),
    "unreadable support image": (
        replaced("tasks/discs/train/good/01.png", images("--shots", "4")),
        "good/01.png",
    ),
    "missing cohort": (without("cohort", volumes), "no such file or folder"),
    "missing support folder": (without("cohort/support", volumes), "ROOT/support"),
    "missing cases folder": (without("cohort/cases", volumes), "ROOT/cases"),
    "no mask": (without("cohort/masks/sick.nii.gz", volumes), "has a mask of its own name"),
    "missing masks folder": (without("cohort/masks", volumes), "ROOT/masks"),
    "mask of another shape": (mask_of_another_shape, "(24, 25, 12), its case (24, 26, 12)"),
    "mask of another name": (mask_of_another_name, "sick-mask.nii.gz belongs to no case"),
    "unreadable mask": (replaced("cohort/masks/sick.nii.gz", volumes), "masks/sick.nii.gz"),
    "unreadable case": (replaced("cohort/cases/plain.nii.gz", volumes), "plain.nii.gz"),
    "unreadable support": (replaced("cohort/support/normal-0.nii.gz", volumes), "normal-0.nii.gz"),
    "case in the support": (case_in_the_support, "is the support study 'normal-0' too"),
    "unknown window": (
        lambda folder: [*volumes(folder), "--modality", "CT", "--window", "knee"],
        "'knee'",
    ),
    "unknown checkpoint": (
        lambda folder: [*volumes(folder), "--checkpoint", str(folder / "no-model")],
        "no-model",
    ),
    "missing teacher weights": (
        lambda folder: [*volumes(folder), "--teacher-weights", str(folder / "no.pth")],
        "there is no file",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_ends_in_one_line_and_leaves_earlier_figures(
    tmp_path: Path, tasks: Path, cohort: Path, untrained: Path, spoil: Break, words: str
) -> None:
    target = tmp_path / "figures.json"
    target.write_text("earlier figures")
    arguments = spoil(tmp_path)
    if "--checkpoint" not in arguments:
        arguments += ["--checkpoint", str(untrained)]

    run = evaluate(*arguments, "--json", target)

    assert run.exit_code == 2, run.output
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: ") and words in run.stderr
    assert target.read_text() == "earlier figures"


def test_a_folder_as_json_target_is_refused_before_the_work(
    tmp_path: Path, cohort: Path, untrained: Path
) -> None:
    run = evaluate("--volumes", cohort, "--checkpoint", untrained, "--json", tmp_path)
    assert run.exit_code == 2
    assert run.stderr.startswith("error: ") and "--json the name of a file" in run.stderr


@pytest.mark.slow
def test_the_shipped_checkpoint_tells_discs_apart(tmp_path: Path) -> None:
    root = write_task(tmp_path / "tasks")
    document = figures(
        *("--data", root, "--task", "discs", "--shots", 4, "--draws", 2),
        target=tmp_path / "figures.json",
    )
    for method in document["methods"].values():
        assert method["image_auroc"]["mean"] > 0.9


@pytest.mark.slow
def test_the_shipped_checkpoint_finds_simulated_lesions(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    counts = ("--support", 3, "--normals", 1, "--lesions", 1, "--spacing", 3, 3, 6)
    arguments = [str(value) for value in ("simulate", cohort, *counts)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    document = figures("--volumes", cohort, target=tmp_path / "figures.json")
    for method in document["methods"].values():
        assert method["voxel_auroc"] > 0.7
        assert_share(method["volume_auroc"])
