"""What is said of images."""

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class ImageAnswer(TypedDict):
    """An image with its review state."""

    image: str
    """Its id."""
    state: str
    """`unreviewed`, `in_review` or `reviewed`."""
    labels: list[str]
    """Tags of its labels in the datastore."""
    result: str | None
    """Id of the latest result with the support set asked for."""
    case_score: float | None
    """Case score of that result, z units."""
    threshold: float | None
    """Score above which a voxel belongs to the mask of that result, z units."""
    support_sets: list[str]
    """Names of the sets that the image belongs to."""
    confirmed_normal: bool
    """Whether a reviewer found it normal."""
    title: str
    """What to call it: its id, or of a series in a PACS what it shows."""
    sha256: str | None
    """Hash of its content; null until the server has read it."""


@described
class ImageList(TypedDict):
    """Images."""

    items: list[ImageAnswer]
    """By id."""


@described
class UploadAnswer(TypedDict):
    """A file that is here."""

    image: str
    """Its image id."""
    sha256: str
    """Hash of its content."""
    bytes: int
    """Its length."""


@described
class NextCase(TypedDict):
    """The next case to review."""

    image: str
    """Its image id."""
    strategy: str
    """How it was chosen."""
    case_score: float | None
    """Its case score, z units."""
    result: str | None
    """Id of its latest result."""
    state: str
    """`unreviewed` or `in_review`."""
    remaining: int
    """Number of images that are not reviewed, it included."""
    reason: str
    """Why this one, for people."""
