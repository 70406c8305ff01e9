"""What the scores mean against normal patients."""

from typing_extensions import TypedDict

from monailabel_app.api.answers.described import described


@described
class NormalAnswer(TypedDict):
    """A normal patient's score."""

    patient: str
    """Who, by a name that says nothing about them."""
    image: str
    """Image id of the study; the one with the highest score where there are several."""
    score: float
    """Its score, z units."""


@described
class CurvePoint(TypedDict):
    """A threshold and what it guarantees."""

    threshold: float
    """z units."""
    false_positive_rate: float
    """A further normal patient scores above it with this probability at most."""


@described
class CalibrationAnswer(TypedDict):
    """The normal patients and what they can certify."""

    support_set: str
    """Name of the set that they were scored with."""
    support_hash: str
    """Hash over the content of its studies."""
    checkpoint_hash: str
    """Names the weights."""
    quantity: str
    """Which score: `case_score` or `peak_score`."""
    normal_patients: int
    """How many there are."""
    normals: list[NormalAnswer]
    """By falling score."""
    smallest_p_value: float
    """The smallest that so many patients can certify."""
    smallest_false_positive_rate: float
    """The smallest that so many patients can certify."""
    statement: str
    """One sentence for people."""
    curve: list[CurvePoint]
    """By falling threshold."""


@described
class ThresholdAnswer(TypedDict):
    """The threshold for a wanted false-positive rate."""

    threshold: float
    """z units."""
    false_positive_rate: float
    """As it was asked for."""
    quantity: str
    """Which score: `case_score` or `peak_score`."""
    normal_patients: int
    """How many there are."""
    statement: str
    """One sentence for people."""


@described
class PValueAnswer(TypedDict):
    """How unusual a score is among normal patients."""

    p_value: float
    """(1 + number of normals at or above the score) / (n + 1)."""
    quantity: str
    """Which score: `case_score` or `peak_score`."""
    normal_patients: int
    """How many there are."""
    statement: str
    """One sentence for people."""
