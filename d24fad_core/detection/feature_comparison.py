"""Comparing studies by the features of teacher and student, in a window or translated."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.cache.folder import fetch_or_make, keep
from d24fad_core.comparison.features import (
    StudyFeatures,
    encode_study,
    load_features,
    save_features,
)
from d24fad_core.comparison.fusion import case_score
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.comparison.similarity import learnt_shares
from d24fad_core.comparison.translation import translated_scoring
from d24fad_core.detection.comparison import ComparedStudy, ModelIdentity
from d24fad_core.detection.normal_likeness import likeness_of_normals
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.plane_scores import PlaneScores, score_plane, score_translated_plane
from d24fad_core.detection.reference import (
    held_out_maps,
    prepare_plane,
    prepare_translated_plane,
    score_scale,
)
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress
from d24fad_core.support.frame import AlignedStudy, Frame, align, make_frame
from d24fad_core.support.frame_file import load_frame, save_frame
from d24fad_core.support.profile import StudyProfile, load_profile, save_profile
from d24fad_core.support.reference_file import load_reference, save_reference
from d24fad_core.support.support_set import (
    PlaneReference,
    SupportSet,
    SupportStudy,
)
from d24fad_core.volumes.slices import SliceGrid
from d24fad_core.volumes.volume import Plane


class FeatureComparison:
    """Compares the features of one model; see `detection.comparison.Comparison`.

    Args:
        network: the model, as `for_inference` gives it.
        identity: of the model and its scoring.
        scoring: how it scores; translated normals follow `translated_scoring` of it.
        cache: where things are kept.
        translate: translate the normals into the look of each study.
    """

    def __init__(
        self,
        network: D24FAD,
        identity: ModelIdentity,
        scoring: ScoringConfig,
        cache: SupportCache,
        *,
        translate: bool,
    ) -> None:
        self.identity = identity
        self._network = network
        self._scoring = scoring
        self._cache = cache
        self._translate = translate

    def prepare(
        self, studies: Sequence[StudySource], options: DetectionOptions, progress: Progress
    ) -> SupportSet:
        """See `Comparison.prepare`."""
        scoring = self._plane_scoring()  # refuses before minutes are spent
        frame = self._frame(studies[0], options.ct_window)
        members: list[SupportStudy] = []
        features: dict[Plane, list[StudyFeatures]] = {plane: [] for plane in options.planes}
        for index, study in enumerate(studies):
            progress(f"reading support {study.name}", index / (len(studies) + 1))
            profile, by_plane = self._features(study, frame, options)
            members.append(SupportStudy(study.name, study.content_hash, profile))
            for plane in options.planes:
                features[plane].append(by_plane[plane])
        progress("comparing the normals", len(studies) / (len(studies) + 1))
        references = []
        for plane in options.planes:
            paths = [self._cache.features(study, frame, plane, options) for study in studies]
            path = self._cache.reference(paths, translate=self._translate)
            references.append(self._reference(frame, plane, features[plane], path, scoring))
        scales = [
            self._scale(planes, frame)
            for count in range(1, len(references) + 1)
            for planes in combinations(references, count)
        ]
        likeness = likeness_of_normals(members, frame, options, self._cache.folder)
        progress("support ready", 1.0)
        return SupportSet(
            studies=tuple(members),
            modality=studies[0].modality,
            frame=frame,
            ct_window=options.ct_window,
            register=options.register,
            comparison=(ComparisonKind.TRANSLATED if self._translate else ComparisonKind.WINDOW),
            references=tuple(references),
            scales=tuple(scales),
            alike=likeness.alike,
            usual_likeness=likeness.usual,
        )

    def compare(
        self,
        study: AlignedStudy,
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> ComparedStudy:
        """See `Comparison.compare`."""
        references = {reference.plane: reference for reference in support.references}
        score = score_translated_plane if self._translate else score_plane
        scored: list[PlaneScores] = []
        for number, plane in enumerate(options.planes):

            def report(step: str, fraction: float, number: int = number) -> None:
                progress(step, (number + fraction) / len(options.planes))

            stack = study.slices(plane, self._cache.image_size)
            scoring = self._plane_scoring()
            scored.append(score(self._network, stack, references[plane], scoring, report))
        heatmap = _fused(scored, support.scale(options.planes))
        return ComparedStudy(
            heatmap=heatmap,
            case_score=self.case_score(heatmap, support.frame),
            shares=tuple(np.mean([part.shares for part in scored], axis=0).tolist()),
            learnt_shares=learnt_shares(self._network) and not self._translate,
            distances=_mean_distances(scored),
        )

    def held_out(
        self,
        studies: Sequence[StudySource],
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> list[NDArray[np.float32]]:
        """See `Comparison.held_out`."""
        by_plane = {reference.plane: reference for reference in support.references}
        references = [by_plane[plane] for plane in options.planes]
        scale = support.scale(options.planes)
        return [_in_units(maps, scale) for maps in self._maps(references, support.frame)]

    def fused_scale(
        self,
        maps: Sequence[NDArray[np.float32]],
        scales: Sequence[ScoreScale],
        frame: Frame,
        alone: float,
    ) -> ScoreScale:
        """See `Comparison.fused_scale`."""
        return score_scale(maps, scales[0].planes, self._plane_scoring())

    def case_score(self, heatmap: NDArray[np.float32], frame: Frame) -> float:
        """See `Comparison.case_score`."""
        return case_score(torch.from_numpy(heatmap[heatmap != 0]), self._scoring)

    def _scale(self, references: Sequence[PlaneReference], frame: Frame) -> ScoreScale:
        """What scores in some planes are measured against."""
        planes = [reference.plane for reference in references]
        return score_scale(self._maps(references, frame), planes, self._plane_scoring())

    def _maps(
        self, references: Sequence[PlaneReference], frame: Frame
    ) -> Iterator[NDArray[np.float32]]:
        return held_out_maps(references, frame.shape, frame.spacing, self._cache.image_size)

    def _plane_scoring(self) -> ScoringConfig:
        return translated_scoring(self._scoring) if self._translate else self._scoring

    def _frame(self, first: StudySource, ct_window: str) -> Frame:
        return fetch_or_make(
            self._cache.frame(first, ct_window),
            self._cache.folder,
            load_frame,
            lambda: make_frame(volume_of(first), self._cache.image_size, ct_window),
            save_frame,
        )

    def _features(
        self, study: StudySource, frame: Frame, options: DetectionOptions
    ) -> tuple[StudyProfile, dict[Plane, StudyFeatures]]:
        """Profile and features by plane; the study is aligned once for all."""
        paths = {
            plane: self._cache.features(study, frame, plane, options) for plane in options.planes
        }
        cached = {plane: load_features(path) for plane, path in paths.items() if path is not None}
        features = {plane: entry for plane, entry in cached.items() if entry is not None}
        profile_path = self._cache.profile(study, frame, options)
        profile = None if profile_path is None else load_profile(profile_path)
        if profile is not None and len(features) == len(options.planes):
            return profile, features
        aligned = align(volume_of(study), frame, options.ct_window, register=options.register)
        for plane, path in paths.items():
            if plane in features:
                continue
            stack = aligned.slices(plane, self._cache.image_size)
            features[plane] = encode_study(
                self._network, stack, aligned.similarity, self._scoring.keys
            )
            if path is not None and self._cache.folder is not None:
                keep(features[plane], path, self._cache.folder, save_features)
        if profile_path is not None and self._cache.folder is not None and profile is None:
            keep(aligned.profile, profile_path, self._cache.folder, save_profile)
        return aligned.profile, features

    def _reference(
        self,
        frame: Frame,
        plane: Plane,
        features: Sequence[StudyFeatures],
        path: Path | None,
        scoring: ScoringConfig,
    ) -> PlaneReference:
        """What the normals teach in one plane."""
        prepare = prepare_translated_plane if self._translate else prepare_plane
        grid = SliceGrid(plane, frame.shape, frame.spacing, self._cache.image_size)
        return fetch_or_make(
            path,
            self._cache.folder,
            lambda file: load_reference(file, plane, features),
            lambda: prepare(self._network, grid, features, scoring),
            save_reference,
        )


def _fused(scored: Sequence[PlaneScores], scale: ScoreScale) -> NDArray[np.float32]:
    """The heatmap of all planes in the frame, 0 outside the foreground."""
    return _in_units(np.mean([part.heatmap for part in scored], axis=0, dtype=np.float32), scale)


def _in_units(mean: NDArray[np.float32], scale: ScoreScale) -> NDArray[np.float32]:
    """A map in z, 0 outside the foreground; the array is changed."""
    inside = mean != 0
    mean[inside] = (mean[inside] - scale.centre) / scale.spread
    return mean


def _mean_distances(scored: Sequence[PlaneScores]) -> NDArray[np.float16] | None:
    """Distance from each normal over all planes; None where a plane knows none."""
    known = [part.distances for part in scored if part.distances is not None]
    if len(known) < len(scored):
        return None
    mean: NDArray[np.float16] = np.mean(known, axis=0, dtype=np.float32).astype(np.float16)
    return mean
