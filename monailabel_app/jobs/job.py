"""Jobs: work that takes a while, with progress and cancel, which outlives the server."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Annotated, Any, TypeVar

from pydantic import PlainSerializer, PlainValidator

from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.requests import JobRequest, parse_request, request_document
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import JOBS
from monailabel_app.times import now

FINISHED_JOBS_KEPT = timedelta(days=1)
"""So long a job that ended is listed at least; it goes when a later one comes."""

_Request = TypeVar("_Request", bound=JobRequest)


class JobState(str, Enum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether it will not change any more."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Job:
    """A job as clients see it and as it is stored.

    Attributes:
        id: its identifier.
        kind: what it does.
        request: what the client asked for, checked, with defaults written out.
        created: when, ISO 8601, UTC.
        state: where it stands.
        step: what it is doing, for people.
        fraction: how much is done, 0 to 1.
        version: grows with every change.
        started: when it was started, None before.
        finished: when it ended, None before.
        result: id of what it made, where it makes something: a result or a checkpoint.
        error: code, message and remedy when it failed.
        reused: its result had been there already.
        cancel_requested: a client asked to stop it.
        attempts: how often it was started; more than once after the server was stopped.
    """

    id: str
    kind: JobKind
    request: Annotated[JobRequest, PlainValidator(parse_request), PlainSerializer(request_document)]
    created: str
    state: JobState = JobState.QUEUED
    step: str = ""
    fraction: float = 0.0
    version: int = 1
    started: str | None = None
    finished: str | None = None
    result: str | None = None
    error: dict[str, str] | None = None
    reused: bool = False
    cancel_requested: bool = False
    attempts: int = 0

    @classmethod
    def create(cls, request: JobRequest) -> "Job":
        """A new job, waiting."""
        moment = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S-%f")
        # Ids sort by time; the random part tells apart what came in the same microsecond.
        return cls(f"j-{moment}-{secrets.token_hex(2)}", request.kind, request, now())

    def request_as(self, kind: type[_Request]) -> _Request:
        """The request, for those who do this kind of job alone.

        Raises:
            TypeError: it is of another kind.
        """
        if not isinstance(self.request, kind):
            raise TypeError(f"Job {self.id} is of the kind {self.kind.value}.")
        return self.request

    @property
    def outdated(self) -> bool:
        """Whether it ended so long ago that nobody will ask for it."""
        if self.finished is None:
            return False
        ended = datetime.fromisoformat(self.finished.replace("Z", "+00:00"))
        return datetime.now(timezone.utc) - ended > FINISHED_JOBS_KEPT

    def changed(self, **changes: Any) -> "Job":
        """The job with some attributes changed, one version on."""
        return replace(self, **changes, version=self.version + 1)


class JobStore:
    """The jobs in the database.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._records = Records(database, JOBS, Job)

    def load(self) -> list[Job]:
        """Every job that is kept, oldest first."""
        return self._records.find()

    def remove(self, job: Job) -> None:
        """Forget a job."""
        self._records.remove(job.id)

    def save(self, job: Job) -> None:
        """Store a job as it is now."""
        self._records.put(job.id, job)
