"""What the tests of the server and of the Slicer panel share: simulated heads, and a PACS."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from d24fad_core.simulation import SimulationOptions, simulate_cohort
from monailabel_app.server_process import ServerProcess
from tests.app.orthanc import Orthanc, available
from tests.app.pacs_series import CASE, MR_NAMES, write_head


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four normals for the support, one normal and two lesion cases, 3 mm, in one folder."""
    folder = tmp_path_factory.mktemp("cohort")
    simulate_cohort(
        folder, SimulationOptions(support=4, normals=1, lesions=2, spacing=(3.0, 3.0, 3.0))
    )
    flat = folder / "studies"
    flat.mkdir()
    for part in ("support", "cases"):
        for study in (folder / part).iterdir():
            shutil.copy(study, flat)
    return folder


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An empty PACS, shared by the tests of a module."""
    if not available() and "CI" not in os.environ:
        pytest.skip("Debian's orthanc and orthanc-dicomweb are not installed")
    running = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mr_series(
    orthanc: Orthanc, cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Series instance UIDs, by name, of three normal heads and one with a lesion in the PACS."""
    folder = tmp_path_factory.mktemp("series")
    uids = {}
    for name in MR_NAMES:
        uids[name] = write_head(cohort / "studies" / f"{name}.nii.gz", folder / name)
        orthanc.send(folder / name)
    return uids


@pytest.fixture(scope="module")
def pacs_server(
    orthanc: Orthanc, mr_series: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The real server in front of the PACS; the normal heads are its support."""
    folder = tmp_path_factory.mktemp("server")
    running = ServerProcess(
        orthanc.dicomweb,
        folder / "server.log",
        conf={"support": ",".join(uid for name, uid in mr_series.items() if name != CASE)},
        environment={"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "cache")},
    )
    with running:
        yield running
