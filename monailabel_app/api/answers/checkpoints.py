"""What is said of checkpoints."""

from typing import Any

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class CheckpointAnswer(TypedDict):
    """A checkpoint."""

    hash: str
    """Names it, as in results and calibration."""
    name: str
    """Name on its card."""
    created: str | None
    """When its training ended, ISO 8601, UTC; null for the operator's own."""
    continued_from: str | None
    """Hash of the checkpoint that its training began with."""
    support_set: str | None
    """Name of the set that it was judged with."""
    verdict: dict[str, Any] | None
    """What held-out normals said, see docs/http-api.md."""
    kept: bool
    """Whether its weights are here; those of a refused one are not."""
    served: bool
    """Whether analyses use it."""


@described
class CheckpointList(TypedDict):
    """Checkpoints."""

    items: list[CheckpointAnswer]
    """The operator's, then those trained here."""
