"""The analysis of listed studies against one prepared support set, within one process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from d24fad_core.archive.study_row import StudyRow
from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.detection.automatic_comparison import AutomaticComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.nearest_normals import match_nearest, with_matched_places
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.placing import with_places
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import D24FADError
from d24fad_core.export import write_result
from d24fad_core.io.known_studies import KnownStudies, StudySource, volume_of
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.study_masks import StudyMasks
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.reduction import LARGEST_WHOLE_SCAN
from d24fad_core.volumes.volume import Modality, Volume


class ResultWriter(Protocol):
    """Writes the files of a study's result; travels to worker processes."""

    @property
    def pages(self) -> bool:
        """Whether report.html is one of the files."""

    def __call__(
        self,
        study: ListedStudy,
        query: Volume,
        result: AnomalyResult,
        normals: Sequence[MatchedNormal],
    ) -> None:
        """Write them, whole or not at all; pages show the normals beside the study."""


@dataclass(frozen=True)
class FolderWriter:
    """Writes each study's files into a folder named by its identifier, see `write_result`.

    Attributes:
        folder: holds these folders.
        pages: whether report.html is one of the files.
    """

    folder: Path
    pages: bool = True

    def __call__(
        self,
        study: ListedStudy,
        query: Volume,
        result: AnomalyResult,
        normals: Sequence[MatchedNormal],
    ) -> None:
        """Write them."""
        folder = self.folder / study.identifier
        write_result(query, result, folder, page=self.pages, normals=normals)


@dataclass(frozen=True)
class AnalystPlan:
    """What every worker process is told; it loads the rest by itself.

    Attributes:
        support: paths of the normal studies.
        options: choices for every analysis.
        cache_folder: features of the support, shared by all workers.
        checkpoint: a checkpoint folder; None takes the shipped one.
        modality: what values are where the files do not say it.
        brain: how heads are stripped to the brain.
        device: torch device, such as `cpu` or `cuda`.
        threads: CPU threads of a worker.
        write: writes each study's files; None writes none.
    """

    support: tuple[Path, ...]
    options: DetectionOptions
    cache_folder: Path
    checkpoint: Path | None = None
    modality: Modality | None = None
    brain: BrainMask = BrainMask.AUTO
    device: str = "cpu"
    threads: int = 1
    write: ResultWriter | None = None

    def load(self) -> "Analyst":
        """Load the model and prepare the support.

        Raises:
            D24FADError: either cannot be had.
        """
        import torch

        torch.set_num_threads(self.threads)
        detector = Detector.from_checkpoint(
            self.checkpoint, cache_folder=self.cache_folder, device=self.device
        )
        known = KnownStudies(self.cache_folder)
        studies = [known.open(path, self.modality, LARGEST_WHOLE_SCAN) for path in self.support]
        automatic = AutomaticComparison(
            self.brain, self.cache_folder, own_model=detector.has_own_model
        )
        options, _ = automatic.resolve(self.options, studies)
        masks = StudyMasks(self.brain, self.cache_folder, strip_heads=options.brain_alone)
        studies = masks.mask_normals(studies)
        support = detector.prepare_support(studies, options)
        brains = masks.show_brains(studies)
        return Analyst(
            self, detector, studies, support, lambda case: masks.mask_case(case, brains=brains)
        )


class Analyst:
    """Analyses one study after the other.

    Args:
        plan: what was asked for.
        detector: the loaded model.
        normals: the studies of the support.
        support: prepared with the plan's options.
        mask: restricts a study as the normals are.
    """

    def __init__(
        self,
        plan: AnalystPlan,
        detector: Detector,
        normals: Sequence[StudySource],
        support: SupportSet,
        mask: Callable[[Volume], Volume],
    ) -> None:
        self._plan = plan
        self._detector = detector
        self._normals = normals
        self._support = support
        self._mask = mask
        self._known = KnownStudies(plan.cache_folder)

    def identity(self) -> Sequence[str]:
        """Hashes of all that shapes a score: what compares, and each normal study."""
        normals = [study.content_hash for study in self._support.studies]
        kind = self._support.comparison
        return [kind.value, self._detector.identity(kind).content_hash, *normals]

    def analyse(self, study: ListedStudy) -> StudyRow:
        """The row of one study; one that cannot be analysed has the reason in its row.

        Raises:
            OSError: a disk failed, which may pass.
        """
        begin = time.perf_counter()
        try:
            source = self._known.open(study.path, self._plan.modality, LARGEST_WHOLE_SCAN)
            query = volume_of(source)
            case = self._mask(query)
            result = self._detector.detect(case, self._support, self._plan.options)
            result = with_places(result, case)
            result = replace(result, warnings=(*study.warnings, *result.warnings))
            normals = self._nearest(case, result)
        except D24FADError as error:
            seconds = time.perf_counter() - begin
            return StudyRow(study.identifier, study.entry, str(error), seconds)
        if self._plan.write is not None:
            self._plan.write(study, query, with_matched_places(result, normals), normals)
        return StudyRow.of(study.identifier, study.entry, result, time.perf_counter() - begin)

    def _nearest(self, case: Volume, result: AnomalyResult) -> list[MatchedNormal]:
        """The normals that a page shows beside the study."""
        if self._plan.write is None or not self._plan.write.pages:
            return []
        return match_nearest(
            self._detector, case, self._normals, self._support, result, self._plan.options
        )
