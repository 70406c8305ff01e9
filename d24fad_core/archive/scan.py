"""Spreading a worklist over worker processes with Ray: retried, resumable, bounded in memory."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from d24fad_core.archive.study_row import RowStore, StudyRow
from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.errors import ConfigurationError
from d24fad_core.extras import extra
from d24fad_core.progress import Progress, silent

_ROWS_A_FILE = 500
_SECONDS_A_FILE = 60.0
_OBJECT_STORE_BYTES = 100 * 1024**2  # rows are all that travels


class StudyAnalyst(Protocol):
    """What analyses: in this process, or held by a worker process."""

    def analyse(self, study: ListedStudy) -> StudyRow:
        """The row of one study."""


@dataclass(frozen=True)
class ScanOptions:
    """How to spread the work.

    Attributes:
        workers: processes, each with a model of its own.
        threads: CPU threads of each, for Ray's account.
        gpus: share of a GPU that each takes.
        attempts: how often a study is begun before it counts as failed.
        cluster: address of a running Ray cluster; None starts Ray on this machine, unless the
            caller's process runs it already.
    """

    workers: int = 1
    threads: int = 1
    gpus: float = 0.0
    attempts: int = 3
    cluster: str | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "attempts"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{getattr(self, name)} {name}", "give at least 1.")


@dataclass(frozen=True)
class ScanSummary:
    """How a scan ended.

    Attributes:
        analysed: studies that were analysed in this run.
        failed: those among the rest that could not be.
        skipped: studies that an earlier run had finished.
    """

    analysed: int
    failed: int
    skipped: int


def scan(
    studies: Sequence[ListedStudy],
    load: Callable[[], StudyAnalyst],
    rows: RowStore,
    options: ScanOptions,
    progress: Progress = silent,
) -> ScanSummary:
    """Analyse every study that is `unfinished`.

    A study whose worker dies (out of memory, say) or whose disk fails is begun again, on a new
    worker; after the last attempt it gets a row with the reason. Rows are written every minute, so
    that a stopped scan loses a minute and goes on when it is started again.

    Args:
        studies: the worklist.
        load: makes what a worker holds, in the worker.
        rows: where rows go.
        options: how to spread the work.
        progress: told after each study; raise `CancelledError` there to stop.

    Raises:
        ConfigurationError: Ray is not installed, or the workers cannot start.
    """
    waiting = deque((study, 1) for study in unfinished(studies, rows))
    skipped, total = len(studies) - len(waiting), len(waiting)
    analysed = failed = 0
    if not waiting:
        return ScanSummary(0, 0, skipped)
    with _ray(options) as ray, _batches(rows) as write:
        for row in _rows(ray, waiting, load, options):
            write(row)
            analysed, failed = analysed + (not row.error), failed + bool(row.error)
            done = analysed + failed
            progress(f"{done} of {total} studies, {failed} failed", done / total)
    return ScanSummary(analysed, failed, skipped)


def scan_here(
    studies: Sequence[ListedStudy],
    load: Callable[[], StudyAnalyst],
    rows: RowStore,
    progress: Progress = silent,
) -> ScanSummary:
    """Analyse every study that is `unfinished`, one after the other in this process.

    Each row is kept at once, so that a stopped run goes on where it was. Needs no Ray.

    Args:
        studies: the worklist.
        load: makes what analyses; not called where there is nothing to do.
        rows: where rows go.
        progress: told before each study; raise `CancelledError` there to stop.

    Raises:
        OSError: a disk failed.
    """
    waiting = unfinished(studies, rows)
    failed = 0
    skipped = len(studies) - len(waiting)
    if not waiting:
        return ScanSummary(0, 0, skipped)
    analyst = load()
    for done, study in enumerate(waiting):
        progress(f"{done} of {len(waiting)} studies, {failed} failed", done / len(waiting))
        row = analyst.analyse(study)
        rows.append([row])
        failed += bool(row.error)
    return ScanSummary(len(waiting) - failed, failed, skipped)


def unfinished(studies: Sequence[ListedStudy], rows: RowStore) -> list[ListedStudy]:
    """The studies without a row, and those whose files are newer: they were replaced.

    Args:
        studies: the worklist.
        rows: what is there already.
    """
    finished = rows.finished()
    return [
        study
        for study in studies
        if study.identifier not in finished
        or _changed_after(study.path, finished[study.identifier])
    ]


def _changed_after(path: Path, time_s: float) -> bool:
    try:
        files = [path, *path.iterdir()] if path.is_dir() else [path]
        return any(file.stat().st_mtime > time_s for file in files)
    except OSError:
        return False  # what is gone was not replaced


@contextmanager
def _ray(options: ScanOptions) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with extra("archive", "scanning an archive"):
        import ray
    if ray.is_initialized():
        yield ray  # the caller's own, who also ends it
        return
    if options.cluster is not None:
        try:
            ray.init(address=options.cluster, log_to_driver=False, configure_logging=False)
        except ConnectionError as error:
            raise ConfigurationError(
                f"no Ray cluster answers at {options.cluster}",
                "check the address, or leave it out to work on this machine.",
            ) from error
    else:
        ray.init(
            address="local",  # else a cluster that somebody else runs here would be taken
            num_cpus=options.workers * options.threads,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address="127.0.0.1",
        )
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _batches(rows: RowStore) -> Iterator[Callable[[StudyRow], None]]:
    """Collects rows into files; what is left is written however the block ends."""
    batch: list[StudyRow] = []
    last = time.monotonic()

    def write(row: StudyRow) -> None:
        nonlocal last
        batch.append(row)
        if len(batch) >= _ROWS_A_FILE or time.monotonic() - last > _SECONDS_A_FILE:
            rows.append(batch)
            batch.clear()
            last = time.monotonic()

    try:
        yield write
    finally:
        rows.append(batch)


class _Worker:
    """Runs in a process of its own and holds the model there."""

    def __init__(self, load: Callable[[], StudyAnalyst]) -> None:
        self._analyst = load()

    def ready(self) -> None:
        """Answers once the model is loaded."""

    def analyse(self, study: ListedStudy) -> StudyRow:
        return self._analyst.analyse(study)


def _rows(
    ray: Any,
    waiting: "deque[tuple[ListedStudy, int]]",
    load: Callable[[], StudyAnalyst],
    options: ScanOptions,
) -> Iterator[StudyRow]:
    """Keep every worker busy with one study at a time; rows come as they are finished."""
    kind = ray.remote(num_cpus=options.threads, num_gpus=options.gpus)(_Worker)
    running: dict[Any, tuple[Any, ListedStudy, int]] = {}

    def begin(worker: Any) -> None:
        if waiting:
            study, attempt = waiting.popleft()
            running[worker.analyse.remote(study)] = (worker, study, attempt)

    workers = [kind.remote(load) for _ in range(min(options.workers, len(waiting)))]
    try:
        ray.get([worker.ready.remote() for worker in workers])
    except ray.exceptions.RayError as error:
        raise ConfigurationError(
            f"the workers could not start ({_last_line(error)})",
            "try fewer workers.",
        ) from error
    for worker in workers:
        begin(worker)
    while running:
        (answer,), _ = ray.wait(list(running), num_returns=1)
        worker, study, attempt = running.pop(answer)
        reason = ""
        try:
            yield replace(ray.get(answer), attempts=attempt)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError):
            reason = "its worker process died, for want of memory perhaps"
            worker = kind.remote(load)
        except ray.exceptions.RayTaskError as error:
            reason = _last_line(error)
        if reason and attempt < options.attempts:
            waiting.append((study, attempt + 1))
        elif reason:
            tries = f"{attempt} attempt{'' if attempt == 1 else 's'}"
            error_text = f"{study.entry}: failed in {tries}, at last because {reason}."
            yield StudyRow(study.identifier, study.entry, error_text, attempts=attempt)
        begin(worker)


def _last_line(error: BaseException) -> str:
    """What Ray's report of an error ends with: the error itself."""
    return str(error).strip().splitlines()[-1]
