"""What `import d24fad_core` offers, and what it leaves alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import d24fad_core
from d24fad_core.waiting_threads import brief_spinning

QUIET_IMPORT = """
import os, sys
before = dict(os.environ)
import d24fad_core
assert d24fad_core.__version__
large = {"torch", "numpy", "SimpleITK", "monai", "matplotlib", "monailabel"} & sys.modules.keys()
sys.exit("; ".join(map(str, (large, before, os.environ))) if large or os.environ != before else 0)
"""


def test_the_import_loads_nothing_large_and_leaves_the_environment_alone() -> None:
    run = subprocess.run([sys.executable, "-c", QUIET_IMPORT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", d24fad_core.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(d24fad_core, name)
    if not isinstance(value, str):
        assert value.__doc__
        assert value.__name__ == name


def test_type_checkers_see_the_same_names() -> None:
    source = ast.parse(Path(d24fad_core.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in source.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    own = {"RESEARCH_USE_ONLY", "__version__"}
    assert typed.keys() | own == set(d24fad_core.__all__)
    for name, module in typed.items():
        assert getattr(d24fad_core, name) is getattr(sys.modules[module or ""], name)


def test_other_names_are_refused() -> None:
    assert "Detector" in dir(d24fad_core)
    with pytest.raises(AttributeError, match="'Detektor'"):
        _ = d24fad_core.Detektor


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({}, {"GOMP_SPINCOUNT": "10000"}),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {}),
        ({"GOMP_SPINCOUNT": "5"}, {}),
    ],
)
def test_threads_spin_briefly_unless_the_environment_says_otherwise(
    environment: dict[str, str], added: dict[str, str]
) -> None:
    assert brief_spinning(environment) == added


@pytest.mark.parametrize(
    "package", ["d24fad_core.cli", "d24fad_core.archive", "monailabel_app.local", "benchmarks"]
)
def test_programs_set_it_before_pytorch_is_imported(package: str) -> None:
    code = (
        "import os, sys; os.environ.pop('GOMP_SPINCOUNT', None);"
        "os.environ.pop('OMP_WAIT_POLICY', None);"
        f"import {package}; assert os.environ['GOMP_SPINCOUNT'] == '10000';"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
