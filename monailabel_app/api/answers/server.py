"""What the server says of itself."""

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class CheckpointIdentity(TypedDict):
    """The weights that are served."""

    name: str
    """Name on the model card."""
    hash: str
    """Names the checkpoint in results and calibration."""
    teacher: str
    """The frozen network."""


@described
class ModelNames(TypedDict):
    """What MONAI Label's clients call the two models."""

    mask: str
    """The one that answers with the mask."""
    heatmap: str
    """The one that answers with the heatmap."""


@described
class StudiesKind(TypedDict):
    """Where the studies come from."""

    kind: str
    """`folder` or `dicomweb`."""
    uploads: bool
    """Whether studies can be sent."""


@described
class SupportLimits(TypedDict):
    """How many normal studies a request may name."""

    minimum: int
    """At least."""
    maximum: int
    """At most."""


@described
class Limits(TypedDict):
    """What the server takes."""

    upload_bytes: int
    """Largest file that can be sent."""
    queue_length: int
    """How many jobs may wait."""
    supports: SupportLimits
    """How many normal studies a request may name."""


@described
class Choices(TypedDict):
    """What can be chosen."""

    planes: list[str]
    """Planes that slices can be analysed in."""
    ct_windows: list[str]
    """Named windows for CT, the one of most use first."""


@described
class ServerAnswer(TypedDict):
    """What this server is."""

    name: str
    """`D24FAD`."""
    version: str
    """Of the package."""
    api_version: int
    """Grows when an answer changes its meaning."""
    notice: str
    """Research use only. Not for clinical use."""
    checkpoint: CheckpointIdentity
    """The weights that are served."""
    models: ModelNames
    """What MONAI Label's clients call the two models."""
    studies: StudiesKind
    """Where the studies come from."""
    default_support_set: str
    """The set that is taken where a request names none."""
    limits: Limits
    """What the server takes."""
    options: Choices
    """What can be chosen."""


@described
class DamagedPart(TypedDict):
    """Something that was damaged and is set aside."""

    kind: str
    """A table of the database, `database` as a whole, or a kind of file."""
    name: str
    """Which one."""
    reason: str
    """What is wrong with it, and what became of it."""
    time: str
    """When it was noticed, ISO 8601, UTC."""


@described
class DatabaseState(TypedDict):
    """The server's database."""

    schema: int
    """Version of its tables."""
    bytes: int
    """Its size."""


@described
class CacheState(TypedDict):
    """The cache of prepared normal studies."""

    kept: bool
    """Whether there is one."""


@described
class StatusAnswer(TypedDict):
    """What is damaged or amiss."""

    set_aside: list[DamagedPart]
    """What was damaged; empty where nothing ever was."""
    database: DatabaseState
    """The server's database."""
    cache: CacheState
    """The cache of prepared normal studies."""
