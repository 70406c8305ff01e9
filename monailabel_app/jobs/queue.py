"""The worker threads behind the jobs."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from d24fad_core.errors import CancelledError
from d24fad_core.progress import Progress
from monailabel_app.failures import RequestError, refusal
from monailabel_app.jobs.job import Job, JobState, JobStore
from monailabel_app.jobs.kind import JobKind, Lane
from monailabel_app.times import now

logger = logging.getLogger(__name__)

Runner = Callable[[Job, Progress], str | None]
"""Does a job's work and returns the id of its result, if it makes one."""

MAXIMUM_ATTEMPTS = 3


class JobQueue:
    """Runs jobs in the order they came, one thread for each lane.

    Args:
        store: keeps the jobs across restarts.
        length: how many jobs may wait.
    """

    def __init__(self, store: JobStore, length: int) -> None:
        self._store = store
        self._runners: Mapping[JobKind, Runner] = {}
        self._length = length
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._last_asked: dict[str, float] = {}

    def start(self, runners: Mapping[JobKind, Runner]) -> None:
        """Take up what an earlier server left, and begin to work.

        Args:
            runners: how each kind of job is done.
        """
        with self._changed:
            self._runners = runners
            for job in self._store.load():
                if job.state is JobState.RUNNING:
                    job = job.changed(state=JobState.QUEUED, step="", fraction=0.0, started=None)
                    self._store.save(job)
                self._jobs[job.id] = job
        for lane in Lane:
            name = f"d24fad-{lane.value}"
            threading.Thread(target=self._work, args=(lane,), name=name, daemon=True).start()

    def submit(self, job: Job) -> Job:
        """Put a job at the end of the queue, or on record if it is finished already.

        Raises:
            RequestError: too many are waiting.
        """
        with self._changed:
            waiting = sum(other.state is JobState.QUEUED for other in self._jobs.values())
            if not job.state.finished and waiting >= self._length:
                raise RequestError(
                    "queue_full",
                    f"{waiting} jobs are waiting; the server takes no more.",
                    "Try again in a while.",
                )
            for old in [other for other in self._jobs.values() if other.outdated]:
                self._store.remove(old)
                del self._jobs[old.id]
                self._last_asked.pop(old.id, None)
            self._put(job)
            self._last_asked[job.id] = time.monotonic()
        return job

    def get(self, identifier: str) -> Job:
        """The job with this id; a client asking for it keeps it from being abandoned.

        Raises:
            RequestError: there is none.
        """
        with self._changed:
            job = self._jobs.get(identifier)
            if job is None:
                raise RequestError(
                    "unknown_job",
                    f"There is no job '{identifier[:100]}'.",
                    "Jobs are kept for a day; list them with GET /d24fad/v1/jobs.",
                )
            self._last_asked[identifier] = time.monotonic()
            return job

    def all(self) -> list[Job]:
        """Every job, newest first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)

    def position(self, job: Job) -> int | None:
        """How many jobs run or wait before this one; None when it is finished."""
        if job.state.finished:
            return None
        with self._changed:
            return sum(
                other.kind.lane is job.kind.lane
                and not other.state.finished
                and other.id != job.id
                and (other.state is JobState.RUNNING or other.id < job.id)
                for other in self._jobs.values()
            )

    def cancel(self, identifier: str) -> Job:
        """Stop a job: at once when it waits, at its next report of progress when it runs."""
        with self._changed:
            job = self.get(identifier)
            if job.state is JobState.QUEUED:
                job = job.changed(state=JobState.CANCELLED, cancel_requested=True, finished=now())
                self._put(job)
            elif job.state is JobState.RUNNING and not job.cancel_requested:
                job = job.changed(cancel_requested=True)
                self._put(job)
            return job

    def people_wait(self) -> bool:
        """Whether a job that somebody waits for is queued or runs."""
        with self._changed:
            return any(
                not job.state.finished and job.kind.lane is Lane.PEOPLE
                for job in self._jobs.values()
            )

    def _work(self, lane: Lane) -> None:
        while True:
            with self._changed:
                while (job := self._next(lane)) is None:
                    self._changed.wait()
                # Training cannot kill the server: it runs in a process of its own.
                if job.attempts >= MAXIMUM_ATTEMPTS and lane is not Lane.TRAINING:
                    self._keep(_given_up(job))
                    continue
                job = job.changed(state=JobState.RUNNING, started=now(), attempts=job.attempts + 1)
                self._keep(job)
            self._run(job.id)

    def _next(self, lane: Lane) -> Job | None:
        waiting = [
            job
            for job in self._jobs.values()
            if job.state is JobState.QUEUED and job.kind.lane is lane
        ]
        return min(waiting, key=lambda job: job.id, default=None)

    def _run(self, identifier: str) -> None:
        job = self._jobs[identifier]
        logger.info("Job %s (%s) starts", identifier, job.kind.value)
        try:
            result = self._runners[job.kind](job, self._reporter(identifier))
            ending = {"state": JobState.DONE, "fraction": 1.0, "step": "Done", "result": result}
        except CancelledError:
            ending = {"state": JobState.CANCELLED}
        # Whatever goes wrong belongs to this job alone; the worker must live on.
        except Exception as error:
            ending = {"state": JobState.FAILED, "error": refusal(error).document()}
        with self._changed:
            self._keep(self._jobs[identifier].changed(**ending, finished=now()))
        logger.info("Job %s: %s", identifier, self._jobs[identifier].state.value)

    def _reporter(self, identifier: str) -> Progress:
        def report(step: str, fraction: float) -> None:
            with self._changed:
                job = self._jobs[identifier]
                if job.cancel_requested or self._abandoned(job):
                    raise CancelledError(f"Job {identifier} was cancelled.")
                fraction = max(job.fraction, min(fraction, 1.0))
                if (step, fraction) != (job.step, job.fraction):
                    # Progress is not stored: after a restart the job begins anew.
                    self._jobs[identifier] = job.changed(step=step, fraction=fraction)
                    self._changed.notify_all()

        return report

    def _abandoned(self, job: Job) -> bool:
        patience = job.request.abandon_after_s
        if patience is None:
            return False
        last = self._last_asked.setdefault(job.id, time.monotonic())
        return time.monotonic() - last > patience

    def _keep(self, job: Job) -> None:
        """As `_put`, for the workers: a full disk must not end them."""
        try:
            self._store.save(job)
        except OSError as error:
            logger.error("Job %s cannot be stored: %s", job.id, error)
        self._jobs[job.id] = job
        self._changed.notify_all()

    def _put(self, job: Job) -> None:
        self._store.save(job)
        self._jobs[job.id] = job
        self._changed.notify_all()


def _given_up(job: Job) -> Job:
    error = RequestError(
        "internal_error",
        f"The server stopped {job.attempts} times while it did this job.",
        "Ask the operator to look at the server's log; the study may need too much memory.",
    )
    return job.changed(state=JobState.FAILED, finished=now(), error=error.document())
