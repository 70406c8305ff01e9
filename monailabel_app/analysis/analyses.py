"""The one place where the server runs the detector."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d24fad_core import __version__
from d24fad_core.change.against_normals import changes_against_normals
from d24fad_core.change.result import ChangeResult
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.automatic_comparison import CHOICE_SCHEMA, AutomaticComparison
from d24fad_core.detection.detector import RESULT_SCHEMA, Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.placing import with_places
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import InputError, SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import KnownStudies, StudySource
from d24fad_core.masking.study_masks import StudyMasks
from d24fad_core.progress import Progress, silent
from d24fad_core.support import SupportSet
from d24fad_core.volumes.volume import Volume
from monailabel_app.analysis.analysis_thread import AnalysisThread
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultRecord, ResultStore, StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.studies.images import ImageCatalogue, Study
from monailabel_app.times import now

_PREPARED_SETS_KEPT = 4


@dataclass(frozen=True)
class AnalysisRequest:
    """One analysis, its studies found and its parameters checked.

    Attributes:
        query: the study to analyse.
        support: the normal studies.
        parameters: what the client asked for.
        prior: an earlier study of the patient.
    """

    query: Study
    support: tuple[Study, ...]
    parameters: AnalysisParameters
    prior: Study | None = None


@dataclass(frozen=True)
class PreparedNormals:
    """Normal studies, ready for cases.

    Attributes:
        support: what they are compared by.
        options: choices for the analyses, which name the comparison.
        brains: whether they show the brain alone, so that a head is stripped for them.
    """

    support: SupportSet
    options: DetectionOptions
    brains: bool


class Analyses:
    """Runs one analysis at a time, which bounds the memory, and keeps every result.

    Args:
        load: loads the detector of a checkpoint folder.
        checkpoint: the folder to begin with.
        images: finds content hashes.
        store: where results are kept.
        cache: where masks and what is known of normal studies are kept; None where nothing can
            be kept.
        comparison: of analyses that name none; None chooses it by the normals.
        own_model: whether the checkpoint is the operator's own, which the window alone uses.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
    """

    def __init__(
        self,
        load: Callable[[Path], Detector],
        checkpoint: Path,
        images: ImageCatalogue,
        store: ResultStore,
        cache: Path | None,
        *,
        comparison: ComparisonKind | None = None,
        own_model: bool = False,
    ) -> None:
        self._comparison, self._own_model = comparison, own_model
        self._thread = AnalysisThread()
        self._load = load
        self.detector = self._thread.run(lambda: load(checkpoint))
        self._images = images
        self._store = store
        self._known = None if cache is None else KnownStudies(cache)
        self._cache = cache
        self._running = threading.Lock()
        self._prepared: OrderedDict[str, PreparedNormals] = OrderedDict()

    def identifier(self, request: AnalysisRequest) -> str:
        """The id of the result: a hash over content, weights and parameters."""
        return hash_bytes(
            self._images.content_hash(request.query).encode(),
            request.query.name.encode(),
            self._support_key(request).encode(),
            *([] if request.prior is None else self._prior_key(request.prior)),
        )[:32]

    def with_comparison(self, parameters: AnalysisParameters) -> AnalysisParameters:
        """Parameters with the server's comparison, if it has one, where they name none."""
        options = parameters.options
        kind = options.comparison or self._comparison
        return replace(parameters, options=replace(options, comparison=kind))

    def find(self, request: AnalysisRequest) -> StoredResult | None:
        """The result of these inputs, where there is one."""
        return self._store.find(self.identifier(request))

    def run(self, request: AnalysisRequest, progress: Progress = silent) -> StoredResult:
        """Analyse, or hand out what an earlier analysis of the same inputs found.

        Raises:
            RequestError: a study cannot be read, does not fit the others, or was replaced.
            CancelledError: `progress` raised it.
        """
        result = self.find(request)
        if result is not None:
            return result
        with self.turn(progress):
            result = self.find(request)  # it may have been analysed while we waited
            if result is None:
                result = self._thread.run(lambda: self._run(request, progress))
            return result

    def serve(self, checkpoint: Path) -> None:
        """Analyse with another checkpoint from the next analysis on.

        Raises:
            CheckpointError: it cannot be loaded.
        """
        with self.turn():
            self.detector = self._thread.run(lambda: self._load(checkpoint))
            self._prepared.clear()

    @contextmanager
    def turn(self, progress: Progress = silent) -> Iterator[None]:
        """Wait until no other analysis runs; a caller can cancel while it waits."""
        while not self._running.acquire(timeout=0.2):
            progress("Waiting for another analysis", 0.0)
        try:
            yield
        finally:
            self._running.release()

    def _run(self, request: AnalysisRequest, progress: Progress) -> StoredResult:
        progress("Reading the study", 0.0)
        studies = [request.query, *request.support]
        for study in studies if request.prior is None else [*studies, request.prior]:
            self._images.verify(study)
        identifier = self.identifier(request)
        query = request.query.volume(request.parameters.modality)
        parameters = self.with_comparison(request.parameters)
        normals = self._prepare(request, part(progress, 0.05, 0.35))
        masks = StudyMasks(parameters.brain, self._cache, strip_heads=normals.options.brain_alone)
        case = masks.mask_case(query, brains=normals.brains)
        share = 0.95 if request.prior is None else 0.7
        try:
            result = self.detector.detect(
                case, normals.support, normals.options, part(progress, 0.35, share)
            )
        except SupportError as error:
            raise RequestError("support_mismatch", *error.sentences()) from error
        progress("Naming places", share)
        result = with_places(result, case)
        change = None
        if request.prior is not None:
            progress("Comparing with the prior", share)
            change = self._change(request, request.prior, case, result, normals)
        progress("Storing the result", 0.98)
        self._require_unchanged(request, identifier)
        record = ResultRecord(
            id=identifier,
            image=request.query.name,
            image_sha256=self._images.content_hash(request.query),
            support_set=None if parameters.support is not None else parameters.support_set,
            support=tuple(study.name for study in request.support),
            support_hash=self._images.support_hash(request.support),
            checkpoint_hash=self.detector.checkpoint_hash,
            options=parameters.document(),
            comparison=normals.support.comparison.value,
            comparison_reason=normals.options.comparison_reason,
            case_score=result.case_score,
            peak_score=float(result.heatmap.max()),
            threshold=result.calibration.threshold,
            finding_count=len(result.findings),
            created=now(),
            version=__version__,
            schema=RESULT_SCHEMA,
            warnings=(*result.warnings, *(change.warnings if change else ())),
        )
        return self._store.put(record, query, result, change)

    def _require_unchanged(self, request: AnalysisRequest, identifier: str) -> None:
        """Refuse a result whose studies are no longer those that were read for it."""
        try:
            unchanged = self.identifier(request) == identifier
        except FileNotFoundError:
            unchanged = False
        if not unchanged:
            self._prepared.clear()  # the normals may be those that were replaced
            raise RequestError(
                "studies_changed",
                f"'{request.query.name}' or a study that it was compared with was replaced or "
                "removed during the analysis.",
                "Analyse it again.",
            )

    def _change(
        self,
        request: AnalysisRequest,
        prior: Study,
        case: Volume,
        result: AnomalyResult,
        normals: PreparedNormals,
    ) -> ChangeResult:
        """What changed since the prior, as `d24fad detect --prior --support` says it."""
        parameters = request.parameters
        masks = StudyMasks(parameters.brain, self._cache, strip_heads=True)
        try:
            return changes_against_normals(
                case,
                prior.volume(parameters.modality),
                result,
                lambda study: self.detector.detect(study, normals.support, normals.options),
                lambda study: masks.mask_case(study, brains=True),
            )
        except (InputError, SupportError) as error:
            raise RequestError("prior_mismatch", *error.sentences()) from error

    def _prepare(self, request: AnalysisRequest, progress: Progress) -> PreparedNormals:
        key = self._support_key(request)
        if key in self._prepared:
            self._prepared.move_to_end(key)
            return self._prepared[key]
        studies: list[StudySource] = []
        for number, study in enumerate(request.support):
            progress("Reading the support studies", 0.3 * number / len(request.support))
            studies.append(study.source(self._known, request.parameters.modality))
        parameters = self.with_comparison(request.parameters)
        automatic = AutomaticComparison(parameters.brain, self._cache, own_model=self._own_model)
        options, _ = automatic.resolve(parameters.options, studies)
        masks = StudyMasks(parameters.brain, self._cache, strip_heads=options.brain_alone)
        studies = masks.mask_normals(studies, progress=part(progress, 0.3, 0.5))
        try:
            support = self.detector.prepare_support(studies, options, part(progress, 0.5, 1.0))
        except SupportError as error:
            raise RequestError("support_mismatch", *error.sentences()) from error
        prepared = PreparedNormals(support, options, masks.show_brains(studies))
        self._prepared[key] = prepared
        while len(self._prepared) > _PREPARED_SETS_KEPT:
            self._prepared.popitem(last=False)
        return prepared

    def _prior_key(self, prior: Study) -> tuple[bytes, bytes]:
        return self._images.content_hash(prior).encode(), prior.name.encode()

    def _support_key(self, request: AnalysisRequest) -> str:
        parameters = self.with_comparison(request.parameters)
        kind = parameters.options.comparison
        options = parameters.document()
        if kind is ComparisonKind.WINDOW:
            del options["comparison"]  # results of before there was a choice keep their ids
        options.pop("prior", None)  # it has no part in the preparation of the normals
        # What is chosen follows from the normals, but they need not be read for a key.
        kinds = (ComparisonKind.WINDOW, ComparisonKind.LEARNED) if kind is None else (kind,)
        choice = {} if kind is not None else {"choice": [CHOICE_SCHEMA, self._own_model]}
        inputs: dict[str, Any] = {
            "schema": RESULT_SCHEMA,
            "checkpoint": ", ".join(self.detector.identity(each).content_hash for each in kinds),
            "support": [[s.name, self._images.content_hash(s)] for s in request.support],
            "options": options,
            **choice,
        }
        return hash_bytes(json.dumps(inputs, sort_keys=True).encode())


def part(progress: Progress, start: float, end: float) -> Progress:
    """Map the progress of one part of the work onto its share of the whole."""

    def report(step: str, fraction: float) -> None:
        progress(step, start + (end - start) * min(max(fraction, 0.0), 1.0))

    return report
