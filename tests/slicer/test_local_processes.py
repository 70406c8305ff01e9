"""Finding and installing the packages of local mode, and the server's process: real programs."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from D24FADSlicerLib.local import environment, server
from D24FADSlicerLib.local.environment import Environment, Installer, source_of
from D24FADSlicerLib.local.pythons import PATH_FIRST, Python, inspect
from D24FADSlicerLib.local.server import start_server
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import CancelledError, ExplainedError
from local_pythons import (
    bare_python,
    only_from,
    python_with_stand_in,
    python_without_ours,
    slicers_launcher,
    small_disk,
    wheel_of_this_repository,
)
from places import EXTENSION, ROOT

from d24fad_core import __version__

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the launchers are shell scripts")
RELEASE = f"d24fad[local]=={__version__}"


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slicer's Python, which has pip and whatever else, but not D24FAD."""
    folder = tmp_path_factory.mktemp("slicer")
    return slicers_launcher(folder, python_without_ours(folder / "base"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of_this_repository(tmp_path_factory.mktemp("wheels")).parent


def slicers(launcher: Path, **variables: str) -> Python:
    """Slicer's Python, found as in Slicer: by the search path."""
    path = f"{launcher}{os.pathsep}{os.environ['PATH']}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", path)
        python = Python.of_slicer({**os.environ, **variables})
    assert python.executable == str(launcher / "PythonSlicer")
    return python


def test_the_release_is_that_of_this_repository() -> None:
    assert __version__ == environment.VERSION
    project = (ROOT / "pyproject.toml").read_text()
    (line,) = [line for line in project.splitlines() if line.startswith("requires-python")]
    oldest, newest = environment.OLDEST, environment.NEWEST
    assert line == f'requires-python = ">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"'


def test_it_is_installed_from_the_repository_where_that_is_there(tmp_path: Path) -> None:
    assert source_of(EXTENSION) == f"{ROOT}[local]"
    assert source_of(tmp_path / "alone") == RELEASE
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert source_of(tmp_path / "alone") == RELEASE


def test_the_python_of_the_tests_has_everything() -> None:
    python = Python.of_slicer(os.environ)
    environment_of_tests = Installer(Path("nowhere"), RELEASE).find(python, new_task())
    assert environment_of_tests is not None and environment_of_tests.packages is None


def test_slicers_own_folders_are_not_handed_on(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ImportError")
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": "/of/slicer"}
    chosen = Python.chosen(sys.executable, variables)
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(chosen.variables)
    assert Python.of_slicer(variables).variables["PYTHONHOME"] == "/of/slicer"
    assert inspect(chosen, None, new_task()).version == sys.version_info[:2]


def test_a_python_without_the_packages_is_asked_before_it_is_used(tmp_path: Path) -> None:
    python = Python.chosen(str(bare_python(tmp_path / "bare")), os.environ)
    installer = Installer(tmp_path / "packages", RELEASE)
    assert installer.find(python, new_task()) is None
    assert not (tmp_path / "packages").exists(), "looking changes nothing"
    with pytest.raises(ExplainedError, match="has no pip") as caught:
        installer.install(python, new_task())
    assert "Choose another Python" in caught.value.remedy
    with pytest.raises(ExplainedError, match="No module named") as caught:
        start_server(Environment(python, None), tmp_path, None, new_task())
    assert "exit status 1" in caught.value.cause and caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('#!/bin/sh\necho \'{"version": [3, 9], "pip": true, "missing": []}\'\n', "is 3.9"),
        ("#!/bin/sh\necho hello\n", "does not answer as a Python does"),
        ("no program\n", "cannot be run"),
    ],
)
def test_what_is_no_fitting_python_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "python"
    path.write_text(text)
    if text.startswith("#!"):
        path.chmod(0o755)
    with pytest.raises(ExplainedError, match=words) as caught:
        Installer(tmp_path, RELEASE).find(Python.chosen(str(path), os.environ), new_task())
    assert caught.value.remedy


def test_packages_are_installed_beside_those_of_slicer(
    launcher: Path, wheels: Path, tmp_path: Path
) -> None:
    python = slicers(launcher, **only_from(wheels))
    installer = Installer(tmp_path / "packages", RELEASE)
    assert installer.find(python, new_task()) is None
    task = new_task()
    installed = installer.install(python, task)
    assert installed.packages is not None
    assert (installed.packages / "monailabel_app" / "local" / "server.py").is_file()
    assert [path.name for path in installer.folder.iterdir()] == [installed.packages.name]
    assert installer.find(python, new_task()) == installed
    steps = []
    while not task._messages.empty():
        steps.append(task._messages.get()[2].step)
    assert steps[0] == "Looking for packages" and "Unpacking 1 packages" in steps
    # What the launcher puts first does not hide what was installed.
    where = PATH_FIRST + "import monailabel_app; print(monailabel_app.__file__)"
    command = [python.executable, "-c", where, str(installed.packages)]
    run = subprocess.run(command, env=installed.variables, capture_output=True, text=True)
    assert run.stdout.strip() == str(installed.packages / "monailabel_app" / "__init__.py")
    another = Installer(tmp_path / "packages", "d24fad[local]==0.2.0")
    assert another.find(python, new_task()) is None, "another release is asked for again"


