"""Comparing studies by the decoder that is shown the normals."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.cache.folder import fetch_or_make, keep
from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.log_odds_scale import LARGEST_FALL, measure_scale, score_case
from d24fad_core.comparison.normal_range import with_floor
from d24fad_core.comparison.normal_stack import (
    NormalStack,
    PlacedStudy,
    place_study,
    stack_normals,
)
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.comparison.support_decoding import DECODING_SCHEMA, SupportViews, decode
from d24fad_core.detection.comparison import ComparedStudy, ModelIdentity
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.models.decoder_checkpoint import DecoderCard
from d24fad_core.networks.support_decoder import TwofoldDecoder
from d24fad_core.progress import Progress, silent
from d24fad_core.support.frame import (
    FRAME_SCHEMA,
    AlignedStudy,
    Frame,
    align,
    make_frame_of_voxels,
)
from d24fad_core.support.frame_file import load_frame, save_frame
from d24fad_core.support.likeness import mutual_likeness
from d24fad_core.support.placed_file import PLACED_SCHEMA, load_placed, save_placed
from d24fad_core.support.profile import (
    PROFILE_SCHEMA,
    StudyProfile,
    load_profile,
    save_profile,
)
from d24fad_core.support.scale_file import load_scale, save_scale
from d24fad_core.support.stack_file import STACK_SCHEMA, load_stack, save_stack
from d24fad_core.support.support_set import SupportSet, SupportStudy
from d24fad_core.support.views import view_support

SCALE_SCHEMA = 8
"""Raised whenever the same normals give another scale: kept ones, and results, are then void."""


class LearnedComparison:
    """Compares by a taught decoder; see `detection.comparison.Comparison`.

    Args:
        decoder: in eval mode.
        card: its card.
        cache_folder: where normals on the common grid and their scale are kept; None keeps
            nothing.
    """

    def __init__(
        self, decoder: TwofoldDecoder, card: DecoderCard, cache_folder: Path | None
    ) -> None:
        self.identity = ModelIdentity(
            card.name,
            hash_bytes(
                repr((card.weights_hash, card.threshold, DECODING_SCHEMA, SCALE_SCHEMA)).encode()
            ),
        )
        self._decoder = decoder.to(memory_format=torch.channels_last)
        self._card = card
        self._folder = cache_folder

    def prepare(
        self, studies: Sequence[StudySource], options: DetectionOptions, progress: Progress
    ) -> SupportSet:
        """See `Comparison.prepare`."""
        frame = self._frame(studies[0], options.ct_window)
        members: list[SupportStudy] = []
        placed: list[PlacedStudy] = []
        for number, study in enumerate(studies):
            progress(f"reading support {study.name}", number / (2 * len(studies)))
            profile, on_grid = self._placed(study, frame, options)
            members.append(SupportStudy(study.name, study.content_hash, profile))
            placed.append(on_grid)
        stack = stack_normals(placed)
        scale = self._scale(studies, frame, stack, options, progress)
        likenesses = mutual_likeness(members)
        progress("support ready", 1.0)
        return SupportSet(
            studies=tuple(members),
            modality=studies[0].modality,
            frame=frame,
            ct_window=options.ct_window,
            register=options.register,
            comparison=ComparisonKind.LEARNED,
            references=(),
            scales=(scale,),
            stack=stack,
            in_one_shape=self._in_one_shape(studies, frame, stack, options),
            alike=likenesses.alike,
            usual_likeness=likenesses.usual,
        )

    def compare(
        self,
        study: AlignedStudy,
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> ComparedStudy:
        """See `Comparison.compare`."""
        normals, in_one_shape = _stacks(support)
        fitted = normals.fitted(place_study(study.volume, options.ct_window))
        progress("aligning the normals", 0.0)
        views = view_support(fitted, normals, in_one_shape)
        log_odds = self._log_odds(fitted, views, progress)
        scale = support.scale(options.planes)
        inside = fitted > 0
        scores = scale.z(log_odds)
        heatmap = torch.where(inside, scores, torch.zeros(())).numpy()
        count = len(support.studies)
        return ComparedStudy(
            heatmap=heatmap.astype(np.float32),
            case_score=score_case(scores[inside], _voxel_ml(support.frame)),
            shares=(1.0 / count,) * count,
            learnt_shares=False,
            distances=(views.in_shape.intensities - fitted).abs().half().numpy(),
        )

    def held_out(
        self,
        studies: Sequence[StudySource],
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> list[NDArray[np.float32]]:
        """See `Comparison.held_out`."""
        stack, _ = _stacks(support)
        scale = support.scale(options.planes)
        maps = []
        for number, (normal, log_odds) in enumerate(self._left_out(stack)):
            progress("comparing the normals", number / len(stack))
            maps.append(torch.where(normal > 0, scale.z(log_odds), torch.zeros(())).numpy())
        return maps

    def fused_scale(
        self,
        maps: Sequence[NDArray[np.float32]],
        scales: Sequence[ScoreScale],
        frame: Frame,
        alone: float,
    ) -> ScoreScale:
        """See `Comparison.fused_scale`.

        The decoder's own threshold and the least that it may fall to, which have other z in each
        contrast, are taken at their mean, where a single contrast reaches them.
        """
        least = self._card.threshold - LARGEST_FALL
        return measure_scale(
            [torch.from_numpy(values[values != 0]) for values in maps],
            alone * fmean(scale.threshold for scale in scales),
            _voxel_ml(frame),
            least=alone * fmean(scale.z_of(least) for scale in scales),
        )

    def case_score(self, heatmap: NDArray[np.float32], frame: Frame) -> float:
        """See `Comparison.case_score`."""
        return score_case(torch.from_numpy(heatmap[heatmap != 0]), _voxel_ml(frame))

    def _left_out(self, stack: NormalStack) -> Iterator[tuple[Tensor, Tensor]]:
        """Each normal and its log-odds against the others."""
        for number in range(len(stack)):
            normal = stack.intensities[number]
            # The others' shape must not know the normal that is measured.
            others = stack.without(number)
            views = view_support(normal, others, align_mutually(others))
            yield normal, self._log_odds(normal, views)

    def _log_odds(self, study: Tensor, views: SupportViews, progress: Progress = silent) -> Tensor:
        """Those of the decoder, with the floor under them."""
        decoded = decode(self._decoder, study, views, progress)
        normals = views.in_place.intensities
        return with_floor(decoded, study, normals, study > 0, self._card.threshold)

    def _frame(self, first: StudySource, ct_window: str) -> Frame:
        path = self._file(
            "frames", first.content_hash, ct_window, self._card.voxel_mm, FRAME_SCHEMA
        )
        return fetch_or_make(
            path,
            self._folder,
            load_frame,
            lambda: make_frame_of_voxels(volume_of(first), self._card.voxel_mm, ct_window),
            save_frame,
        )

    def _placed(
        self, study: StudySource, frame: Frame, options: DetectionOptions
    ) -> tuple[StudyProfile, PlacedStudy]:
        shaping = (study.content_hash, frame.content_hash, options.ct_window, options.register)
        path = self._file("normals", *shaping, PLACED_SCHEMA)
        profile_path = self._file("profiles", *shaping, PROFILE_SCHEMA)
        if path is not None and profile_path is not None:
            placed, profile = load_placed(path), load_profile(profile_path)
            if placed is not None and profile is not None:
                return profile, placed
        aligned = align(volume_of(study), frame, options.ct_window, register=options.register)
        placed = place_study(aligned.volume, options.ct_window)
        if path is not None and profile_path is not None and self._folder is not None:
            keep(placed, path, self._folder, save_placed)
            keep(aligned.profile, profile_path, self._folder, save_profile)
        return aligned.profile, placed

    def _scale(
        self,
        studies: Sequence[StudySource],
        frame: Frame,
        stack: NormalStack,
        options: DetectionOptions,
        progress: Progress,
    ) -> ScoreScale:
        names = [study.content_hash for study in studies]
        shaping = (*names, frame.content_hash, options.ct_window, options.register)
        card = (self._card.weights_hash, self._card.threshold, DECODING_SCHEMA)
        path = self._file("scales", *shaping, *card, PLACED_SCHEMA, SCALE_SCHEMA, suffix=".json")

        def measure() -> ScoreScale:
            held_out = []
            for number, (normal, log_odds) in enumerate(self._left_out(stack)):
                progress("comparing the normals", 0.5 + number / (2 * len(stack)))
                held_out.append(log_odds[normal > 0])
            return measure_scale(held_out, self._card.threshold, _voxel_ml(frame))

        return fetch_or_make(path, self._folder, load_scale, measure, save_scale)

    def _in_one_shape(
        self,
        studies: Sequence[StudySource],
        frame: Frame,
        stack: NormalStack,
        options: DetectionOptions,
    ) -> NormalStack:
        names = [study.content_hash for study in studies]
        shaping = (*names, frame.content_hash, options.ct_window, options.register)
        path = self._file("stacks", *shaping, PLACED_SCHEMA, STACK_SCHEMA)
        return fetch_or_make(
            path, self._folder, load_stack, lambda: align_mutually(stack), save_stack
        )

    def _file(self, kind: str, *shaping: object, suffix: str = ".safetensors") -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"learned-{kind}" / f"{hash_bytes(repr(shaping).encode())}{suffix}"


def _stacks(support: SupportSet) -> tuple[NormalStack, NormalStack]:
    if support.stack is None or support.in_one_shape is None:
        raise SupportError(
            f"the support was prepared for the comparison {support.comparison.value}, not for a "
            "learned one; prepare it with the same options."
        )
    return support.stack, support.in_one_shape


def _voxel_ml(frame: Frame) -> float:
    return abs(float(np.linalg.det(frame.affine[:3, :3]))) / 1000.0
