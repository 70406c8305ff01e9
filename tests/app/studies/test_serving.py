"""One server for a folder, and a folder that is meant."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d24fad_core.errors import ConfigurationError
from monailabel_app.server_process import ServerError, ServerProcess
from monailabel_app.studies.serving import claim, is_writable, refuse_mistyped


def holder(state: Path) -> "subprocess.Popen[str]":
    """Another process that serves the folder."""
    code = (
        "import pathlib, sys; from monailabel_app.studies.serving import claim; "
        "lock = claim(pathlib.Path(sys.argv[1])); print('claimed', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(state)],
        stdin=subprocess.PIPE,  # it serves until it is killed
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "claimed\n"
    return process


def test_a_second_server_is_told_which_process_serves_the_folder(tmp_path: Path) -> None:
    process = holder(tmp_path / "state")
    try:
        with pytest.raises(ConfigurationError, match=rf"process {process.pid}\. Stop that server"):
            claim(tmp_path / "state")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    lock = claim(tmp_path / "state")  # killed in whatever way, it holds nothing any more
    assert (tmp_path / "state" / "server.pid").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_folder_that_came_with_this_process_and_is_empty_was_mistyped(tmp_path: Path) -> None:
    mistyped = tmp_path / "studeis"
    mistyped.mkdir()
    with pytest.raises(ConfigurationError, match="studeis: there is no such folder"):
        refuse_mistyped(mistyped)
    assert not mistyped.exists()


def test_an_empty_folder_that_was_there_before_is_served(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    earlier = time.time() - 7 * 86_400
    os.utime(empty, (earlier, earlier))
    refuse_mistyped(empty)
    full.mkdir()
    (full / "a.nii.gz").touch()
    refuse_mistyped(full)
    assert empty.is_dir() and full.is_dir()


def test_a_folder_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file")
    assert is_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.server
@pytest.mark.slow
def test_the_real_server(studies: Path, tmp_path: Path) -> None:
    """What MONAI Label does before ours is asked: it makes a folder, and binds at the end."""
    with pytest.raises(ServerError, match="there is no such folder"):
        ServerProcess(tmp_path / "studeis", tmp_path / "mistyped.log").start()
    assert not (tmp_path / "studeis").exists()
    process = holder(studies / ".d24fad")
    before = set(studies.rglob("*"))
    try:
        with pytest.raises(ServerError, match=f"is served already, by process {process.pid}"):
            ServerProcess(studies, tmp_path / "second.log").start()
    finally:
        process.kill()
        process.wait()
    assert set(studies.rglob("*")) == before