def test_without_a_network_nothing_is_left_behind(launcher: Path, tmp_path: Path) -> None:
    python = slicers(launcher, **only_from(None, "http://127.0.0.1:9/simple"))
    installer = Installer(tmp_path / "packages", RELEASE)
    with pytest.raises(ExplainedError, match="cannot be reached") as caught:
        installer.install(python, new_task())
    assert "Check the network" in caught.value.remedy
    assert list(installer.folder.iterdir()) == []


def test_on_a_full_disk_nothing_is_left_behind(
    launcher: Path, wheels: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    if not small_disk(disk, 8):
        pytest.skip("a small disk cannot be mounted here")
    try:
        installer = Installer(disk / "packages", RELEASE)
        with pytest.raises(ExplainedError, match="is full") as caught:
            installer.install(slicers(launcher, **only_from(wheels)), new_task())
        assert "Make room" in caught.value.remedy
        assert list(installer.folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_installation_that_is_cancelled_ends_with_all_it_started(tmp_path: Path) -> None:
    """A pip that has started a compiler, say, and would never end."""
    script, child = tmp_path / "python", tmp_path / "child"
    answer = '{"version": [3, 11], "pip": true, "missing": ["torch"]}'
    script.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -c ]; then echo '{answer}'; exit; fi\n"
        f"sleep 3600 &\necho $! > {child}.partial; mv {child}.partial {child}\nwait\n"
    )
    script.chmod(0o755)
    task, ends = new_task(), []
    installer = Installer(tmp_path / "packages", RELEASE)

    def install() -> None:
        try:
            installer.install(Python.chosen(str(script), os.environ), task)
        except CancelledError as error:
            ends.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    wait_for(child.exists)
    task.cancellation.cancel()
    thread.join(60)
    assert len(ends) == 1
    wait_for(lambda: has_ended(int(child.read_text())))
    assert list(installer.folder.iterdir()) == []


def wait_for(condition: Any) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def has_ended(process: int) -> bool:
    """Whether a process is gone, or dead and only waits for whoever inherits it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "address").write_text("http://127.0.0.1:4711")
    return folder


@pytest.fixture
def stand_in(
    control: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Environment]:
    """A server that starts at once; its secrets lie in a folder of this test."""
    monkeypatch.setattr(server, "_END_S", 120.0)  # however busy this machine is
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path / "secrets"))
    (tmp_path / "secrets").mkdir()
    yield Environment(Python.chosen(str(python_with_stand_in(tmp_path, control)), os.environ), None)
    assert list((tmp_path / "secrets").iterdir()) == [], "a token was left behind"


def test_a_server_is_found_by_what_it_says_of_itself(stand_in: Environment, control: Path) -> None:
    task = new_task()
    running = start_server(stand_in, control, None, task)
    assert running.url == "http://127.0.0.1:4711" and running.spot.port == 4711
    assert running.token == "a token of the tests"
    assert running.spot.folder.stat().st_mode & 0o077 == 0
    assert running.status is None
    running.stop()
    assert running.status == 0


def test_a_server_in_the_place_of_one_that_died_has_its_port_and_token(
    stand_in: Environment, control: Path
) -> None:
    first = start_server(stand_in, control, None, new_task())
    first._process.kill()
    assert "killed by signal 9" in first.problem_of_death().cause
    second = start_server(stand_in, control, first.spot, new_task())
    assert second.spot == first.spot and second.token == first.token
    (options,) = [
        path.read_text()
        for path in control.glob("asked-*")
        if path.name == f"asked-{second._process.pid}"
    ]
    assert f'"--port": "{first.spot.port}"' in options
    second.kill()
    assert second.status == -9


def test_a_server_that_ends_at_once_says_why(stand_in: Environment, control: Path) -> None:
    (control / "refuse").write_text("Segmentation fault in a library")
    with pytest.raises(ExplainedError, match="did not start") as caught:
        start_server(stand_in, control, None, new_task())
    assert "Segmentation fault in a library" in caught.value.cause
    assert "Slicer's log" in caught.value.remedy


def test_a_server_that_cannot_start_hands_on_cause_and_remedy(
    stand_in: Environment, control: Path
) -> None:
    problem = {"cause": "Port 8001: another listens there.", "remedy": "Take another port."}
    (control / "problem").write_text(json.dumps({"problem": problem}))
    with pytest.raises(ExplainedError) as caught:
        start_server(stand_in, control, None, new_task())
    assert (caught.value.cause, caught.value.remedy) == tuple(problem.values())
    assert caught.value.code == "not_started"


def test_a_start_that_is_cancelled_ends_the_server(stand_in: Environment, control: Path) -> None:
    (control / "wait").touch()
    task, ends = new_task(), []

    def start() -> None:
        try:
            start_server(stand_in, control, None, task)
        except CancelledError as error:
            ends.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_for(lambda: list(control.glob("started-*")))
    task.cancellation.cancel()
    thread.join(60)
    assert len(ends) == 1
    (name,) = [path.name for path in control.glob("started-*")]
    wait_for(lambda: has_ended(int(name.removeprefix("started-"))))


def test_a_server_that_will_not_end_is_ended(
    stand_in: Environment, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_END_S", 0.2)
    running = start_server(stand_in, control, None, new_task())
    os.kill(running._process.pid, signal.SIGSTOP)  # it does not hear that its input has ended
    running.stop()
    assert running.status == -9
