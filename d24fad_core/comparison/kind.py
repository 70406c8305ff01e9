"""The ways to compare a study with its normals."""

from enum import Enum


class ComparisonKind(str, Enum):
    """How a study is compared with its normals.

    `WINDOW` looks for the like of each feature in a window around the same place, `TRANSLATED`
    first translates the normals' features into the look of the study, and `LEARNED` shows study
    and normals to a decoder that was taught on planted anomalies.
    """

    WINDOW = "window"
    TRANSLATED = "translated"
    LEARNED = "learned"


class ComparisonChoice(str, Enum):
    """What users may say about the comparison; its value names it on the command line.

    `AUTO` leaves it to the normals, see `detection.automatic_comparison`.
    """

    AUTO = "auto"
    WINDOW = "window"
    TRANSLATED = "translated"
    LEARNED = "learned"

    @property
    def kind(self) -> ComparisonKind | None:
        """The comparison that is named; None for `AUTO`."""
        return None if self is ComparisonChoice.AUTO else ComparisonKind(self.value)
