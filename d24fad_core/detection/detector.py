"""The detector: normal studies and a query in, an `AnomalyResult` out."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import nibabel
import numpy as np

from d24fad_core.comparison.fusion import slice_scores
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.automatic_comparison import AutomaticComparison
from d24fad_core.detection.calibration import summarise
from d24fad_core.detection.comparison import Comparison, ModelIdentity, PlacedComparison
from d24fad_core.detection.comparisons import Comparisons
from d24fad_core.detection.evidence import with_evidence
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.latest_alignment import LatestAlignment
from d24fad_core.detection.options import DetectionOptions, check_prepared, check_support
from d24fad_core.detection.provenance import describe_analysis
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.detection.study_checks import check_study
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.errors import SupportError
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.masked_scan import zero_outside
from d24fad_core.models.checkpoint import (
    SHIPPED,
    ModelCard,
    checkpoint_hash,
    load_checkpoint,
    read_card,
)
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.device import check_device
from d24fad_core.networks.inference import fast_embedding_precision, for_inference
from d24fad_core.progress import Progress, silent
from d24fad_core.support.frame import align, to_source
from d24fad_core.support.matched_normal import MatchedNormal, match_normal
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Plane, Volume

RESULT_SCHEMA = 4
"""Raised whenever the same inputs give another result: kept ones are then void."""


class Detector:
    """Finds what is abnormal in a volume, given normal ones.

    Args:
        model: the network, in eval mode.
        card: its model card.
        cache_folder: where features of support studies and what comparing them gave are kept;
            None keeps them in memory only.
        scoring: how to score; None follows the card.
        decoder: folder of the decoder for learned comparisons; None takes the shipped one.
    """

    def __init__(
        self,
        model: D24FAD,
        card: ModelCard,
        cache_folder: Path | None = None,
        scoring: ScoringConfig | None = None,
        decoder: Path | None = None,
    ) -> None:
        self.model = model
        self.card = card
        self.scoring = scoring or ScoringConfig.from_dict(card.scoring)
        self.checkpoint_hash = checkpoint_hash(replace(card, scoring=self.scoring.to_dict()))
        precision = fast_embedding_precision()
        self._comparisons = Comparisons(
            partial(for_inference, model, precision),
            ModelIdentity(card.name, self.checkpoint_hash),
            self.scoring,
            SupportCache(cache_folder, self.checkpoint_hash, card.image_size, precision),
            decoder,
            cache_folder,
        )
        self._cache_folder = cache_folder
        self._latest: LatestAlignment | None = None

    @cached_property
    def has_own_model(self) -> bool:
        """Whether features are compared by another model or scoring than the shipped one."""
        card = read_card(SHIPPED)
        scoring = ScoringConfig.from_dict(card.scoring).to_dict()
        return self.checkpoint_hash != checkpoint_hash(replace(card, scoring=scoring))

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Path | None = None,
        *,
        cache_folder: Path | None = None,
        device: str = "cpu",
        teacher_weights: Path | None = None,
        decoder: Path | None = None,
    ) -> "Detector":
        """Load a detector.

        Args:
            checkpoint: a checkpoint folder; None takes the shipped one.
            cache_folder: see the class.
            device: torch device of the network, such as `cpu` or `cuda`.
            teacher_weights: a file with the teacher's weights.
            decoder: see the class.

        Raises:
            CheckpointError: the checkpoint or its teacher cannot be loaded.
            ConfigurationError: there is no such device here.
        """
        check_device(device)
        model, card = load_checkpoint(checkpoint, teacher_weights)
        return cls(model.to(device), card, cache_folder, decoder=decoder)

    def prepare_support(
        self,
        studies: Sequence[StudySource],
        options: DetectionOptions | None = None,
        progress: Progress = silent,
    ) -> SupportSet:
        """Compute, or fetch from the cache, what is needed of the normal studies.

        Args:
            studies: the normals. Of those that `KnownStudies` knows, only what the cache lacks is
                read.
            options: choices for the analyses. Where they name no comparison, brains in MR that
                are shown without their heads get the learned one, all else the window.
            progress: told of each step.

        Raises:
            SupportError: fewer than two different studies, or of several modalities.
            InputError: a study has no foreground, or one that is known cannot be read any more.
            ConfigurationError: normals are to be translated, and this model cannot.
        """
        options = options or DetectionOptions()
        check_support(studies)
        automatic = AutomaticComparison(
            BrainMask.NONE, self._cache_folder, own_model=self.has_own_model
        )
        options, kind = automatic.resolve(options, studies)
        support = self.comparison(kind).prepare(studies, options, progress)
        return replace(support, comparison_reason=options.comparison_reason)

    def detect(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions | None = None,
        progress: Progress = silent,
    ) -> AnomalyResult:
        """Analyse a study.

        Args:
            query: the study.
            support: from `prepare_support` with the same options.
            options: choices for this analysis.
            progress: told of each step; raise `CancelledError` there to stop.

        Raises:
            SupportError: the query is of another modality, or the support was prepared with other
                options.
            InputError: the query has no foreground.
        """
        options = options or DetectionOptions()
        placed = self.compare(query, support, options, progress)
        scale = support.scale(options.planes)
        return self.conclude(query, support, options, placed, scale, progress)

    def compare(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress = silent,
    ) -> PlacedComparison:
        """The first half of `detect`: a study beside its normals, in their frame.

        Raises:
            SupportError: see `detect`.
            InputError: see `detect`.
        """
        if query.modality is not support.modality:
            raise SupportError(
                f"{query.name} is {query.modality.value} but the support is "
                f"{support.modality.value}",
                "give normal studies of the same kind, or correct the modality if it was guessed "
                "wrongly.",
            )
        check_prepared(support, options)
        progress("aligning with the support", 0.0)
        aligned = align(query, support.frame, options.ct_window, register=options.register)
        self._latest = LatestAlignment.of(query, support, options, aligned.to_study)

        def report(step: str, fraction: float) -> None:
            progress(step, 0.1 + 0.7 * fraction)

        comparison = self.comparison(support.comparison)
        return PlacedComparison(aligned, comparison.compare(aligned, support, options, report))

    def conclude(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        placed: PlacedComparison,
        scale: ScoreScale,
        progress: Progress = silent,
    ) -> AnomalyResult:
        """The second half of `detect`: from a map in the frame to findings on the source grid.

        Args:
            query: the study.
            support: its normals.
            options: choices for this analysis.
            placed: from `compare`.
            scale: what the scores are measured against.
            progress: told of each step.
        """
        aligned, compared = placed.aligned, placed.compared
        progress("back to the source grid", 0.8)
        inside = compared.heatmap[compared.heatmap != 0]
        heatmap = zero_outside(
            to_source(compared.heatmap, support.frame, aligned, query), query.mask
        )
        threshold = scale.threshold if options.threshold is None else options.threshold
        progress("findings", 0.9)
        slice_axis = _source_axis(query, options.planes[0])
        mask, findings = find_findings(
            heatmap,
            max(threshold, 0.0),
            query.affine,
            slice_axis,
            options.minimum_volume_ml,
            # A threshold that was asked for is where outlines lie.
            scale.lowest_outline if options.threshold is None else None,
        )
        findings = with_evidence(
            findings, mask, query, aligned, support, scale.peak_scores, compared.distances
        )
        middle_score = float(np.median(inside)) if inside.size else 0.0
        # Of slices thicker than the frame's, the heatmap holds the map at their middles alone: no
        # score may rest on what lies between and is shown to nobody.
        case_score = min(compared.case_score, float(heatmap.max()))
        result = AnomalyResult(
            heatmap=heatmap,
            mask=mask,
            affine=query.affine,
            planes=options.planes,
            slice_axis=slice_axis,
            slice_scores=slice_scores(heatmap, slice_axis, self.scoring),
            case_score=case_score,
            findings=findings,
            calibration=summarise(
                case_score,
                scale.case_scores,
                threshold,
                translated=support.comparison is ComparisonKind.TRANSLATED,
            ),
            provenance=describe_analysis(
                query,
                support,
                options,
                placed,
                self.identity(support.comparison),
                self.card.image_size,
            ),
            warnings=check_study(
                query.name, aligned.profile, support, scale.case_scores, middle_score
            ),
            reduction=query.reduction,
        )
        progress("done", 1.0)
        return result

    def match(
        self,
        query: Volume,
        normal: StudySource,
        support: SupportSet,
        options: DetectionOptions | None = None,
    ) -> MatchedNormal:
        """A normal as it was compared with a query, place by place; it is read for this.

        Args:
            query: a study that was analysed.
            normal: one of the studies of `support`.
            support: what it was analysed against.
            options: choices for the analysis.

        Raises:
            InputError: the normal cannot be read any more.
        """
        options = options or DetectionOptions()
        window, register = options.ct_window, options.register
        to_query = self._latest and self._latest.of_same(query, support, options)
        if to_query is None:
            to_query = align(query, support.frame, window, register=register).to_study
        return match_normal(to_query, volume_of(normal), support.frame, window, register=register)

    def identity(self, kind: ComparisonKind) -> ModelIdentity:
        """What compares in one of the ways.

        Raises:
            CheckpointError: the decoder of a learned comparison cannot be loaded.
        """
        return self.comparison(kind).identity

    def comparison(self, kind: ComparisonKind) -> Comparison:
        """One of the ways to compare.

        Raises:
            CheckpointError: the decoder of a learned comparison cannot be loaded.
        """
        return self._comparisons.of(kind)


def _source_axis(volume: Volume, plane: Plane) -> int:
    """Axis of the source array that slices of a plane are stacked along."""
    orientation = nibabel.orientations.io_orientation(volume.affine)
    return int(np.flatnonzero(orientation[:, 0] == plane.axis)[0])
