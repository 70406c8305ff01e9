"""Which lesions a method finds: clear or faint, small or large."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.people.scores import ScoredCase
from d24fad_core.evaluation.metrics import Estimate, ScannedLesions, measure_lesions, scan_lesions
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS, draw_cases, estimate
from d24fad_core.evaluation.metrics.scored_image import ScoredImage
from d24fad_core.regions import label_regions

_RATE = 1.0


@dataclass(frozen=True)
class Stratum:
    """Lesions of one sort.

    Attributes:
        name: what to call it.
        clear: whether they are clear.
        smallest_ml: they have at least this volume.
        below_ml: and less than this.
    """

    name: str
    clear: bool
    smallest_ml: float = 0.0
    below_ml: float = np.inf


CLEAR = Stratum("clear", clear=True)
STRATA = (
    CLEAR,
    Stratum("clear, below 1 ml", clear=True, below_ml=1.0),
    Stratum("clear, 1 to 10 ml", clear=True, smallest_ml=1.0, below_ml=10.0),
    Stratum("clear, 10 ml and more", clear=True, smallest_ml=10.0),
    Stratum("faint", clear=False),
    Stratum("faint, below 0.1 ml", clear=False, below_ml=0.1),
    Stratum("faint, 0.1 to 0.3 ml", clear=False, smallest_ml=0.1, below_ml=0.3),
    Stratum("faint, 0.3 to 1 ml", clear=False, smallest_ml=0.3, below_ml=1.0),
    Stratum("faint, 1 ml and more", clear=False, smallest_ml=1.0),
)


@dataclass(frozen=True)
class Lesion:
    """One lesion of a scored case.

    Attributes:
        clear: whether at least half of it lies in clear lesions.
        volume_ml: its volume on the grid that was scored.
        confidence: of its best candidate; None where it has none.
        marked: whether the method's own threshold marks any of it.
    """

    clear: bool
    volume_ml: float
    confidence: float | None
    marked: bool

    def belongs_to(self, stratum: Stratum) -> bool:
        """Whether it is of this sort."""
        return (
            self.clear is stratum.clear and stratum.smallest_ml <= self.volume_ml < stratum.below_ml
        )


@dataclass(frozen=True)
class LesionsOfCase:
    """The lesions of a scan and its false positives.

    Attributes:
        lesions: its lesions.
        false_positives: confidence of each candidate outside them.
    """

    lesions: tuple[Lesion, ...]
    false_positives: tuple[float, ...]

    @property
    def scan(self) -> ScannedLesions:
        """What this scan adds to the curve."""
        confidences = tuple(lesion.confidence for lesion in self.lesions)
        return ScannedLesions(confidences, self.false_positives)

    def only(self, stratum: Stratum) -> "LesionsOfCase":
        """The same scan as if other lesions neither were there nor counted as false."""
        own = tuple(lesion for lesion in self.lesions if lesion.belongs_to(stratum))
        return replace(self, lesions=own)


@dataclass(frozen=True)
class StratumMeasures:
    """How the lesions of a stratum fared; intervals are over scans.

    Attributes:
        stratum: its name.
        lesions: how many there are.
        cases: how many people have one.
        froc: mean sensitivity at 1/8 to 8 false positives a scan.
        sensitivity: at one false positive a scan.
        marked: share that the method's own threshold marks.
    """

    stratum: str
    lesions: int
    cases: int
    froc: Estimate
    sensitivity: Estimate
    marked: Estimate


def list_lesions(case: ScoredCase) -> LesionsOfCase:
    """The lesions of a scored case; they are told apart on the grid that was scored."""
    scan = scan_lesions(ScoredImage(case.heatmap, case.truth, case.considered), case.spacing)
    labels = label_regions(case.truth)

    def count(where: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(labels[where], minlength=int(labels.max()) + 1)[1:]

    sizes, clear, marked = (count(part) for part in (case.truth, case.clear, case.marked))
    voxel_ml = float(np.prod(case.spacing)) / 1000.0
    return LesionsOfCase(
        tuple(
            Lesion(bool(2 * part >= size), float(size * voxel_ml), confidence, bool(touched))
            for part, size, confidence, touched in zip(clear, sizes, scan.hits, marked, strict=True)
        ),
        scan.false_positives,
    )


def measure_stratum(
    cases: Sequence[LesionsOfCase], stratum: Stratum, *, rounds: int = ROUNDS
) -> StratumMeasures | None:
    """Measure the lesions of one sort; None where there are none.

    Args:
        cases: scans with lesions and without.
        stratum: the sort.
        rounds: resamples of the intervals.
    """
    own = [case.only(stratum) for case in cases]
    concerned = [case for case in own if case.lesions]
    if not concerned:
        return None
    measured = measure_lesions([case.scan for case in own], rounds=rounds)
    marked = np.array([sum(lesion.marked for lesion in case.lesions) for case in concerned])
    counts = np.array([len(case.lesions) for case in concerned])
    drawn = draw_cases(np.zeros(len(counts)), rounds=rounds)
    return StratumMeasures(
        stratum.name,
        int(counts.sum()),
        len(concerned),
        measured.mean,
        measured.sensitivity[measured.rates.index(_RATE)],
        estimate(
            float(marked.sum() / counts.sum()), drawn @ marked / (drawn @ counts), len(counts)
        ),
    )
