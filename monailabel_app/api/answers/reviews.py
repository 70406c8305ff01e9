"""What is said of reviews."""

from typing_extensions import NotRequired, TypedDict

from monailabel_app.api.answers.described import described
from monailabel_app.api.answers.errors import ErrorObject
from monailabel_app.api.answers.results import StoredObject


@described
class FindingState(TypedDict):
    """Where a finding stands."""

    finding: int
    """Its number."""
    state: str
    """`open`, `accepted`, `edited`, `added` or `rejected`."""
    reviewer: str
    """Who decided it; empty while it is open."""
    time: str | None
    """When, ISO 8601, UTC."""
    note: str
    """The latest remark on it."""
    mask: str | None
    """Hash of the outline drawn for it; null for the detector's own."""
    added: bool
    """Whether a reviewer added it."""


@described
class StateBefore(TypedDict):
    """What an event changed, as it was before."""

    finding: FindingState | None
    """Where the event's finding stood; null for an added one and for the study."""
    note: str
    """The remark on the study."""


@described
class EventAnswer(TypedDict):
    """One thing that a reviewer did."""

    action: str
    """`accept`, `reject`, `edit`, `add`, `reopen`, `note`, `undo`, `final` or `confirm_normal`."""
    reviewer: str
    """Who."""
    event: int
    """Its number, from 1."""
    time: str
    """When, ISO 8601, UTC."""
    finding: int | None
    """Number of the finding; null for the study as a whole."""
    note: str
    """Their remark."""
    mask: str | None
    """Hash of the mask that was sent for it."""
    undoes: int | None
    """Number of the event that it takes back."""
    marked: bool
    """Whether the final label that a `final` stored marks anything."""
    key: str
    """What the client named it by."""
    undone: bool
    """Whether it was taken back."""
    before: StateBefore | None
    """What `undo` leads back to; null where it can take nothing back."""


@described
class FinalLinks(TypedDict):
    """Addresses on this server."""

    file: str
    """Of the final label, .nii.gz."""


@described
class FinalLabel(TypedDict):
    """The final label."""

    time: str
    """When it was stored, ISO 8601, UTC."""
    reviewer: str
    """Who stored it."""
    note: str
    """Their remark."""
    sha256: str | None
    """Hash of its file."""
    links: FinalLinks
    """Addresses on this server."""


@described
class PacsAnswer(TypedDict):
    """What became of the final label in the PACS."""

    stored: bool
    """Whether the PACS took it."""
    sop_instance_uid: NotRequired[str]
    """The segmentation, where it was taken."""
    items: NotRequired[list[StoredObject]]
    """All objects, where they were taken."""
    error: NotRequired[ErrorObject]
    """Why it was not taken."""


@described
class ReviewAnswer(TypedDict):
    """The review of a result."""

    result: str
    """Id of the result."""
    image: str
    """Image id."""
    version: int
    """Number of the latest event, 0 before the first."""
    state: str
    """`unreviewed`, `in_review` or `reviewed`."""
    confirmed_normal: bool
    """Whether the study was found normal."""
    note: str
    """The latest remark on the study."""
    findings: list[FindingState]
    """Where each finding stands."""
    final: FinalLabel | None
    """The final label; null before it is stored."""
    events: list[EventAnswer]
    """All of them, in order."""
    lost_events: list[int]
    """Numbers of events that were lost on a damaged disk."""
    pacs: NotRequired[PacsAnswer | None]
    """What became of the final label in the PACS, in the answer to storing it; null where the
    studies come from none.
    """


@described
class MaskAnswer(TypedDict):
    """A mask that was sent."""

    mask: str
    """Hash of its file."""
    bytes: int
    """Its length."""
