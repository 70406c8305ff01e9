"""`d24fad train` with its own teacher, on a handful of pictures and small studies."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.models.checkpoint import load_checkpoint, read_card
from tests.cli.small_studies import write_study
from tests.evaluation.small_tasks import write_task

SHORT = ("--epochs", 1, "--steps", 1, "--queries", 2, "--shots", 2)


def train(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks."""
    root = tmp_path_factory.mktemp("images")
    for name in ("discs", "plates"):
        write_task(root, name, train=5, good=1, bad=1)
    return root


@pytest.fixture(scope="module")
def normals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("normals")
    for number in range(3):
        write_study(folder / f"normal-{number}.nii.gz", seed=number)
    return folder


@pytest.mark.slow
def test_images_and_volumes_train_one_student(images: Path, normals: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--images", images, "--volumes", normals, "--out", out, "--name", "mine", *SHORT)
    run = train(*arguments, "--seed", 3)
    assert run.exit_code == 0, run.output
    epoch, wrote = run.stderr.splitlines()
    assert re.fullmatch(r"epoch 1/1: TSD \d\.\d+, SSD \d\.\d+, diversity \d\.\d+", epoch)
    assert wrote == f"wrote {out / 'checkpoint'}"
    _, card = load_checkpoint(out / "checkpoint")
    assert card.name == "mine"
    assert card.training["tasks"] == ["discs", "plates", normals.name]
    assert card.training["seed"] == 3

    info_run = CliRunner().invoke(app, ["info", str(out / "checkpoint")])
    assert info_run.exit_code == 0 and "mine" in info_run.stdout

    other = train(*arguments, "--seed", 4)
    assert other.exit_code == 2
    assert "other settings" in other.stderr


@pytest.mark.slow
def test_a_checkpoint_goes_on_learning_with_its_own_architecture(
    images: Path, untrained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--images", images, "--task", "discs", "--out", out, "--name", "mine", *SHORT)
    run = train(*arguments, "--initial", untrained)
    assert run.exit_code == 0, run.output
    former, card = read_card(untrained), read_card(out / "checkpoint")
    assert (card.network, card.image_size) == (former.network, 64)
    assert (card.name, card.scoring) == ("mine", former.scoring)
    assert card.training["continued_from"]["weights_hash"] == former.weights_hash
    assert card.weights_hash != former.weights_hash

    other = train(*arguments)
    assert other.exit_code == 2
    assert "other settings" in other.stderr


@pytest.mark.parametrize(
    ("choice", "tasks"),
    [
        ((), ["discs", "plates"]),
        (("--task", "plates"), ["plates"]),
        (("--leave-out", "plates"), ["discs"]),
    ],
)
@pytest.mark.slow
def test_tasks_are_chosen_by_name(
    images: Path, tmp_path: Path, choice: tuple[str, ...], tasks: list[str]
) -> None:
    run = train("--images", images, *choice, "--out", tmp_path, *SHORT)
    assert run.exit_code == 0, run.output
    assert json.loads((tmp_path / "training_config.json").read_text())["tasks"] == tasks


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_the_repeated_command_goes_on(
    images: Path, tmp_path: Path
) -> None:
    arguments = ("--images", images, "--out", tmp_path / "run", "--epochs", 200, "--steps", 2)
    command = [
        *(sys.executable, "-m", "d24fad_core", "train"),
        *(str(argument) for argument in (*arguments, "--queries", 2, "--shots", 2)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    last_line = ""
    while "epoch 1/200" not in last_line:
        line = process.stderr.readline()
        assert line, last_line
        last_line += line
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate()
    last_line += rest
    assert process.returncode == 130, last_line
    assert out == ""
    *epochs, last = last_line.splitlines()
    stop = re.fullmatch(r"stopped after epoch (\d+); repeat the command to go on", last)
    assert stop, last_line
    done = int(stop[1])
    assert done >= 1
    assert all(re.match(r"epoch \d+/200: |epoch \d+: student", line) for line in epochs)
    assert not (tmp_path / "run" / "checkpoint").exists()

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    first = next((line for line in process.stderr if "/200" in line), "")
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert first.startswith(f"epoch {done + 1}/200")


BAD_INPUTS = {
    "no data": ((), "no training data"),
    "unknown task": (("--images", "IMAGES", "--task", "knees"), "no task 'knees'"),
    "unknown task left out": (("--images", "IMAGES", "--leave-out", "knees"), "no task 'knees'"),
    "every task left out": (
        ("--images", "IMAGES", "--leave-out", "discs", "--leave-out", "plates"),
        "no training data",
    ),
    "task without images": (("--volumes", "NORMALS", "--task", "discs"), "--images"),
    "missing images": (("--images", "NOWHERE"), "no such file or folder"),
    "missing volumes": (("--volumes", "NOWHERE"), "no such file or folder"),
    "too few images": (("--images", "IMAGES", "--queries", "4", "--shots", "4"), "need 8"),
    "too few volumes": (("--volumes", "TWO"), "at least 3"),
    "damaged image": (("--images", "DAMAGED"), "not a whole JPEG or PNG"),
    "unknown device": (("--images", "IMAGES", "--device", "abacus"), "device 'abacus'"),
    "missing teacher weights": (
        ("--images", "IMAGES", "--teacher-weights", "NOWHERE"),
        "no such file or folder",
    ),
    "paper preset without its teacher": (
        ("--images", "IMAGES", "--preset", "paper", "--teacher-weights", "NOWHERE"),
        "no such file or folder",
    ),
    "teacher weights of another network": (
        ("--images", "IMAGES", "--teacher-weights", "WEIGHTS"),
        "belong to another network",
    ),
    "missing checkpoint to begin with": (
        ("--images", "IMAGES", "--initial", "NOWHERE"),
        "no checkpoint at",
    ),
    "checkpoint of another teacher": (
        ("--images", "IMAGES", "--initial", "OTHER_TEACHER"),
        "has other weights here than when",
    ),
    "unknown CT window": (
        ("--volumes", "NORMALS", "--modality", "CT", "--window", "knee"),
        "'knee'",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_ends_in_one_line_and_trains_nothing(
    images: Path,
    normals: Path,
    untrained: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    damaged = Path(shutil.copytree(images, tmp_path / "damaged"))
    (damaged / "discs" / "train" / "good" / "00.png").write_bytes(b"this is no image")
    two = Path(shutil.copytree(normals, tmp_path / "two"))
    (two / "normal-0.nii.gz").unlink()
    other_teacher = Path(shutil.copytree(untrained, tmp_path / "other_teacher"))
    card = json.loads((other_teacher / "card.json").read_text())
    (other_teacher / "card.json").write_text(json.dumps({**card, "teacher_hash": "0" * 64}))
    places = {
        "OTHER_TEACHER": other_teacher,
        "IMAGES": images,
        "NORMALS": normals,
        "NOWHERE": tmp_path / "nowhere",
        "DAMAGED": damaged,
        "TWO": two,
        "WEIGHTS": untrained / "model.safetensors",
    }
    out = tmp_path / "run"
    sizes = () if "--queries" in arguments else SHORT
    run = train(*(places.get(value, value) for value in arguments), "--out", out, *sizes)

    assert run.exit_code == 2, run.output
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: ") and words in run.stderr
    assert not (out / "checkpoint").exists()
    assert not (out / "training_state.pt").exists()
