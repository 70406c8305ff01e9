"""The detector: normal studies and a query in, an `AnomalyResult` out."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from d24fad_core import __version__
from d24fad_core.data.slices import SliceStack, slice_volume
from d24fad_core.data.volume import Plane, Volume
from d24fad_core.detection.calibration import summarise
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.plane_scores import PlaneScores, score_plane
from d24fad_core.detection.reference import prepare_plane
from d24fad_core.detection.result import AnomalyResult, Provenance, SupportUse
from d24fad_core.errors import ConfigurationError, SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.networks.checkpoint import ModelCard, checkpoint_hash, load_checkpoint
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent
from d24fad_core.support.features import (
    StudyFeatures,
    encode_study,
    load_features,
    save_features,
)
from d24fad_core.support.registration import register_to
from d24fad_core.support.scoring import ScoringConfig
from d24fad_core.support.support_set import MINIMUM_STUDIES, SupportSet, SupportStudy


@dataclass(frozen=True)
class DetectionOptions:
    """Choices for one analysis.

    Attributes:
        planes: planes to slice in; several are averaged.
        ct_window: named window for CT, see `CT_WINDOWS`; MR ignores it.
        threshold: z above which a voxel belongs to the mask; None takes the level that
            `NORMAL_VOXEL_SHARE` of the normals' own voxels reach.
        minimum_volume_ml: smaller regions are no findings.
        register: align each support study to the query (rigid, then affine) in place of matching
            by relative position; slower, since their features are computed for each query.
    """

    planes: tuple[Plane, ...] = (Plane.AXIAL,)
    ct_window: str = "body"
    threshold: float | None = None
    minimum_volume_ml: float = 0.1
    register: bool = False

    def __post_init__(self) -> None:
        if not self.planes:
            raise ConfigurationError("no plane given; choose axial, coronal or sagittal.")
        if len(set(self.planes)) != len(self.planes):
            raise ConfigurationError("a plane is given twice; name each one once.")
        if self.threshold is not None and not 0 <= self.threshold < float("inf"):
            raise ConfigurationError(
                f"a threshold of {self.threshold} makes no sense in z units; give 0 or more."
            )


class Detector:
    """Finds what is abnormal in a volume, given normal ones.

    Args:
        model: the network, in eval mode.
        card: its model card.
        cache_folder: where features of support studies are kept; None keeps them in memory only.
    """

    def __init__(self, model: D24FAD, card: ModelCard, cache_folder: Path | None = None) -> None:
        self.model = model
        self.card = card
        self.scoring = ScoringConfig.from_dict(card.scoring)
        self.checkpoint_hash = checkpoint_hash(card)
        self._cache_folder = cache_folder

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Path | None = None,
        *,
        cache_folder: Path | None = None,
        device: str = "cpu",
        teacher_weights: Path | None = None,
    ) -> "Detector":
        """Load a detector.

        Args:
            checkpoint: a checkpoint folder; None takes the shipped one.
            cache_folder: see the class.
            device: torch device of the network, such as `cpu` or `cuda`.
            teacher_weights: a file with the teacher's weights.

        Raises:
            CheckpointError: the checkpoint or its teacher cannot be loaded.
        """
        model, card = load_checkpoint(checkpoint, teacher_weights)
        return cls(model.to(device), card, cache_folder)

    def prepare_support(
        self,
        studies: Sequence[Volume],
        options: DetectionOptions | None = None,
        progress: Progress = silent,
    ) -> SupportSet:
        """Compute, or fetch from the cache, what is needed of the normal studies.

        Raises:
            SupportError: fewer than two different studies, or of several modalities.
            InputError: a study has no foreground.
        """
        options = options or DetectionOptions()
        _check_support(studies)
        references = []
        steps = len(options.planes) * (len(studies) + 1)
        for number, plane in enumerate(options.planes):
            features = []
            for index, study in enumerate(studies):
                done = (number * (len(studies) + 1) + index) / steps
                progress(f"reading support {study.name}", done)
                features.append(self._study_features(study, plane, options.ct_window))
            progress("comparing the normals", (number + len(studies) / (len(studies) + 1)) / steps)
            references.append(
                prepare_plane(self.model, plane, features, self.scoring, self.card.image_size)
            )
        progress("support ready", 1.0)
        kept = tuple(
            SupportStudy(study.name, study.content_hash, study if options.register else None)
            for study in studies
        )
        return SupportSet(kept, studies[0].modality, tuple(references))

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
            SupportError: the query is of another modality, or the support was prepared for other
                planes or without registration.
            InputError: the query has no foreground.
        """
        options = options or DetectionOptions()
        if query.modality is not support.modality:
            raise SupportError(
                f"{query.name} is {query.modality.value} but the support is "
                f"{support.modality.value}; give normal studies of the same kind, or correct the "
                "modality if it was guessed wrongly."
            )
        references = {reference.plane: reference for reference in support.references}
        missing = [plane.value for plane in options.planes if plane not in references]
        if missing:
            raise SupportError(
                f"the support was not prepared for the {', '.join(missing)} plane; prepare it "
                "with the same options as the analysis."
            )
        scored: list[PlaneScores] = []
        for number, plane in enumerate(options.planes):
            reference = references[plane]
            stack = slice_volume(query, plane, self.card.image_size, options.ct_window)
            features = reference.features
            if options.register:
                features = self._registered(query, support, stack, plane, options, progress)

            def report(step: str, fraction: float, number: int = number) -> None:
                progress(step, (number + fraction) / len(options.planes) * 0.9)

            scored.append(score_plane(self.model, stack, features, reference, self.scoring, report))

        progress("back to the source grid", 0.9)
        heatmap = scored[0].heatmap
        for other in scored[1:]:
            heatmap = heatmap + other.heatmap
        heatmap = heatmap / np.float32(len(scored))
        chosen = [references[plane] for plane in options.planes]
        threshold = (
            options.threshold
            if options.threshold is not None
            else float(np.mean([reference.threshold for reference in chosen]))
        )
        slice_axis = scored[0].slice_axis
        progress("findings", 0.95)
        mask, findings = find_findings(
            heatmap, threshold, query.affine, slice_axis, options.minimum_volume_ml
        )
        score = float(np.mean([part.case_score for part in scored]))
        normals = [
            float(np.mean(scores))
            for scores in zip(*(reference.case_scores for reference in chosen), strict=True)
        ]
        shares = np.mean([part.shares for part in scored], axis=0)
        result = AnomalyResult(
            heatmap=heatmap,
            mask=mask,
            affine=query.affine,
            planes=options.planes,
            slice_axis=slice_axis,
            slice_scores=scored[0].slice_scores,
            case_score=score,
            findings=findings,
            calibration=summarise(score, normals, threshold, held_out=len(normals) > 2),
            provenance=self._provenance(query, support, options, shares.tolist()),
        )
        progress("done", 1.0)
        return result

    def _study_features(self, study: Volume, plane: Plane, ct_window: str) -> StudyFeatures:
        path = None
        if self._cache_folder is not None:
            key = hash_bytes(
                study.content_hash.encode(),
                self.checkpoint_hash.encode(),
                f"{plane.value} {ct_window} {self.card.image_size} {__version__}".encode(),
            )
            path = self._cache_folder / f"{key}.safetensors"
            cached = load_features(path)
            if cached is not None:
                return cached
        stack = slice_volume(study, plane, self.card.image_size, ct_window)
        features = encode_study(self.model, stack)
        if path is not None:
            save_features(features, path)
        return features

    def _registered(
        self,
        query: Volume,
        support: SupportSet,
        stack: SliceStack,
        plane: Plane,
        options: DetectionOptions,
        progress: Progress,
    ) -> tuple[StudyFeatures, ...]:
        features = []
        for study in support.studies:
            if study.volume is None:
                raise SupportError(
                    "the support was prepared without registration; prepare it with the same "
                    "options as the analysis."
                )
            progress(f"registering support {study.name}", 0.0)
            aligned = register_to(query, study.volume)
            images = slice_volume(
                aligned, plane, self.card.image_size, options.ct_window, grid=stack.grid
            )
            features.append(encode_study(self.model, images))
        return tuple(features)

    def _provenance(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        shares: Sequence[float],
    ) -> Provenance:
        parameters = asdict(options)
        parameters["planes"] = ", ".join(plane.value for plane in options.planes)
        parameters["modality"] = query.modality.value
        parameters["modality_source"] = query.modality_source
        parameters["image_size"] = self.card.image_size
        return Provenance(
            query_name=query.name,
            query_hash=query.content_hash,
            checkpoint_name=self.card.name,
            checkpoint_hash=self.checkpoint_hash,
            supports=tuple(
                SupportUse(study.name, study.content_hash, float(share))
                for study, share in zip(support.studies, shares, strict=True)
            ),
            parameters=parameters,
            versions={
                "d24fad": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        )


def _check_support(studies: Sequence[Volume]) -> None:
    if len(studies) < MINIMUM_STUDIES:
        raise SupportError(
            f"{len(studies)} support study given; at least {MINIMUM_STUDIES} normal studies are "
            "needed, 4 to 8 are better."
        )
    seen: dict[str, str] = {}
    for study in studies:
        if study.content_hash in seen:
            raise SupportError(
                f"support studies {seen[study.content_hash]} and {study.name} are the same scan; "
                "give different patients."
            )
        seen[study.content_hash] = study.name
    modalities = sorted({study.modality.value for study in studies})
    if len(modalities) > 1:
        raise SupportError(
            f"the support mixes {' and '.join(modalities)}; give normal studies of one modality."
        )
