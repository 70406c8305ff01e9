from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from d24fad_core.models.checkpoint import ModelCard, save_checkpoint
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher
from tests.cli.small_studies import write_study


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder with case.nii.gz and three normal studies in normals/."""
    write_study(tmp_path / "case.nii.gz", seed=0, lesion=True)
    for number in (1, 2, 3):
        write_study(tmp_path / "normals" / f"normal-{number}.nii.gz", seed=number)
    return tmp_path


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the default teacher and a small student that has learnt nothing."""
    network = NetworkConfig(student=StudentConfig(blocks=(1, 1, 1)))
    folder = tmp_path_factory.mktemp("untrained")
    model = D24FAD(network, build_teacher(network.teacher))
    save_checkpoint(model, ModelCard("untrained", network, image_size=64), folder)
    return folder


@pytest.fixture(autouse=True)
def same_threads_afterwards() -> Iterator[None]:
    """`--threads` holds for the whole process; here it must not outlive its test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache-home")


@pytest.fixture(autouse=True)
def cache_of_nobody(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of whoever runs the tests is neither read nor filled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.delenv("D24FAD_CACHE", raising=False)
