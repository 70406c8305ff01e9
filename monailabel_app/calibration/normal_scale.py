"""What a score means: how many normal patients score as high."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monailabel_app.failures import RequestError


@dataclass(frozen=True)
class NormalScore:
    """A normal patient's score.

    Attributes:
        patient: who, by a name that says nothing about them.
        image: image id of the study; the one with the highest score where there are several.
        score: its score.
    """

    patient: str
    image: str
    score: float


@dataclass(frozen=True)
class Calibration:
    """Scores of normal patients, one each, none of them in the support set.

    Attributes:
        normals: by falling score.
    """

    normals: tuple[NormalScore, ...]

    @classmethod
    def of(cls, scores: Sequence[NormalScore]) -> "Calibration":
        """Count patients, not studies: studies of one patient are not exchangeable."""
        worst: dict[str, NormalScore] = {}
        for score in scores:
            known = worst.get(score.patient)
            if known is None or score.score > known.score:
                worst[score.patient] = score
        return cls(tuple(sorted(worst.values(), key=lambda n: n.score, reverse=True)))

    @property
    def patients(self) -> int:
        """Number of normal patients."""
        return len(self.normals)

    @property
    def smallest(self) -> float:
        """The smallest p-value, and the smallest rate, that so many patients can certify."""
        return 1.0 / (self.patients + 1)

    def p_value(self, score: float) -> float:
        """Conformal p-value (1 + #{normal >= case}) / (n + 1) (Vovk et al. 2005)."""
        above = sum(normal.score >= score for normal in self.normals)
        return (1 + above) / (self.patients + 1)

    def threshold(self, false_positive_rate: float) -> float:
        """The score that a normal patient exceeds with at most this probability.

        A case counts as positive when its score is above the threshold. By exchangeability a
        further normal exceeds the k-th highest of n normals with probability k / (n + 1) at most.

        Raises:
            RequestError: there are too few normals for so small a rate.
        """
        allowed = math.floor(false_positive_rate * (self.patients + 1) + 1e-9)
        if allowed < 1:
            needed = math.ceil(1 / false_positive_rate - 1e-9) - 1
            raise RequestError(
                "too_few_normals",
                f"A false-positive rate of {false_positive_rate:g} needs {needed} normal patients "
                f"outside the support set; there are {self.patients}.",
                f"Confirm {needed - self.patients} more as normal and score them, or ask for a "
                f"rate of at least {self.smallest:.3g}.",
            )
        return self.normals[min(allowed, self.patients) - 1].score

    def curve(self) -> list[tuple[float, float]]:
        """For each normal's score as threshold, the rate that it guarantees, by falling score."""
        return [
            (normal.score, (rank + 1) / (self.patients + 1))
            for rank, normal in enumerate(self.normals)
        ]

    def statement(self) -> str:
        """What these normals can and cannot certify."""
        plural = "" if self.patients == 1 else "s"
        count = f"{self.patients} normal patient{plural} outside the support set"
        if self.patients >= 99:
            return f"{count} allow false-positive rates down to {self.smallest:.1%}."
        if self.patients >= 19:
            return f"{count} allow a false-positive rate of 5 % but not of 1 %, which needs 99."
        return (
            f"{count} cannot certify a false-positive rate of 5 %, which needs 19; "
            f"the smallest possible p-value is {self.smallest:.3f}."
        )
