"""The detector: normal studies and a query in, an `AnomalyResult` out."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import nibabel
import numpy as np
import torch

from d24fad_core import __version__
from d24fad_core.data.slices import SliceGrid, slice_volume
from d24fad_core.data.volume import Plane, Volume
from d24fad_core.detection.calibration import summarise
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.fusion import slice_scores
from d24fad_core.detection.options import DetectionOptions, check_prepared, check_support
from d24fad_core.detection.plane_scores import PlaneScores, score_plane, score_translated_plane
from d24fad_core.detection.reference import prepare_plane, prepare_translated_plane
from d24fad_core.detection.result import AnomalyResult, Provenance, SupportUse
from d24fad_core.errors import SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.networks.checkpoint import ModelCard, checkpoint_hash, load_checkpoint
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.device import check_device
from d24fad_core.networks.inference import fast_embedding_precision, for_inference
from d24fad_core.progress import Progress, silent
from d24fad_core.support.features import (
    StudyFeatures,
    encode_study,
    load_features,
    save_features,
)
from d24fad_core.support.frame import Frame, align, make_frame, to_source
from d24fad_core.support.reference_file import load_reference, save_reference
from d24fad_core.support.scoring import ScoringConfig
from d24fad_core.support.support_set import PlaneReference, SupportSet, SupportStudy
from d24fad_core.support.translation import translated_scoring

_REFERENCES = "references"
"""Folder inside the cache for what comparing the normals gave."""


class Detector:
    """Finds what is abnormal in a volume, given normal ones.

    Args:
        model: the network, in eval mode.
        card: its model card.
        cache_folder: where features of support studies and what comparing them gave are kept;
            None keeps them in memory only.
        scoring: how to score; None follows the card.
    """

    def __init__(
        self,
        model: D24FAD,
        card: ModelCard,
        cache_folder: Path | None = None,
        scoring: ScoringConfig | None = None,
    ) -> None:
        self.model = model
        self._embedding_precision = fast_embedding_precision()
        self._network = for_inference(model, self._embedding_precision)
        self.card = card
        self.scoring = scoring or ScoringConfig.from_dict(card.scoring)
        self.checkpoint_hash = checkpoint_hash(replace(card, scoring=self.scoring.to_dict()))
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
            ConfigurationError: there is no such device here.
        """
        check_device(device)
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
            ConfigurationError: normals are to be translated, and this model cannot.
        """
        options = options or DetectionOptions()
        self._scoring(options.translate)  # refuses before minutes are spent
        check_support(studies)
        size, window = self.card.image_size, options.ct_window
        frame = make_frame(studies[0], size, window)
        kept: list[SupportStudy] = []
        features: dict[Plane, list[StudyFeatures]] = {plane: [] for plane in options.planes}
        for index, study in enumerate(studies):
            progress(f"reading support {study.name}", index / (len(studies) + 1))
            similarity, by_plane = self._study_features(study, frame, options)
            kept.append(SupportStudy(study.name, study.content_hash, similarity))
            for plane in options.planes:
                features[plane].append(by_plane[plane])
        progress("comparing the normals", len(studies) / (len(studies) + 1))
        references = []
        for plane in options.planes:
            grid = SliceGrid(plane, frame.shape, frame.spacing, size)
            keys = [self._cache_path(study, frame, plane, options) for study in studies]
            references.append(self._reference(grid, features[plane], keys, options.translate))
        progress("support ready", 1.0)
        return SupportSet(
            studies=tuple(kept),
            modality=studies[0].modality,
            frame=frame,
            ct_window=window,
            register=options.register,
            translate=options.translate,
            references=tuple(references),
        )

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
        if query.modality is not support.modality:
            raise SupportError(
                f"{query.name} is {query.modality.value} but the support is "
                f"{support.modality.value}; give normal studies of the same kind, or correct the "
                "modality if it was guessed wrongly."
            )
        references = {reference.plane: reference for reference in support.references}
        check_prepared(support, options)
        progress("aligning with the support", 0.0)
        aligned = align(query, support.frame, options.ct_window, register=options.register)
        scored: list[PlaneScores] = []
        for number, plane in enumerate(options.planes):

            def report(step: str, fraction: float, number: int = number) -> None:
                progress(step, 0.1 + 0.7 * (number + fraction) / len(options.planes))

            stack = slice_volume(aligned.volume, plane, self.card.image_size, options.ct_window)
            score = score_translated_plane if options.translate else score_plane
            scoring = self._scoring(options.translate)
            scored.append(score(self._network, stack, references[plane], scoring, report))

        progress("back to the source grid", 0.8)
        fused = np.mean([part.heatmap for part in scored], axis=0, dtype=np.float32)
        heatmap = to_source(fused, support.frame, aligned, query)
        chosen = [references[plane] for plane in options.planes]
        threshold = options.threshold
        if threshold is None:
            threshold = float(np.mean([reference.threshold for reference in chosen]))
        progress("findings", 0.9)
        slice_axis = _source_axis(query, options.planes[0])
        mask, findings = find_findings(
            heatmap, max(threshold, 0.0), query.affine, slice_axis, options.minimum_volume_ml
        )
        case_score = float(np.mean([part.case_score for part in scored]))
        normals = np.mean([reference.case_scores for reference in chosen], axis=0).tolist()
        shares = np.mean([part.shares for part in scored], axis=0).tolist()
        result = AnomalyResult(
            heatmap=heatmap,
            mask=mask,
            affine=query.affine,
            planes=options.planes,
            slice_axis=slice_axis,
            slice_scores=slice_scores(heatmap, slice_axis, self.scoring),
            case_score=case_score,
            findings=findings,
            calibration=summarise(case_score, normals, threshold, held_out=len(normals) > 2),
            provenance=self._provenance(query, support, options, shares, aligned.similarity),
            reduction=query.reduction,
        )
        progress("done", 1.0)
        return result

    def _study_features(
        self, study: Volume, frame: Frame, options: DetectionOptions
    ) -> tuple[float, dict[Plane, StudyFeatures]]:
        """Alignment similarity and features by plane, from the cache where it has them."""
        paths = {plane: self._cache_path(study, frame, plane, options) for plane in options.planes}
        cached = {plane: load_features(path) for plane, path in paths.items() if path is not None}
        features = {plane: found for plane, found in cached.items() if found is not None}
        if len(features) == len(options.planes):
            return features[options.planes[0]].similarity, features
        aligned = align(study, frame, options.ct_window, register=options.register)
        for plane, path in paths.items():
            if plane in features:
                continue
            stack = slice_volume(aligned.volume, plane, self.card.image_size, options.ct_window)
            features[plane] = encode_study(
                self._network, stack, aligned.similarity, self.scoring.keys
            )
            if path is not None:
                save_features(features[plane], path)
        return aligned.similarity, features

    def _scoring(self, translate: bool) -> ScoringConfig:
        return translated_scoring(self.scoring) if translate else self.scoring

    def _reference(
        self,
        grid: SliceGrid,
        features: Sequence[StudyFeatures],
        keys: Sequence[Path | None],
        translate: bool,
    ) -> PlaneReference:
        """What the normals teach in one plane, from the cache where it has it."""
        prepare = prepare_translated_plane if translate else prepare_plane
        scoring = self._scoring(translate)
        named = [key.name.encode() for key in keys if key is not None]
        if self._cache_folder is None or len(named) < len(features):
            return prepare(self._network, grid, features, scoring)
        name = hash_bytes(*named, *([b"translated"] if translate else []))
        path = self._cache_folder / _REFERENCES / f"{name}.safetensors"
        found = load_reference(path, grid.plane, features)
        if found is None:
            found = prepare(self._network, grid, features, scoring)
            save_reference(found, path)
        return found

    def _cache_path(
        self, study: Volume, frame: Frame, plane: Plane, options: DetectionOptions
    ) -> Path | None:
        if self._cache_folder is None:
            return None
        shaping = (
            plane.value,
            options.ct_window,
            options.register,
            self.card.image_size,
            self._embedding_precision,
        )
        key = hash_bytes(
            study.content_hash.encode(),
            frame.content_hash.encode(),
            self.checkpoint_hash.encode(),
            repr((shaping, __version__)).encode(),
        )
        return self._cache_folder / f"{key}.safetensors"

    def _provenance(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        shares: Sequence[float],
        similarity: float,
    ) -> Provenance:
        parameters = asdict(options)
        parameters["planes"] = ", ".join(plane.value for plane in options.planes)
        parameters["modality"] = query.modality.value
        parameters["modality_source"] = query.modality_source
        parameters["image_size"] = self.card.image_size
        parameters["alignment_similarity"] = round(similarity, 4)
        query_hash = query.content_hash
        if query.reduction is not None:
            parameters["reduction"] = str(query.reduction)
            query_hash = query.reduction.content_hash
        return Provenance(
            query_name=query.name,
            query_hash=query_hash,
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


def _source_axis(volume: Volume, plane: Plane) -> int:
    """Axis of the source array that slices of a plane are stacked along."""
    orientation = nibabel.orientations.io_orientation(volume.affine)
    return int(np.flatnonzero(orientation[:, 0] == plane.axis)[0])
