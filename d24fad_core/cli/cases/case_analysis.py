"""The cases of one call of `d24fad detect`, one after the other against the same normals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from d24fad_core.cli.cases.dicom_outbox import DicomOutbox
from d24fad_core.cli.cases.masks import MaskChoice, mask_studies
from d24fad_core.cli.cases.prior import PriorStudy, changes_of_case
from d24fad_core.cli.cases.studies import OpenSupport, open_support, read_study
from d24fad_core.cli.messages import Telling, progress_bar, spoken_warnings
from d24fad_core.detection.automatic_comparison import AutomaticComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.nearest_normals import match_nearest, with_matched_places
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.placing import with_places
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import CancelledError
from d24fad_core.export import WrittenFiles, write_result
from d24fad_core.io.known_studies import StudySource
from d24fad_core.io.own_results import RESULT_FILES
from d24fad_core.places.region_map import read_region_map
from d24fad_core.progress import silent
from d24fad_core.side_by_side import side_by_side
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Modality

if TYPE_CHECKING:
    from d24fad_core.change.result import ChangeResult

_Shaping = tuple[DetectionOptions, tuple[str, ...]]
"""What prepared normals depend on: options, and hashes of the normals."""


@dataclass(frozen=True)
class CaseChoices:
    """What the user said about all cases of a call.

    Attributes:
        support: folders of normal studies, and single ones.
        options: choices for every analysis.
        masks: how studies are restricted.
        modality: what values are where the files do not say it.
        largest: voxels above which a study is reduced while it is read.
        cache: folder of what earlier analyses kept; None keeps nothing.
        regions: label map to name places by.
        prior: an earlier study of the patient.
        page: whether report.html is written.
        dicom: whether DICOM objects are written.
        stow: where they are sent to.
        telling: what is said of the progress.
    """

    support: Sequence[Path]
    options: DetectionOptions
    masks: MaskChoice
    modality: Modality | None
    largest: int
    cache: Path | None
    regions: Path | None
    prior: PriorStudy | None
    page: bool
    dicom: bool
    stow: str | None
    telling: Telling


@dataclass(frozen=True, eq=False)
class AnalysedCase:
    """What came of a case.

    Attributes:
        result: its analysis.
        change: its comparison with a prior.
        files: where all was written.
        dicom: folder of the DICOM objects.
    """

    result: AnomalyResult
    change: "ChangeResult | None"
    files: WrittenFiles
    dicom: Path | None


class CaseAnalysis:
    """Analyses cases; normals and model are loaded and prepared once.

    Args:
        choices: what the user said.
        load_detector: loads the model.
    """

    def __init__(self, choices: CaseChoices, load_detector: Callable[[], Detector]) -> None:
        self._choices = choices
        self._load_detector = load_detector
        self._prepared: tuple[_Shaping, SupportSet] | None = None

    @cached_property
    def _detector(self) -> Detector:
        return self._load_detector()

    @cached_property
    def _automatic(self) -> AutomaticComparison:
        choices = self._choices
        return AutomaticComparison(
            choices.masks.brain, choices.cache, own_model=self._detector.has_own_model
        )

    @cached_property
    def _normals(self) -> OpenSupport:
        choices = self._choices
        return open_support(choices.support, choices.modality, choices.largest, choices.cache)

    def analyse(self, image: Path, out: Path) -> AnalysedCase:
        """Analyse a case and write its results.

        Args:
            image: its file or folder.
            out: folder of the results.

        Raises:
            D24FADError: it or its normals cannot be analysed.
            CancelledError: the user stopped; what had been written is said.
        """
        before = _result_files(out)
        try:
            return self._analyse(image, out)
        except KeyboardInterrupt:
            names = sorted(_result_files(out) - before)
            done = f"{', '.join(name for name, _ in names)} had been written to" if names else ""
            raise CancelledError(f"stopped; {done or 'no result was written to'} {out}") from None

    def _analyse(self, image: Path, out: Path) -> AnalysedCase:
        choices = self._choices
        query = read_study(image, choices.modality, choices.largest, choices.cache)
        region_map = None if choices.regions is None else read_region_map(choices.regions)
        send = choices.dicom or choices.stow
        prior = None if choices.prior is None else choices.prior.path
        outbox = DicomOutbox.open(image, query, out, choices.stow, prior) if send else None
        studies = self._normals.for_case(query)
        with spoken_warnings():
            case, studies, options = mask_studies(
                query,
                studies,
                choices.masks,
                choices.cache,
                choices.largest,
                choices.options,
                self._automatic,
            )
        support = self._prepare(studies, options)
        detector = self._detector
        with progress_bar("study", choices.telling) as progress:
            # Matplotlib takes half a second to import; registrations leave a processor free for it.
            result, _ = side_by_side(
                lambda: detector.detect(case, support, options, progress),
                lambda: import_module("d24fad_core.export.pictures.overlay"),
            )
            progress("places", 0.95)
            result, normals = side_by_side(
                lambda: with_places(result, case, region_map),
                lambda: (
                    match_nearest(detector, case, studies, support, result, options)
                    if choices.page
                    else []
                ),
            )
            progress("writing", 1.0)
            result = with_matched_places(result, normals)
            change = (
                None
                if choices.prior is None
                else changes_of_case(
                    choices.prior,
                    case,
                    result,
                    lambda study: detector.detect(study, support, options, silent),
                    choices.cache,
                )
            )
        files = write_result(query, result, out, page=choices.page, normals=normals, change=change)
        if outbox is not None:
            outbox.deliver(query, result, change)
        return AnalysedCase(result, change, files, None if outbox is None else outbox.folder)

    def _prepare(self, studies: Sequence[StudySource], options: DetectionOptions) -> SupportSet:
        """The normals, prepared; those of the case before where they are the same."""
        detector = self._detector
        shaping = (options, tuple(study.content_hash for study in studies))
        if self._prepared is not None and self._prepared[0] == shaping:
            return self._prepared[1]
        with spoken_warnings(), progress_bar("support", self._choices.telling) as progress:
            support = detector.prepare_support(studies, options, progress)
        self._prepared = (shaping, support)
        return support


def _result_files(out: Path) -> set[tuple[str, int]]:
    """The results in a folder, and when each was written."""
    files = (out / name for name in RESULT_FILES)
    return {(file.name, file.stat().st_mtime_ns) for file in files if file.is_file()}
