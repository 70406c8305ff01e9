"""The one thread in which this process does parallel computations."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class AnalysisThread:
    """Does what it is given, one thing after the other.

    PyTorch's OpenMP keeps a team of threads for each thread that computes in parallel. Two teams
    have more threads than there are processors, so that each sleeps whenever it has to wait for
    another, and an analysis takes 1.4 times as long (docs/speed.md). A server takes up a request
    in whatever thread is free; computing has one of its own.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        # A daemon: the end of the server does not wait for an analysis.
        threading.Thread(target=self._work, name="d24fad-analysis", daemon=True).start()

    def run(self, work: Callable[[], _Result]) -> _Result:
        """Do it there and wait; what it raises is raised here."""
        done: Future[_Result] = Future()
        self._waiting.put((work, done))
        return done.result()

    def _work(self) -> None:
        while True:
            work, done = self._waiting.get()
            try:
                done.set_result(work())
            except BaseException as error:  # whoever waits raises it
                done.set_exception(error)
            # Kept until the next one comes, they would hold a study in memory.
            del work, done
