"""What cannot be analysed, given to the real command line with the real detector.

Each case puts something wrong into a folder of good studies and says which words the one line on
stderr must hold. The files of an earlier run must stay as they were.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.models.checkpoint import CARD_FILE, WEIGHTS_FILE
from tests.io.dicom.dicom_builder import write_series

Break = Callable[[Path, Path], list[str]]

NORMAL = np.random.default_rng(0).normal(100, 6, (24, 26, 12)).astype(np.float32)
EARLIER = {
    "heatmap.nii.gz": b"earlier heatmap",
    "mask.nii.gz": b"earlier mask",
    "report.json": b"earlier report",
    "overlay.png": b"earlier picture",
    "report.html": b"earlier page",
    "findings.nii.gz": b"earlier findings",
    "findings.csv": b"earlier table",
}


def detect(folder: Path, checkpoint: Path, more: list[str]) -> Result:
    """Run `d24fad detect` as a test puts it; what it does not say is as in a good run."""
    arguments = (
        more if more and not more[0].startswith("-") else [str(folder / "case.nii.gz"), *more]
    )
    good = {
        "--support": folder / "normals",
        "--out": folder / "out",
        "--checkpoint": checkpoint,
        "--cache": folder / "cache",
        "--threads": 1,
    }
    for name, value in good.items():
        if name not in arguments:
            arguments = [*arguments, name, str(value)]
    return CliRunner().invoke(app, ["detect", *arguments])


def case(array: NDArray[np.generic]) -> Break:
    """The case is this array."""

    def put(folder: Path, checkpoint: Path) -> list[str]:
        nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 3, 1])), folder / "case.nii.gz")
        return []

    return put


def with_value(value: float) -> NDArray[np.float32]:
    array = NORMAL.copy()
    array[5, 5, 5] = value
    return array


def garbage(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "case.nii.gz").write_bytes(b"this is no scan")
    return []


def cut_off(folder: Path, checkpoint: Path) -> list[str]:
    content = (folder / "case.nii.gz").read_bytes()
    (folder / "case.nii.gz").write_bytes(content[: len(content) // 2])
    return []


def missing(folder: Path, checkpoint: Path) -> list[str]:
    return [str(folder / "nowhere.nii.gz")]


def other_format(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "case.txt").write_text("a letter")
    return [str(folder / "case.txt")]


def flat_picture(folder: Path, checkpoint: Path) -> list[str]:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(NORMAL[:, :, 5]), str(folder / "flat.mha"))
    return [str(folder / "flat.mha")]


def empty_folder(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "empty").mkdir()
    return [str(folder / "empty")]


def series_with_a_gap(folder: Path, checkpoint: Path) -> list[str]:
    values = NORMAL.astype(np.int16)
    write_series(folder / "series", values, np.diag([-1.0, -1, 3, 1]), leave_out=[4])
    return [str(folder / "series")]


def series_with_tilt(folder: Path, checkpoint: Path) -> list[str]:
    affine = np.diag([-1.0, -1, 3, 1])
    affine[1, 2] = 1.2
    write_series(folder / "series", NORMAL.astype(np.int16), affine)
    return [str(folder / "series")]


def two_series(folder: Path, checkpoint: Path) -> list[str]:
    for number in (1, 2):
        write_series(
            folder / "series",
            NORMAL.astype(np.int16),
            np.diag([-1.0, -1, 3, 1]),
            number=number,
            prefix=f"s{number}-",
        )
    return [str(folder / "series")]


def ct_against_mr(folder: Path, checkpoint: Path) -> list[str]:
    array = np.full(NORMAL.shape, -1000, np.float32)
    array[4:20, 4:20, 2:10] = 40
    return case(array)(folder, checkpoint)


def mixed_support(folder: Path, checkpoint: Path) -> list[str]:
    array = np.full(NORMAL.shape, -1000, np.float32)
    array[4:20, 4:20, 2:10] = 40
    path = folder / "normals" / "ct.nii.gz"
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 3, 1])), path)
    return []


def one_support(folder: Path, checkpoint: Path) -> list[str]:
    return ["--support", str(folder / "normals" / "normal-1.nii.gz")]


def no_support(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "empty").mkdir()
    return ["--support", str(folder / "empty")]


def the_case_as_support(folder: Path, checkpoint: Path) -> list[str]:
    return [
        *("--support", str(folder / "case.nii.gz")),
        *("--support", str(folder / "normals" / "normal-1.nii.gz")),
    ]


def damaged_support(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "normals" / "normal-2.nii.gz").write_bytes(b"this is no scan")
    return []


def missing_support(folder: Path, checkpoint: Path) -> list[str]:
    return ["--support", str(folder / "nowhere")]


def unknown_window(folder: Path, checkpoint: Path) -> list[str]:
    return ["--modality", "ct", "--window", "knee"]


def unknown_checkpoint(folder: Path, checkpoint: Path) -> list[str]:
    return ["--checkpoint", str(folder / "no-model")]


def damaged_card(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "model").mkdir()
    (folder / "model" / "card.json").write_text("{")
    return ["--checkpoint", str(folder / "model")]


def copied(checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(checkpoint, folder / "model"))


def weights_of_another_model(folder: Path, checkpoint: Path) -> list[str]:
    model = copied(checkpoint, folder)
    (model / WEIGHTS_FILE).write_bytes(b"other weights")
    return ["--checkpoint", str(model)]


def card_of_another_model(folder: Path, checkpoint: Path) -> list[str]:
    card = copied(checkpoint, folder) / CARD_FILE
    card.write_text(card.read_text().replace('"position"', '"image"'))
    return ["--checkpoint", str(card.parent)]


def unknown_teacher(folder: Path, checkpoint: Path) -> list[str]:
    card = copied(checkpoint, folder) / CARD_FILE
    card.write_text(card.read_text().replace("efficientnet_lite0", "resnet9000"))
    return ["--checkpoint", str(card.parent)]


def output_is_a_file(folder: Path, checkpoint: Path) -> list[str]:
    (folder / "taken").write_text("a letter")
    return ["--out", str(folder / "taken" / "deeper")]


def option(*arguments: str) -> Break:
    return lambda folder, checkpoint: list(arguments)


BAD_INPUTS: dict[str, tuple[Break, str]] = {
    "unreadable": (garbage, "not a whole NIfTI image"),
    "cut off": (cut_off, "not a whole NIfTI image"),
    "missing": (missing, "no such file or folder"),
    "another format": (other_format, "not a format that can be read"),
    "2-D": (flat_picture, "is one slice"),
    "one slice": (case(NORMAL[:, :, :1]), "24 x 26 x 1 is one slice"),
    "4-D": (case(np.stack([NORMAL, NORMAL], -1)), "24 x 26 x 12 x 2 is a series"),
    "NaN": (case(with_value(np.nan)), "NaN or infinite"),
    "infinite": (case(with_value(np.inf)), "NaN or infinite"),
    "constant": (case(np.full((24, 26, 12), 7, np.float32)), "every voxel is 7"),
    "empty folder": (empty_folder, "empty"),
    "missing slices": (series_with_a_gap, "missing"),
    "gantry tilt": (series_with_tilt, "tilt"),
    "two series": (two_series, "2 series"),
    "wrong modality against the support": (ct_against_mr, "CT"),
    "support of two modalities": (mixed_support, "CT"),
    "one support study": (one_support, "2"),
    "no support study": (no_support, "empty"),
    "the case as support": (the_case_as_support, "1 had to be left out"),
    "damaged support study": (damaged_support, "normal-2.nii.gz"),
    "missing support": (missing_support, "nowhere"),
    "unknown CT window": (unknown_window, "'knee'"),
    "unknown checkpoint": (unknown_checkpoint, "no-model"),
    "damaged model card": (damaged_card, "card.json"),
    "weights of another model": (weights_of_another_model, "model.safetensors"),
    "card of another model": (card_of_another_model, "architecture"),
    "unknown teacher": (unknown_teacher, "resnet9000"),
    "output is a file": (output_is_a_file, "taken"),
    "negative threshold": (option("--threshold", "-1"), "-1"),
    "threshold that is no number": (option("--threshold", "nan"), "nan"),
    "negative volume": (option("--minimum-volume", "-1"), "-1"),
    "a plane twice": (option("--plane", "axial", "--plane", "axial"), "twice"),
}


@pytest.mark.parametrize(("spoil", "words"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_ends_in_one_sentence_and_leaves_earlier_files(
    studies: Path, untrained: Path, spoil: Break, words: str
) -> None:
    (studies / "out").mkdir()
    for name, content in EARLIER.items():
        (studies / "out" / name).write_bytes(content)

    run = detect(studies, untrained, spoil(studies, untrained))

    assert run.exit_code == 2, run.output
    assert run.stdout == ""
    *warnings, error = run.stderr.splitlines()
    assert all(line.startswith("warning: ") for line in warnings)
    assert error.startswith("error: ") and words in error
    assert len(error) < 500 and "Traceback" not in error
    files = {path.name: path.read_bytes() for path in (studies / "out").iterdir()}
    assert files == EARLIER


def test_the_same_command_without_a_fault_succeeds(studies: Path, untrained: Path) -> None:
    run = detect(studies, untrained, [])
    assert run.exit_code == 0, run.output
    assert {path.name for path in (studies / "out").iterdir()} == set(EARLIER)
