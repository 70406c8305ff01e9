"""From normal studies to a support set, and what of it is kept for the next time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from d24fad_core.comparison.features import (
    StudyFeatures,
    encode_study,
    load_features,
    save_features,
)
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.comparison.translation import translated_scoring
from d24fad_core.detection.options import DetectionOptions, check_support
from d24fad_core.detection.reference import prepare_plane, prepare_translated_plane
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress
from d24fad_core.support.frame import Frame, align, make_frame
from d24fad_core.support.frame_file import load_frame, save_frame
from d24fad_core.support.reference_file import load_reference, save_reference
from d24fad_core.support.support_set import PlaneReference, SupportSet, SupportStudy
from d24fad_core.volumes.slices import SliceGrid, slice_volume
from d24fad_core.volumes.volume import Plane

_Kept = TypeVar("_Kept")


class SupportPreparation:
    """Prepares support sets with one model.

    Args:
        network: the model, as `for_inference` gives it.
        scoring: how it scores; translated normals follow `translated_scoring` of it.
        cache: where things are kept.
    """

    def __init__(self, network: D24FAD, scoring: ScoringConfig, cache: SupportCache) -> None:
        self._network = network
        self._scoring = scoring
        self._cache = cache

    def prepare(
        self, studies: Sequence[StudySource], options: DetectionOptions, progress: Progress
    ) -> SupportSet:
        """See `Detector.prepare_support`."""
        scoring = self._scoring
        if options.translate:
            scoring = translated_scoring(scoring)  # refuses before minutes are spent
        check_support(studies)
        frame = self._frame(studies[0], options.ct_window)
        kept: list[SupportStudy] = []
        features: dict[Plane, list[StudyFeatures]] = {plane: [] for plane in options.planes}
        for index, study in enumerate(studies):
            progress(f"reading support {study.name}", index / (len(studies) + 1))
            similarity, by_plane = self._features(study, frame, options)
            kept.append(SupportStudy(study.name, study.content_hash, similarity))
            for plane in options.planes:
                features[plane].append(by_plane[plane])
        progress("comparing the normals", len(studies) / (len(studies) + 1))
        references = []
        for plane in options.planes:
            paths = [self._cache.features(study, frame, plane, options) for study in studies]
            path = self._cache.reference(paths, translate=options.translate)
            references.append(
                self._reference(frame, plane, features[plane], path, scoring, options.translate)
            )
        progress("support ready", 1.0)
        return SupportSet(
            studies=tuple(kept),
            modality=studies[0].modality,
            frame=frame,
            ct_window=options.ct_window,
            register=options.register,
            translate=options.translate,
            references=tuple(references),
        )

    def _frame(self, first: StudySource, ct_window: str) -> Frame:
        return _kept(
            self._cache.frame(first, ct_window),
            load_frame,
            lambda: make_frame(volume_of(first), self._cache.image_size, ct_window),
            save_frame,
        )

    def _features(
        self, study: StudySource, frame: Frame, options: DetectionOptions
    ) -> tuple[float, dict[Plane, StudyFeatures]]:
        """Alignment similarity and features by plane; the study is aligned once for all planes."""
        paths = {
            plane: self._cache.features(study, frame, plane, options) for plane in options.planes
        }
        cached = {plane: load_features(path) for plane, path in paths.items() if path is not None}
        features = {plane: found for plane, found in cached.items() if found is not None}
        if len(features) == len(options.planes):
            return features[options.planes[0]].similarity, features
        size, window = self._cache.image_size, options.ct_window
        aligned = align(volume_of(study), frame, window, register=options.register)
        for plane, path in paths.items():
            if plane in features:
                continue
            stack = slice_volume(aligned.volume, plane, size, window)
            features[plane] = encode_study(
                self._network, stack, aligned.similarity, self._scoring.keys
            )
            if path is not None:
                save_features(features[plane], path)
        return aligned.similarity, features

    def _reference(
        self,
        frame: Frame,
        plane: Plane,
        features: Sequence[StudyFeatures],
        path: Path | None,
        scoring: ScoringConfig,
        translate: bool,
    ) -> PlaneReference:
        """What the normals teach in one plane."""
        prepare = prepare_translated_plane if translate else prepare_plane
        grid = SliceGrid(plane, frame.shape, frame.spacing, self._cache.image_size)
        return _kept(
            path,
            lambda file: load_reference(file, plane, features),
            lambda: prepare(self._network, grid, features, scoring),
            save_reference,
        )


def _kept(
    path: Path | None,
    load: Callable[[Path], _Kept | None],
    make: Callable[[], _Kept],
    save: Callable[[_Kept, Path], None],
) -> _Kept:
    """What lies at a path; made and put there where it does not."""
    found = load(path) if path is not None else None
    if found is None:
        found = make()
        if path is not None:
            save(found, path)
    return found
