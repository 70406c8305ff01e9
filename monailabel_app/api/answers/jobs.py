"""What is said of jobs."""

from typing import Annotated, Any

from typing_extensions import NotRequired, TypedDict

from monailabel_app.api.answers.described import described, schema_of
from monailabel_app.api.answers.errors import ErrorObject
from monailabel_app.api.answers.options import AnalysisOptions
from monailabel_app.jobs.job import JobState
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.training_options import TrainingOptions


@described
class JobLinks(TypedDict):
    """Addresses on this server."""

    self: str
    """Of the job."""
    result: str | None
    """Of what it made; null before."""


@described
class JobAnswer(TypedDict):
    """A job: what it was asked for, and where it stands."""

    support_set: str | None
    """Name of the support set; null where `support` names the studies."""
    support: NotRequired[list[str] | None]
    """Image ids of the normal studies of a `detect` job."""
    options: Annotated[dict[str, Any], schema_of(AnalysisOptions, TrainingOptions)]
    """Options of the analyses or, of a `train` job, of the training."""
    abandon_after_s: NotRequired[float | None]
    """It is cancelled when no client has asked for it for so long."""
    image: NotRequired[str]
    """Image id of a `detect` job."""
    images: NotRequired[list[str] | None]
    """Images that a `score` job scores, null for all; that a `train` job learns from."""
    held_out: NotRequired[list[str]]
    """Images that a `train` job is judged by."""
    id: str
    """Its identifier."""
    kind: JobKind
    """What it does."""
    created: str
    """When, ISO 8601, UTC."""
    state: JobState
    """Where it stands."""
    step: str
    """What it is doing, for people."""
    fraction: float
    """How much is done, 0 to 1; it never falls while the job runs."""
    version: int
    """Grows with every change."""
    started: str | None
    """When it was started; null before."""
    finished: str | None
    """When it ended; null before."""
    result: str | None
    """Id of the result, or hash of the checkpoint, that it made."""
    error: ErrorObject | None
    """Why it failed."""
    reused: bool
    """Whether the result had been there already."""
    cancel_requested: bool
    """Whether a client asked to stop it."""
    queue_position: int | None
    """Number of jobs before it; null when it is finished."""
    links: JobLinks
    """Addresses on this server."""


@described
class JobList(TypedDict):
    """Jobs."""

    items: list[JobAnswer]
    """The newest first."""
