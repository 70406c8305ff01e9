"""What the tests of the server and of the Slicer panel share: simulated heads, and a PACS."""

import os
import shutil
import signal
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import core_alone, numerical
from tests.left_out import absent_packages, last_line

# What extras bring is imported by the fixtures that need it: the core is tested without.
if TYPE_CHECKING:
    from monailabel_app.server_process import ServerProcess
    from tests.app.orthanc import Orthanc

# A run in the background ignores Ctrl-C, and so would the programs that its tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is about time, and a busy machine is no failure. The same examples each time, so that a
# change is judged by what it changes; `D24FAD_EXPLORE=1` draws others.
settings.register_profile(
    "d24fad",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="D24FAD_EXPLORE" not in os.environ,
)
settings.load_profile("d24fad")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--core-alone", action="store_true", help="only what needs no extra (tests/core_alone.py)"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that are left out would else fail where their packages are imported."""
    if not config.getoption("--core-alone") or core_alone.includes(collection_path):
        return None
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for place in numerical.PLACES:
        if not place.exists():
            raise pytest.UsageError(f"no tests at {place}; see tests/numerical.py")
    for item in items:
        if numerical.is_numerical(item.path):
            item.add_marker(pytest.mark.numerical)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = long_files_first(items)


def long_files_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Files with slow tests first: a long one at the end would leave other processes idle."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    return sorted(items, key=lambda item: item.path not in long)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The same draws for a test each time, whichever tests its process ran before."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(zlib.crc32(item.nodeid.encode()))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four normals for the support, one normal and two lesion cases, 3 mm, in one folder."""
    from d24fad_core.simulation import SimulationOptions, simulate_cohort

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
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Orthanc"]:
    """An empty PACS, shared by the tests of a module."""
    from tests.app.orthanc import Orthanc, available

    if not available() and "CI" not in os.environ:
        pytest.skip("Debian's orthanc and orthanc-dicomweb are not installed")
    running = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mr_series(
    orthanc: "Orthanc", cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Series instance UIDs, by name, of three normal heads and one with a lesion in the PACS."""
    from tests.app.pacs_series import MR_NAMES, write_head

    folder = tmp_path_factory.mktemp("series")
    uids = {}
    for name in MR_NAMES:
        uids[name] = write_head(cohort / "studies" / f"{name}.nii.gz", folder / name)
        orthanc.send(folder / name)
    return uids


@pytest.fixture(scope="module")
def pacs_server(
    orthanc: "Orthanc", mr_series: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator["ServerProcess"]:
    """The real server in front of the PACS; the normal heads are its support."""
    from tests.app.pacs_series import CASE
    from tests.app.window_server import window_server

    folder = tmp_path_factory.mktemp("server")
    running = window_server(
        orthanc.dicomweb,
        folder / "server.log",
        conf={"support": ",".join(uid for name, uid in mr_series.items() if name != CASE)},
        environment={"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "cache")},
    )
    with running:
        yield running


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """End with the line that says what was left out: below all else, pytest's own end too."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        skipped = (report.longrepr for report in terminal.stats.get("skipped", ()))
        reasons = [where_and_why[-1] for where_and_why in skipped]
        line = last_line(reasons)
        if line is not None:
            terminal.write_line(line, yellow=True)
        absent = absent_packages(reasons)
        if absent and session.config.getoption("--core-alone", False):
            terminal.write_line(f"The core's tests must not need {', '.join(absent)}.", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=["1 thread", "2 threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
