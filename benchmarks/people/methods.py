"""The methods that are compared, behind one protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cohorts import Study
from benchmarks.people.voxel_statistics import Brightness, VoxelwiseZ
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import ConfigurationError
from d24fad_core.evaluation.methods import nearest_neighbour
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import MaskKind, Plane, Volume

CHECKPOINT_PREFIX = "checkpoint:"


@dataclass(frozen=True, eq=False)
class Score:
    """What a method says of a case, on the grid of its study.

    Attributes:
        heatmap: higher is more abnormal; 0 where nothing was analysed.
        marked: True where the method's own threshold marks a finding.
        case_score: one score for the whole study.
        threshold: score above which voxels are marked.
    """

    heatmap: NDArray[np.float32]
    marked: NDArray[np.bool_]
    case_score: float
    threshold: float


class Method(Protocol):
    """Scores a case against normals; sees nothing of other cases."""

    name: str

    def score(self, case: Study, normals: Sequence[Study]) -> Score:
        """Score one case."""


class DetectorMethod:
    """The project's detector with a checkpoint and options; keeps the last normals prepared.

    Args:
        name: what to call it.
        detector: the detector.
        options: choices for the analyses.
        brain_alone: restrict heads to their brain masks, as `d24fad detect --brain` does.
    """

    def __init__(
        self,
        name: str,
        detector: Detector,
        options: DetectionOptions,
        *,
        brain_alone: bool = False,
    ) -> None:
        self.name = name
        self._detector, self._options = detector, options
        self._brain_alone = brain_alone
        self._normals: tuple[str, ...] = ()
        self._support: SupportSet | None = None

    def score(self, case: Study, normals: Sequence[Study]) -> Score:
        """Score one case as `d24fad detect` does."""
        hashes = tuple(study.volume.content_hash for study in normals)
        if self._support is None or hashes != self._normals:
            volumes = [self._seen(study) for study in normals]
            self._support = self._detector.prepare_support(volumes, self._options)
            self._normals = hashes
        result = self._detector.detect(self._seen(case), self._support, self._options)
        return Score(
            result.heatmap, result.mask > 0, result.case_score, result.calibration.threshold
        )

    def _seen(self, study: Study) -> Volume:
        if not self._brain_alone:
            return study.volume
        return apply_mask(study.volume, study.brain, MaskKind.DEEPBET)


class StatisticsMethod:
    """A statistic of voxels, with the threshold that few voxels of the normals reach."""

    def __init__(self, name: str, statistic: Brightness | VoxelwiseZ) -> None:
        self.name = name
        self._statistic = statistic
        self._known: tuple[tuple[str, ...], float] | None = None

    def score(self, case: Study, normals: Sequence[Study]) -> Score:
        """Score one case inside its brain mask."""
        heatmap = self._statistic.heatmap(case, normals)
        hashes = tuple(study.volume.content_hash for study in normals)
        if self._known is None or self._known[0] != hashes:
            self._known = (hashes, self._statistic.threshold(normals))
        threshold = self._known[1]
        highest = np.sort(heatmap[case.brain])[::-1]
        count = max(1, round(_CASE_SHARE * len(highest)))
        return Score(heatmap, heatmap > threshold, float(highest[:count].mean()), threshold)


_CASE_SHARE = 0.002
"""As in the shipped detector: the case score is the mean of so many of the highest voxels."""


def make_method(name: str) -> Method:
    """A method by its name.

    Args:
        name: brightness, z, nearest, default or window (a window in one plane, as for all but
            brains in MR), three-planes (window), translate, learned (in the brain alone), or
            checkpoint:FOLDER for the window with another checkpoint.

    Raises:
        ConfigurationError: there is no such method.
        CheckpointError: the checkpoint cannot be loaded.
    """
    if name == "brightness":
        return StatisticsMethod(name, Brightness())
    if name == "z":
        return StatisticsMethod(name, VoxelwiseZ())
    window = DetectionOptions(comparison=ComparisonKind.WINDOW)
    if name.startswith(CHECKPOINT_PREFIX):
        folder = Path(name.removeprefix(CHECKPOINT_PREFIX))
        return DetectorMethod(folder.name, Detector.from_checkpoint(folder), window)
    detector = Detector.from_checkpoint()
    if name in ("default", "window"):
        return DetectorMethod(name, detector, window)
    if name == "three-planes":
        return DetectorMethod(name, detector, replace(window, planes=tuple(Plane)))
    if name == "translate":
        translated = replace(window, comparison=ComparisonKind.TRANSLATED)
        return DetectorMethod(name, detector, translated)
    if name == "learned":
        learned = replace(window, comparison=ComparisonKind.LEARNED)
        return DetectorMethod(name, detector, learned, brain_alone=True)
    if name == "nearest":
        scoring = nearest_neighbour(detector.scoring)
        nearest = Detector(detector.model, detector.card, scoring=scoring)
        return DetectorMethod(name, nearest, window)
    raise ConfigurationError(
        f"no method '{name}'",
        "give brightness, z, nearest, default, window, three-planes, translate, learned or "
        f"{CHECKPOINT_PREFIX}FOLDER.",
    )


def method_name(name: str) -> str:
    """What `make_method(name)` calls itself, without loading it."""
    if name.startswith(CHECKPOINT_PREFIX):
        return Path(name.removeprefix(CHECKPOINT_PREFIX)).name
    return name
