"""Comparing studies by the decoder that is shown the normals."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.cache.folder import fetch_or_make, keep
from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.log_odds_scale import (
    LARGEST_FALL,
    OUTLINE_FALL,
    measure_scale,
    score_case,
)
from d24fad_core.comparison.normal_range import with_floor
from d24fad_core.comparison.normal_response import NormalResponse, ResponseMap
from d24fad_core.comparison.normal_stack import (
    NormalStack,
    PlacedStudy,
    place_study,
    stack_normals,
)
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.comparison.support_decoding import DECODING_SCHEMA, SupportViews, decode_evenly
from d24fad_core.detection.comparison import ComparedStudy, ModelIdentity
from d24fad_core.detection.normal_likeness import likeness_of_normals
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.models.decoder_checkpoint import DecoderCard
from d24fad_core.networks.support_decoder import TwofoldDecoder
from d24fad_core.places.brain import align_brain
from d24fad_core.progress import Progress, silent
from d24fad_core.support.frame import (
    FRAME_SCHEMA,
    AlignedStudy,
    Frame,
    align,
    make_frame_of_voxels,
)
from d24fad_core.support.frame_file import load_frame, save_frame
from d24fad_core.support.placed_file import PLACED_SCHEMA, load_placed, save_placed
from d24fad_core.support.profile import (
    PROFILE_SCHEMA,
    StudyProfile,
    load_profile,
    save_profile,
)
from d24fad_core.support.scale_file import load_scale, save_scale
from d24fad_core.support.stack_file import STACK_SCHEMA, load_volumes, save_volumes
from d24fad_core.support.support_set import SupportSet, SupportStudy
from d24fad_core.support.views import view_support
from d24fad_core.volumes.volume import Modality, Volume

SCALE_SCHEMA = 12
"""Raised whenever the same normals give another scale: kept ones, and results, are then void."""

_Key = tuple[object, ...]


class LearnedComparison:
    """Compares by a taught decoder; see `detection.comparison.Comparison`.

    Args:
        decoder: in eval mode.
        card: its card.
        response: what it answers to untouched people; None where that was not measured.
        cache_folder: where normals on the common grid and their scale are kept; None keeps
            nothing.
    """

    def __init__(
        self,
        decoder: TwofoldDecoder,
        card: DecoderCard,
        response: ResponseMap | None,
        cache_folder: Path | None,
    ) -> None:
        shaping = (
            card.weights_hash,
            card.response_hash,
            card.threshold,
            DECODING_SCHEMA,
            SCALE_SCHEMA,
        )
        self.identity = ModelIdentity(card.name, hash_bytes(repr(shaping).encode()))
        self._decoder = decoder.to(memory_format=torch.channels_last)
        self._card = card
        self._response = response
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
        normals = _key(studies, frame, options)
        response = self._response_on_grid(normals, stack, frame, studies[0].modality)
        scale = self._scale(normals, stack, response, frame, progress)
        likeness = likeness_of_normals(members, frame, options, self._folder)
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
            in_one_shape=self._in_one_shape(normals, stack),
            response=response,
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
        normals, in_one_shape = _stacks(support)
        fitted = normals.fitted(place_study(study.volume, options.ct_window))
        progress("aligning the normals", 0.0)
        views = view_support(fitted, normals, in_one_shape)
        log_odds = self._log_odds(fitted, views, support.response, progress)
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
        normals = _key(studies, support.frame, options)
        log_odds = self._held_out_log_odds(normals, stack, support.response, progress)
        return [
            torch.where(normal > 0, scale.z(own), torch.zeros(())).numpy()
            for normal, own in zip(stack.intensities, log_odds, strict=True)
        ]

    def fused_scale(
        self,
        maps: Sequence[NDArray[np.float32]],
        scales: Sequence[ScoreScale],
        frame: Frame,
        alone: float,
    ) -> ScoreScale:
        """See `Comparison.fused_scale`.

        The decoder's own threshold, the least that it may fall to and that of outlines, which have
        other z in each contrast, are taken at their mean, where a single contrast reaches them.
        """
        least = self._card.threshold - LARGEST_FALL
        outline = self._card.threshold - OUTLINE_FALL
        return measure_scale(
            [torch.from_numpy(values[values != 0]) for values in maps],
            alone * fmean(scale.threshold for scale in scales),
            _voxel_ml(frame),
            least=alone * fmean(scale.z_of(least) for scale in scales),
            outline=alone * fmean(scale.z_of(outline) for scale in scales),
        )

    def case_score(self, heatmap: NDArray[np.float32], frame: Frame) -> float:
        """See `Comparison.case_score`."""
        return score_case(torch.from_numpy(heatmap[heatmap != 0]), _voxel_ml(frame))

    def _held_out_log_odds(
        self,
        normals: _Key,
        stack: NormalStack,
        response: NormalResponse | None,
        progress: Progress,
    ) -> Tensor:
        """The log-odds of each normal against the others, (K, X, Y, Z)."""

        def decode_each() -> Tensor:
            decoded = []
            for number, normal in enumerate(stack.intensities):
                progress("comparing the normals", number / len(stack))
                # The others' shape must not know the normal that is measured.
                others = stack.without(number)
                views = view_support(normal, others, align_mutually(others))
                decoded.append(self._log_odds(normal, views, response))
            return torch.stack(decoded)

        path = self._file("held-out", *normals, *self._decoder_key(), STACK_SCHEMA, SCALE_SCHEMA)
        return fetch_or_make(path, self._folder, load_volumes, decode_each, save_volumes)

    def _log_odds(
        self,
        study: Tensor,
        views: SupportViews,
        response: NormalResponse | None,
        progress: Progress = silent,
    ) -> Tensor:
        """Those of the decoder at an average place, with the floor under them."""
        decoded = decode_evenly(self._decoder, study, views, response, progress)
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

    def _response_on_grid(
        self, normals: _Key, stack: NormalStack, frame: Frame, modality: Modality
    ) -> NormalResponse | None:
        """What the decoder answers to untouched people, on the common grid.

        None where that was not measured, or where the normals show no brain.
        """
        response = self._response
        if response is None:
            return None

        def place() -> Tensor:
            mean = Volume(stack.mean.numpy(), frame.affine, modality, "mean of the normals")
            brain = align_brain(mean)
            if brain is None:
                return torch.zeros(0, *frame.shape)
            on_grid = response.on_grid(frame.shape, brain.to_mni)
            return torch.stack([on_grid.mean, on_grid.spread])

        path = self._file("response", *normals, *self._decoder_key(), STACK_SCHEMA, SCALE_SCHEMA)
        volumes = fetch_or_make(path, self._folder, load_volumes, place, save_volumes)
        if len(volumes) == 0:
            return None
        return NormalResponse(
            volumes[0], volumes[1], response.average_mean, response.average_spread
        )

    def _scale(
        self,
        normals: _Key,
        stack: NormalStack,
        response: NormalResponse | None,
        frame: Frame,
        progress: Progress,
    ) -> ScoreScale:
        def report(step: str, fraction: float) -> None:
            progress(step, 0.5 + fraction / 2)

        def measure() -> ScoreScale:
            log_odds = self._held_out_log_odds(normals, stack, response, report)
            held_out = [
                own[normal > 0] for normal, own in zip(stack.intensities, log_odds, strict=True)
            ]
            return measure_scale(held_out, self._card.threshold, _voxel_ml(frame))

        path = self._file("scales", *normals, *self._decoder_key(), SCALE_SCHEMA, suffix=".json")
        return fetch_or_make(path, self._folder, load_scale, measure, save_scale)

    def _in_one_shape(self, normals: _Key, stack: NormalStack) -> NormalStack:
        moved = fetch_or_make(
            self._file("stacks", *normals, STACK_SCHEMA),
            self._folder,
            load_volumes,
            lambda: align_mutually(stack).intensities,
            save_volumes,
        )
        return stack.with_intensities(moved)

    def _decoder_key(self) -> _Key:
        card = self._card
        return card.weights_hash, card.response_hash, card.threshold, DECODING_SCHEMA

    def _file(self, kind: str, *shaping: object, suffix: str = ".safetensors") -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"learned-{kind}" / f"{hash_bytes(repr(shaping).encode())}{suffix}"


def _key(studies: Sequence[StudySource], frame: Frame, options: DetectionOptions) -> _Key:
    """What normals on the common grid depend on, in their order."""
    names = [study.content_hash for study in studies]
    return (*names, frame.content_hash, options.ct_window, options.register, PLACED_SCHEMA)


def _stacks(support: SupportSet) -> tuple[NormalStack, NormalStack]:
    if support.stack is None or support.in_one_shape is None:
        raise SupportError(
            f"the support was prepared for the comparison {support.comparison.value}, not for a "
            "learned one",
            "prepare it with the same options.",
        )
    return support.stack, support.in_one_shape


def _voxel_ml(frame: Frame) -> float:
    return abs(float(np.linalg.det(frame.affine[:3, :3]))) / 1000.0
