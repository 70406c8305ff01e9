"""What cannot be analysed, given to the real command line with the real detector.

Each case puts something wrong into a folder of good studies and says which words the one line on
stderr must hold. The files of an earlier run must stay as they were.
"""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from tests.cli.small_studies import write_study
from tests.data.dicom_builder import write_series

Break = Callable[[Path], list[str]]

NORMAL = np.random.default_rng(0).normal(100, 6, (24, 26, 12)).astype(np.float32)
EARLIER = {
    "heatmap.nii.gz": b"earlier heatmap",
    "mask.nii.gz": b"earlier mask",
    "report.json": b"earlier report",
    "overlay.png": b"earlier picture",
}


def detect(folder: Path, *more: str) -> Result:
    defaults = {"--support": folder / "normals", "--out": folder / "out"}
    arguments = ["detect", *more, "--no-cache"]
    if not more or more[0].startswith("-"):
        arguments.insert(1, str(folder / "case.nii.gz"))
    for name, value in defaults.items():
        if name not in more:
            arguments += [name, str(value)]
    return CliRunner().invoke(app, arguments)


def case(array: NDArray[np.generic]) -> Break:
    """The case is this array."""

    def put(folder: Path) -> list[str]:
        nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 3, 1])), folder / "case.nii.gz")
        return []

    return put


def with_value(value: float) -> NDArray[np.float32]:
    array = NORMAL.copy()
    array[5, 5, 5] = value
    return array


def garbage(folder: Path) -> list[str]:
    (folder / "case.nii.gz").write_bytes(b"this is no scan")
    return []


def cut_off(folder: Path) -> list[str]:
    content = (folder / "case.nii.gz").read_bytes()
    (folder / "case.nii.gz").write_bytes(content[: len(content) // 2])
    return []


def missing(folder: Path) -> list[str]:
    return [str(folder / "nowhere.nii.gz")]


def other_format(folder: Path) -> list[str]:
    (folder / "case.txt").write_text("a letter")
    return [str(folder / "case.txt")]


def flat_picture(folder: Path) -> list[str]:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(NORMAL[:, :, 5]), str(folder / "flat.mha"))
    return [str(folder / "flat.mha")]


def empty_folder(folder: Path) -> list[str]:
    (folder / "empty").mkdir()
    return [str(folder / "empty")]


def series_with_a_gap(folder: Path) -> list[str]:
    values = NORMAL.astype(np.int16)
    write_series(folder / "series", values, np.diag([-1.0, -1, 3, 1]), leave_out=[4])
    return [str(folder / "series")]


def series_with_tilt(folder: Path) -> list[str]:
    affine = np.diag([-1.0, -1, 3, 1])
    affine[1, 2] = 1.2
    write_series(folder / "series", NORMAL.astype(np.int16), affine)
    return [str(folder / "series")]


def two_series(folder: Path) -> list[str]:
    for number in (1, 2):
        write_series(
            folder / "series",
            NORMAL.astype(np.int16),
            np.diag([-1.0, -1, 3, 1]),
            number=number,
            prefix=f"s{number}-",
        )
    return [str(folder / "series")]


def ct_against_mr(folder: Path) -> list[str]:
    array = np.full(NORMAL.shape, -1000, np.float32)
    array[4:20, 4:20, 2:10] = 40
    return case(array)(folder)


def mixed_support(folder: Path) -> list[str]:
    array = np.full(NORMAL.shape, -1000, np.float32)
    array[4:20, 4:20, 2:10] = 40
    path = folder / "normals" / "ct.nii.gz"
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 3, 1])), path)
    return []


def one_support(folder: Path) -> list[str]:
    return ["--support", str(folder / "normals" / "normal-1.nii.gz")]


def no_support(folder: Path) -> list[str]:
    (folder / "empty").mkdir()
    return ["--support", str(folder / "empty")]


def the_case_as_support(folder: Path) -> list[str]:
    return [
        *("--support", str(folder / "case.nii.gz")),
        *("--support", str(folder / "normals" / "normal-1.nii.gz")),
    ]


def damaged_support(folder: Path) -> list[str]:
    (folder / "normals" / "normal-2.nii.gz").write_bytes(b"this is no scan")
    return []


def missing_support(folder: Path) -> list[str]:
    return ["--support", str(folder / "nowhere")]


def unknown_window(folder: Path) -> list[str]:
    for path in (folder / "case.nii.gz", *sorted((folder / "normals").iterdir())):
        write_study(path, seed=hash(path.name) % 1000)
    return ["--modality", "ct", "--window", "knee"]


def unknown_checkpoint(folder: Path) -> list[str]:
    return ["--checkpoint", str(folder / "no-model")]


def damaged_card(folder: Path) -> list[str]:
    (folder / "model").mkdir()
    (folder / "model" / "card.json").write_text("{")
    return ["--checkpoint", str(folder / "model")]


def weights_of_another_model(folder: Path) -> list[str]:
    from d24fad_core.networks.checkpoint import CARD_FILE, SHIPPED, WEIGHTS_FILE

    (folder / "model").mkdir()
    (folder / "model" / CARD_FILE).write_bytes((SHIPPED / CARD_FILE).read_bytes())
    (folder / "model" / WEIGHTS_FILE).write_bytes(b"other weights")
    return ["--checkpoint", str(folder / "model")]


def output_is_a_file(folder: Path) -> list[str]:
    (folder / "taken").write_text("a letter")
    return ["--out", str(folder / "taken" / "deeper")]


def option(*arguments: str) -> Break:
    return lambda folder: list(arguments)


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
    "output is a file": (output_is_a_file, "taken"),
    "negative threshold": (option("--threshold", "-1"), "-1"),
    "threshold that is no number": (option("--threshold", "nan"), "nan"),
    "negative volume": (option("--minimum-volume", "-1"), "-1"),
}


@pytest.mark.parametrize(("spoil", "words"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_ends_in_one_sentence_and_leaves_earlier_files(
    studies: Path, spoil: Break, words: str
) -> None:
    (studies / "out").mkdir()
    for name, content in EARLIER.items():
        (studies / "out" / name).write_bytes(content)

    run = detect(studies, *spoil(studies))

    assert run.exit_code == 2, run.output
    assert run.stdout == ""
    *warnings, error = run.stderr.splitlines()
    assert all(line.startswith("warning: ") for line in warnings)
    assert error.startswith("error: ") and words in error
    assert len(error) < 500 and "Traceback" not in error
    kept = {path.name: path.read_bytes() for path in (studies / "out").iterdir()}
    assert kept == EARLIER
