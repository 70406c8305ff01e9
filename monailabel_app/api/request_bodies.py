"""The JSON objects that clients send."""

import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_Name = Field(min_length=1, max_length=200)
_Note = Field("", max_length=2000)
_Key = Field("", pattern="^[A-Za-z0-9_-]{0,64}$")


_JOINER = re.compile("(?<=[^\\x00-\u058f])[\u200c\u200d](?=[^\\x00-\u058f])")
"""Where Persian and Indic scripts need one: not beside Latin, Greek, Cyrillic or Armenian."""
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Letters, marks and signs by their category that show nothing."""
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def _legible(name: str) -> str:
    """Refuse a name that shows as another, or as none: it stands for who decided."""
    kinds = {c: unicodedata.category(c) for c in _JOINER.sub("", name)}
    hidden = [c for c, kind in kinds.items() if kind in _UNSEEN or _BLANK.match(c)]
    if hidden:
        raise ValueError(
            f"the name has a character that is not seen (U+{ord(hidden[0]):04X}); leave it out"
        )
    if name and not any(kind[0] in "LNPS" for kind in kinds.values()):
        raise ValueError("the name is blank; give one")
    return name.strip()


_SomeReviewer = Annotated[str, Field(max_length=100), AfterValidator(_legible)]
_Reviewer = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_legible)]


class _Body(BaseModel):
    # A misspelt field that was dropped would be wrong without a word.
    model_config = ConfigDict(extra="forbid", strict=True)


class JobBody(_Body):
    """`POST /jobs`."""

    kind: Literal["detect", "quality", "score", "train"] = "detect"
    image: str | None = Field(None, min_length=1, max_length=200)
    images: list[str] | None = Field(None, max_length=10_000)
    support_set: str | None = Field(None, max_length=64)
    support: list[str] | None = Field(None, max_length=16)
    options: dict[str, Any] = Field(default_factory=dict)
    abandon_after_s: float | None = Field(None, ge=5, le=86_400, allow_inf_nan=False)


class SupportSetBody(_Body):
    """`POST /support-sets`."""

    name: str = Field(min_length=1, max_length=64)
    title: str = Field("", max_length=200)
    body_part: str = Field("", max_length=100)
    protocol: str = Field("", max_length=100)
    studies: list[str] = Field(default_factory=list, max_length=16)
    reviewer: _SomeReviewer = ""


class SupportSetChange(_Body):
    """`PATCH /support-sets/{name}`."""

    title: str | None = Field(None, max_length=200)
    body_part: str | None = Field(None, max_length=100)
    protocol: str | None = Field(None, max_length=100)


class MemberBody(_Body):
    """`POST /support-sets/{name}/studies`."""

    image: str = _Name
    reviewer: _SomeReviewer = ""
    note: str = _Note
    confirmed_normal: bool = False
    rescore: bool = False


class ServedCheckpointBody(_Body):
    """`PUT /checkpoints/served`."""

    hash: str = Field(min_length=1, max_length=64)
    support_set: str | None = Field(None, max_length=64)


class EventBody(_Body):
    """`POST /results/{id}/review/events`."""

    action: Literal["accept", "reject", "edit", "add", "reopen", "note", "undo"]
    finding: int | None = Field(None, ge=1)
    reviewer: _Reviewer
    note: str = _Note
    mask: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    event: int | None = Field(None, ge=1)
    expected_version: int | None = Field(None, ge=0)
    key: str = _Key


class FinalBody(_Body):
    """`PUT /results/{id}/review/final`."""

    reviewer: _Reviewer
    note: str = _Note
    mask: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    expected_version: int | None = Field(None, ge=0)
    key: str = _Key
