"""What is published: sdist and wheel, built as a packager builds them."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from d24fad_core import __version__
from d24fad_core.networks.efficientnet_lite0 import SHIPPED_SHA256

ROOT = Path(__file__).parents[1]
PUBLISHED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "d24fad_core", "monailabel_app")

pytestmark = pytest.mark.slow


def run(*command: str | Path) -> str:
    """A command in this environment; returns what it said."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is built from it, of a copy of the sources."""
    sources = tmp_path_factory.mktemp("sources")
    unpublished = shutil.ignore_patterns("__pycache__", "model", "logs", "bin", "lib")
    for name in PUBLISHED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=unpublished)
        else:
            shutil.copy(ROOT / name, sources)
    folder = tmp_path_factory.mktemp("distributions")
    run(sys.executable, "-m", "build", "--outdir", folder, sources)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> ZipFile:
    (path,) = distributions.glob("*.whl")
    return ZipFile(path)


def test_the_index_would_take_them(distributions: Path) -> None:
    assert len(list(distributions.iterdir())) == 2
    run(sys.executable, "-m", "twine", "check", "--strict", *distributions.iterdir())


def test_the_wheel_holds_what_it_should(distributions: Path, wheel: ZipFile) -> None:
    configuration = ROOT / "pyproject.toml"
    run(sys.executable, "-m", "check_wheel_contents", "--config", configuration, distributions)
    names = set(wheel.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "d24fad_core",
        "monailabel_app",
        f"d24fad-{__version__}.dist-info",
    }
    for path in (*ROOT.glob("d24fad_core/checkpoints/*/*"), *ROOT.glob("d24fad_core/**/*.html")):
        assert path.relative_to(ROOT).as_posix() in names
    for name in ("d24fad_core/py.typed", "d24fad_core/networks/weights/NOTICE"):
        assert name in names
    weights = wheel.read("d24fad_core/networks/weights/efficientnet_lite0.safetensors")
    assert hashlib.sha256(weights).hexdigest() == SHIPPED_SHA256


def test_the_core_needs_nothing_of_the_extras(wheel: ZipFile) -> None:
    text = wheel.read(f"d24fad-{__version__}.dist-info/METADATA")
    metadata = BytesParser().parsebytes(text)
    assert metadata["Version"] == __version__
    extras = set(metadata.get_all("Provides-Extra", []))
    named = {
        "train",
        "simulate",
        "evaluate",
        "dicom",
        "server",
        "archive",
        "brain",
        "export",
        "all",
    }
    assert named <= extras
    core = [one for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one]
    assert any(one.startswith("numpy>=") and "<" not in one for one in core)
    absent = ("monai", "ignite", "scikit", "tensorboard", "nilearn", "timm", "torchvision", "dicom")
    assert not [one for one in core if one.startswith(absent)]


def test_the_sdist_holds_licence_and_weights(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    weights = "d24fad_core/networks/weights/efficientnet_lite0.safetensors"
    assert {"LICENSE", "setup.py", "pyproject.toml", weights} <= names
