"""Commands load no more than they need, and what is missing is named with what brings it."""

import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = (
    *("monai", "ignite", "tensorboard", "sklearn", "skimage", "nilearn", "monailabel"),
    *("timm", "torchvision", "highdicom", "dicomweb_client", "ray", "pyarrow", "onnx", "deepbet"),
)
"""What extras bring and `detect` does without."""

OTHER_COMMANDS = (
    *("simulation.cohort", "training", "training.decoder", "evaluation", "benchmark", "archive"),
    *("bids.dataset", "contrasts.detection", "change.comparison", "export.change_picture"),
)
"""Parts of the core that other commands are for, or other options."""

RUN_AND_LIST = """
import sys
from d24fad_core.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules)
"""

RUN_WITHOUT = """
import sys
from pathlib import Path
absent, *arguments = sys.argv[1:]
sys.modules[absent] = None
from d24fad_core.cli import app
app(arguments)
"""


def python(program: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_loads_no_library(tmp_path: Path) -> None:
    run = python("import sys, d24fad_core; print(*sys.modules)", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "d24fad_core" in run.stdout
    assert not {"torch", "numpy", "typer", *EXTRAS} & set(run.stdout.split())


@pytest.mark.parametrize("options", [(), ("--comparison", "learned")])
@pytest.mark.slow
def test_detect_loads_nothing_of_the_extras(studies: Path, options: tuple[str, ...]) -> None:
    run = python(
        RUN_AND_LIST,
        *("detect", studies / "case.nii.gz", "--support", studies / "normals"),
        *("--out", studies / "out", "--cache", studies / "cache", "--quiet", *options),
        folder=studies,
    )
    assert run.returncode == 0, run.stderr
    assert (studies / "out" / "report.json").is_file()
    loaded = set(run.stdout.splitlines()[-1].split())
    assert {"torch", "d24fad_core"} <= loaded
    assert not loaded & set(EXTRAS)
    assert not loaded & {f"d24fad_core.{name}" for name in OTHER_COMMANDS}
    assert not loaded & {"torch._dynamo", "torch._inductor", "torch.onnx", "matplotlib.pyplot"}


def test_what_analyses_does_not_wait_for_what_draws(tmp_path: Path) -> None:
    program = "import sys, d24fad_core.cli.cases.case_analysis; print(*sys.modules)"
    run = python(program, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "d24fad_core.export.folder" in run.stdout.split()
    assert "matplotlib" not in run.stdout.split()


@pytest.mark.parametrize(
    ("absent", "command", "sentence"),
    [
        ("monai", "train --volumes normals --out run", "d24fad train needs monai, {}[train]"),
        (
            "sklearn",
            "evaluate --data . --task normals",
            "d24fad evaluate needs sklearn, {}[evaluate]",
        ),
        (
            "monai",
            "benchmark --data . --out run",
            "d24fad benchmark needs monai, {}[train,evaluate]",
        ),
        (
            "nilearn",
            "simulate cohort --support 2",
            "the average brain needs nilearn, {}[simulate]",
        ),
        ("onnx", "export network.onnx", "d24fad export needs onnx, {}[export]"),
        (
            "pyarrow",
            "scan list.csv --support normals --out run",
            "scanning an archive needs pyarrow, {}[archive]",
        ),
    ],
)
@pytest.mark.slow
def test_a_missing_package_is_named_with_its_extra(
    studies: Path, absent: str, command: str, sentence: str
) -> None:
    (studies / "list.csv").write_text("path\n")
    run = python(RUN_WITHOUT, absent, *command.split(), folder=studies)
    assert run.returncode == 2, run.stdout + run.stderr
    expected = sentence.format("which is not installed; pip install 'd24fad") + "'."
    assert run.stderr.split("error: ")[-1].split() == expected.split()
