"""A scan with real worker processes, some of which die."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from d24fad_core.archive.rows import RowFolder, read_rows
from d24fad_core.archive.scan import ScanOptions, ScanSummary, scan
from d24fad_core.archive.study_row import StudyRow
from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.errors import CancelledError, ConfigurationError, InputError

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

STEADY = {
    "memory_monitor_refresh_ms": "0",
    "worker_niceness": "0",
    "worker_register_timeout_seconds": "600",
}
"""Settings of Ray by which its workers stand a busy machine."""


@pytest.fixture(scope="module", autouse=True)
def ray_for_all() -> Iterator[None]:
    """Starting Ray takes seconds; a scan takes the one that runs.

    The tests count who dies: no worker is killed because other programs fill the memory, and none
    given up because they take the processor.
    """
    with pytest.MonkeyPatch.context() as patched:
        for name, value in STEADY.items():
            patched.setenv(f"RAY_{name}", value)
        ray.init(
            address="local",
            num_cpus=4,
            object_store_memory=100 * 1024**2,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address="127.0.0.1",
        )
    yield
    ray.shutdown()


class MarkingAnalyst:
    """Leaves a mark of every attempt; what it does to a study follows from the study's name."""

    def __init__(self, marks: Path) -> None:
        self._marks = marks

    def analyse(self, study: ListedStudy) -> StudyRow:
        attempts = len(list(self._marks.glob(f"{study.entry}.*"))) + 1
        (self._marks / f"{study.entry}.{attempts}.{os.getpid()}").touch()
        if study.entry.startswith("killed") and (attempts == 1 or study.entry == "killed-always"):
            os.kill(os.getpid(), signal.SIGKILL)
        if study.entry == "disk" and attempts == 1:
            raise OSError("the disk is gone")
        if study.entry == "broken":
            return StudyRow(study.identifier, study.entry, "broken: cannot be read; mend it.")
        return StudyRow(study.identifier, study.entry, case_score=float(len(study.entry)))


class NoAnalyst:
    """Cannot be loaded."""

    def __init__(self) -> None:
        raise InputError("no model at all", "give one.")


def listed(*names: str) -> list[ListedStudy]:
    return [ListedStudy(name.rjust(16, "0"), name, Path(name)) for name in names]


def run(folder: Path, names: list[str], **options: int) -> ScanSummary:
    marks = folder / "marks"
    marks.mkdir(exist_ok=True)
    return scan(
        listed(*names),
        lambda: MarkingAnalyst(marks),
        RowFolder(folder / "rows"),
        ScanOptions(**options),
    )


def test_killed_workers_are_replaced_and_their_studies_begun_again(tmp_path: Path) -> None:
    names = ["one", "killed-once", "two", "disk", "broken", "killed-always", "three"]
    summary = run(tmp_path, names, workers=2, attempts=2)
    rows = {row.study: row for row in read_rows(tmp_path / "rows")}
    assert summary == ScanSummary(analysed=5, failed=2, skipped=0)
    assert set(rows) == set(names)
    assert {name for name, row in rows.items() if row.error} == {"broken", "killed-always"}
    assert rows["killed-once"].attempts == rows["disk"].attempts == 2
    assert rows["three"].case_score == 5.0
    assert "failed in 2 attempts" in rows["killed-always"].error
    assert "died" in rows["killed-always"].error
    # A study that cannot be read is no accident: trying again would change nothing.
    assert rows["broken"].attempts == 1

    again = run(tmp_path, [*names, "four"], workers=1, attempts=1)
    assert again == ScanSummary(analysed=1, failed=2, skipped=5)
    assert len(list((tmp_path / "marks").glob("one.*"))) == 1


def test_a_stopped_scan_keeps_its_rows_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    marks, rows = tmp_path / "marks", RowFolder(tmp_path / "rows")
    seen: list[str] = []

    def stop_after_two(step: str, fraction: float) -> None:
        seen.append(step)
        if len(seen) == 2:
            raise CancelledError("enough")

    studies = listed("a", "b", "c", "d")
    with pytest.raises(CancelledError):
        scan(studies, lambda: MarkingAnalyst(marks), rows, ScanOptions(), stop_after_two)
    assert seen == ["1 of 4 studies, 0 failed", "2 of 4 studies, 0 failed"]
    assert len(rows.finished()) == 2
    summary = scan(studies, lambda: MarkingAnalyst(marks), rows, ScanOptions())
    assert (summary.skipped, summary.analysed) == (2, 2)
    assert sorted(row.study for row in read_rows(tmp_path / "rows")) == ["a", "b", "c", "d"]


def test_workers_that_cannot_start_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"could not start .*no model at all"):
        scan(listed("a"), NoAnalyst, RowFolder(tmp_path), ScanOptions())
