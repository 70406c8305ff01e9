"""The real server over a folder of simulated heads, as a process."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from monailabel_app.server_process import ServerProcess
from monailabel_app.store.database import Database
from monailabel_app.store.recovery import open_database
from tests.app.window_server import window_server


@pytest.fixture
def studies(cohort: Path, tmp_path: Path) -> Path:
    """A studies folder of the test's own."""
    target = tmp_path / "studies"
    shutil.copytree(cohort / "studies", target)
    return target


@pytest.fixture(scope="module")
def server(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running server, shared by the tests of a module, with a TMPDIR of its own."""
    folder = tmp_path_factory.mktemp("server")
    temporary = folder / "temporary"
    temporary.mkdir()
    studies = folder / "studies"
    shutil.copytree(cohort / "studies", studies)
    ct = np.full((12, 12, 12), -1000.0, np.float32)
    ct[3:9, 3:9, 3:9] = 40.0
    _write_nifti(studies / "ct.nii.gz", ct)
    _write_nifti(studies / "flat.nii.gz", np.zeros((20, 20, 20), np.float32))
    _write_nifti(studies / "slice.nii.gz", np.ones((20, 20), np.float32))
    (studies / "garbage.nii.gz").write_bytes(b"this is no scan")
    environment = {"TMPDIR": str(temporary)}
    with window_server(studies, folder / "server.log", environment=environment) as running:
        yield running


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database of the server."""
    return open_database(tmp_path / "database" / "state.sqlite3")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """An HTTP session that keeps its connection."""
    with requests.Session() as opened:
        yield opened


def _write_nifti(path: Path, array: NDArray[Any]) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, np.diag([3.0, 3.0, 3.0, 1.0])), path)
