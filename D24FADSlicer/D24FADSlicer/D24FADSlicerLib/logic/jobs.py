"""Work off the UI thread: threads that touch neither Qt nor MRML, and a queue that is drained.

The thread of the user interface starts work and drains the queue from a timer; what a worker
reports after its job was cancelled, or its volume's scene was closed, is dropped.
"""

from __future__ import annotations

import itertools
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .language import tr as _
from .messages import CancelledError, ExplainedError


class Cancellation:
    """A flag that also wakes the worker, by ending what it waits on: a socket or a process.

    A flag alone would wait for the server.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._stop: Callable[[], None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the user has cancelled."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Cancel; a worker that waits wakes up at once."""
        with self._lock:
            self._event.set()
            if self._stop is not None:
                self._stop()

    def on_cancel(self, stop: Callable[[], None] | None) -> None:
        """Name what ends that which the worker waits on; None when it is done with."""
        with self._lock:
            self._stop = stop
            if stop is not None and self._event.is_set():
                stop()

    def attach(self, connected: socket.socket | None) -> None:
        """Name the socket that `cancel` has to shut down; None when it is done with."""
        self.on_cancel(None if connected is None else lambda: _shut(connected))

    def check(self) -> None:
        """Raise if the user has cancelled.

        Raises:
            CancelledError: the user has cancelled.
        """
        if self.cancelled:
            raise CancelledError

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the user cancels.

        Raises:
            CancelledError: the user has cancelled.
        """
        self._event.wait(seconds)
        self.check()


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already, which is what was wanted


@dataclass(frozen=True)
class Progress:
    """Where a job stands.

    Attributes:
        step: what is being done.
        fraction: 0 to 1; None where it cannot be known.
    """

    step: str
    fraction: float | None


class Task:
    """What a worker gets: its cancellation and a way to report progress."""

    def __init__(self, job: int, messages: queue.SimpleQueue[tuple[int, str, Any]]) -> None:
        self.cancellation = Cancellation()
        self._job = job
        self._messages = messages

    def report(self, step: str, fraction: float | None = None) -> None:
        """Tell the user where the work stands.

        Raises:
            CancelledError: the user has cancelled, and the worker should end.
        """
        self.cancellation.check()
        self._messages.put((self._job, "progress", Progress(step, fraction)))


@dataclass(frozen=True)
class _Job:
    owner: str
    task: Task
    done: Callable[[Any], None]
    failed: Callable[[ExplainedError], None]
    progress: Callable[[Progress], None]


def _ignore(_: Any) -> None:
    return


class Jobs:
    """The work that is under way."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._messages: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self._live: dict[int, _Job] = {}

    def start(
        self,
        owner: str,
        work: Callable[[Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[ExplainedError], None],
        progress: Callable[[Progress], None] = _ignore,
    ) -> int:
        """Start work on a thread of its own.

        Args:
            owner: id of the volume that the work belongs to; `""` for none.
            work: runs on the thread; must touch neither Qt nor MRML.
            done: gets the work's return value, on the thread that drains.
            failed: gets the problem that ended it, on the thread that drains.
            progress: gets each report, on the thread that drains.

        Returns:
            The job's number, for `cancel`.
        """
        job = next(self._numbers)
        task = Task(job, self._messages)
        self._live[job] = _Job(owner, task, done, failed, progress)
        threading.Thread(
            target=self._run, args=(job, task, work), name=f"d24fad-{job}", daemon=True
        ).start()
        return job

    def _run(self, job: int, task: Task, work: Callable[[Task], Any]) -> None:
        try:
            self._messages.put((job, "done", work(task)))
        except CancelledError:
            self._messages.put((job, "cancelled", None))
        except ExplainedError as problem:
            self._messages.put((job, "failed", problem))
        except Exception as error:
            surprise = ExplainedError(
                _("Unexpected {kind}: {error}.").format(kind=type(error).__name__, error=error),
                _("Please report this with Slicer's log."),
                "unexpected",
            )
            surprise.__cause__ = error
            self._messages.put((job, "failed", surprise))

    def drain(self) -> None:
        """Hand on what the workers reported; call it from a timer of the user interface."""
        while True:
            try:
                number, kind, content = self._messages.get_nowait()
            except queue.Empty:
                return
            job = self._live.get(number)
            if job is None:
                continue  # cancelled, or its scene was closed: too late
            if kind == "progress":
                job.progress(content)
                continue
            del self._live[number]
            if kind == "done":
                job.done(content)
            elif kind == "failed":
                job.failed(content)

    def cancel(self, job: int | None) -> None:
        """Cancel a job, if there is one; nothing that it still reports is handed on."""
        live = self._live.pop(job, None) if job is not None else None
        if live is not None:
            live.task.cancellation.cancel()

    def cancel_owned(self, owner: str) -> None:
        """Cancel the jobs of one volume."""
        for number in [n for n, job in self._live.items() if job.owner == owner]:
            self.cancel(number)

    def cancel_all(self) -> None:
        """Cancel everything: the scene was closed or the panel goes away."""
        for number in list(self._live):
            self.cancel(number)

    def is_live(self, job: int | None) -> bool:
        """Whether a job is still under way."""
        return job in self._live

    def owners(self) -> set[str]:
        """The volumes that work is under way for."""
        return {job.owner for job in self._live.values()}

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._live
