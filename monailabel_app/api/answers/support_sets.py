"""What is said of support sets."""

from typing_extensions import NotRequired, TypedDict

from monailabel_app.api.answers.described import described


@described
class CheckAnswer(TypedDict):
    """One thing that was looked at."""

    name: str
    """`readable`, `modality`, `geometry`, `outlier` or `contamination`."""
    passed: bool
    """Whether it is in order."""
    message: str
    """One sentence with the value."""


@described
class StudyQualityAnswer(TypedDict):
    """How a study fits its set."""

    state: str
    """`unchecked`, `ok`, `warning` or `failed` (it cannot be used)."""
    leave_one_out_score: float | None
    """Its case score against the other studies, z units; null with fewer than three."""
    checks: list[CheckAnswer]
    """What was looked at."""


@described
class MemberAnswer(TypedDict):
    """A study of a set."""

    image: str
    """Its image id."""
    added: str | None
    """When, ISO 8601, UTC; null for those of the operator's setting."""
    reviewer: str
    """Who added it."""
    note: str
    """Their remark."""
    confirmed_normal: bool
    """Whether a reviewer looked at it and found it normal."""
    content_hash: str | None
    """Hash of its content; null where it is not on this server any more."""
    quality: NotRequired[StudyQualityAnswer]
    """How it fits the set; not in the list of all sets."""


@described
class SetQualityAnswer(TypedDict):
    """Whether the studies of the set agree."""

    state: str
    """`unchecked`, `checking` or `checked`."""
    job: str | None
    """Id of the job that checks it."""
    statement: str
    """One sentence for people."""


@described
class SupportSetAnswer(TypedDict):
    """A support set."""

    name: str
    """Its identifier."""
    title: str
    """What to call it."""
    body_part: str
    """What it shows."""
    protocol: str
    """How it was acquired."""
    modality: str | None
    """`MR` or `CT`; null before it was checked."""
    created: str | None
    """When, ISO 8601, UTC; null for that of the operator's setting."""
    version: int
    """Grows with every change."""
    read_only: bool
    """Whether it cannot be changed."""
    is_default: bool
    """Whether it is that of the operator's setting."""
    usable: bool
    """Whether it has enough studies that can be used."""
    hash: str
    """Hash over the content of its studies."""
    studies: list[MemberAnswer]
    """Its studies."""
    quality: SetQualityAnswer
    """Whether they agree."""


@described
class SupportSetList(TypedDict):
    """Support sets."""

    items: list[SupportSetAnswer]
    """By name."""
