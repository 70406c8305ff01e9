"""Several contrasts of a person in, one `AnomalyResult` out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.cache.folder import fetch_or_make
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.contrasts.contributions import with_contrasts
from d24fad_core.contrasts.fusion import alone, fuse_maps, in_fused_units, on_reference
from d24fad_core.contrasts.person import Person, check_different
from d24fad_core.contrasts.registration import LaidContrast, lay_contrast
from d24fad_core.contrasts.support import ContrastSupport
from d24fad_core.detection.comparison import ComparedStudy, PlacedComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import InputError, SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import volume_of
from d24fad_core.progress import Progress, silent
from d24fad_core.support.frame import AlignedStudy, align
from d24fad_core.support.scale_file import load_scale, save_scale
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

FUSION_SCHEMA = 1
"""Raised whenever the same normals give another fused scale: kept ones are then void."""


class ContrastDetector:
    """Finds what is abnormal in several contrasts of a person together.

    Each contrast is compared with the normals of its own kind. The maps are laid on each other,
    for the case as for each normal against the others, and their mean is measured against what
    it is in the normals.

    Args:
        detector: compares single contrasts.
        cache_folder: where fused scales are kept; None keeps nothing.
    """

    def __init__(self, detector: Detector, cache_folder: Path | None = None) -> None:
        self._detector = detector
        self._folder = cache_folder

    def prepare_support(
        self,
        normals: Sequence[Person],
        contrasts: Sequence[str],
        options: DetectionOptions,
        progress: Progress = silent,
    ) -> ContrastSupport:
        """Compute, or fetch from the cache, what is needed of the normal people.

        Args:
            normals: people who have all of the contrasts.
            contrasts: names, the reference first.
            options: choices for the analyses.
            progress: told of each step.

        Raises:
            SupportError: see `Detector.prepare_support`.
            InputError: a study has no foreground, or two contrasts of a person nowhere overlap.
        """
        sets = []
        for number, contrast in enumerate(contrasts):

            def report(step: str, fraction: float, number: int = number) -> None:
                progress(step, (number + fraction) / (len(contrasts) + 1))

            studies = [person.scans[contrast] for person in normals]
            sets.append(self._detector.prepare_support(studies, options, report))

        def measure() -> ScoreScale:
            return self._measure(normals, contrasts, sets, options, progress)

        planes = sets[0].scale(options.planes).planes
        scale = fetch_or_make(
            self._file(sets, options),
            self._folder,
            lambda path: load_scale(path, planes),
            measure,
            save_scale,
        )
        progress("support ready", 1.0)
        return ContrastSupport(tuple(contrasts), tuple(sets), scale)

    def detect(
        self,
        case: Mapping[str, Volume],
        support: ContrastSupport,
        options: DetectionOptions,
        progress: Progress = silent,
    ) -> AnomalyResult:
        """Analyse a person.

        Args:
            case: the scans by contrast.
            support: from `prepare_support` with the same options.
            options: choices for this analysis.
            progress: told of each step.

        Returns:
            The result on the grid of the reference contrast.

        Raises:
            SupportError: the case lacks a contrast, or see `Detector.detect`.
            InputError: a scan has no foreground, was reduced while it was read, is that of another
                contrast too, or nowhere overlaps with the reference.
        """
        scans = _scans(case, support)
        reference, normals = scans[0], support.sets[0]
        count = len(support.contrasts)
        placed = []
        for number, (scan, own) in enumerate(zip(scans, support.sets, strict=True)):

            def report(step: str, fraction: float, number: int = number) -> None:
                progress(step, 0.8 * (number + fraction) / count)

            placed.append(self._detector.compare(scan, own, options, report))
        laid = _laid(scans)
        frames = [each.aligned for each in placed]
        maps = _on_reference([each.compared.heatmap for each in placed], support.sets, frames, laid)
        comparison = self._detector.comparison(normals.comparison)
        heatmap = in_fused_units(fuse_maps(maps), support.scale)
        fused = ComparedStudy(
            heatmap=heatmap,
            case_score=comparison.case_score(heatmap, normals.frame),
            shares=tuple(np.mean([each.compared.shares for each in placed], axis=0).tolist()),
            learnt_shares=placed[0].compared.learnt_shares,
            distances=placed[0].compared.distances,
        )
        result = self._detector.conclude(
            reference,
            normals,
            options,
            PlacedComparison(frames[0], fused),
            support.scale,
            progress,
        )
        return with_contrasts(result, scans, support, placed, maps, laid, options)

    def _measure(
        self,
        normals: Sequence[Person],
        contrasts: Sequence[str],
        sets: Sequence[SupportSet],
        options: DetectionOptions,
        progress: Progress,
    ) -> ScoreScale:
        """What the normals' own fused maps show, each person against the others."""
        start = len(contrasts) / (len(contrasts) + 1)
        comparison = self._detector.comparison(sets[0].comparison)
        by_contrast = [
            comparison.held_out(
                [person.scans[contrast] for person in normals], own, options, silent
            )
            for contrast, own in zip(contrasts, sets, strict=True)
        ]
        fused = []
        for number, person in enumerate(normals):
            progress(f"fusing {person.name}", start + (1 - start) * number / len(normals))
            scans = [volume_of(person.scans[contrast]) for contrast in contrasts]
            frames = [
                align(scan, own.frame, options.ct_window, register=options.register)
                for scan, own in zip(scans, sets, strict=True)
            ]
            own_maps = [maps[number] for maps in by_contrast]
            fused.append(fuse_maps(_on_reference(own_maps, sets, frames, _laid(scans))))
        scales = [own.scale(options.planes) for own in sets]
        return comparison.fused_scale(fused, scales, sets[0].frame, alone(len(scales)))

    def _file(self, sets: Sequence[SupportSet], options: DetectionOptions) -> Path | None:
        if self._folder is None:
            return None
        shaping = (
            [[study.content_hash for study in own.studies] for own in sets],
            [own.frame.content_hash for own in sets],
            self._detector.identity(sets[0].comparison).content_hash,
            sets[0].comparison.value,
            [plane.value for plane in options.planes],
            options.ct_window,
            options.register,
            FUSION_SCHEMA,
        )
        return self._folder / "fused-scales" / f"{hash_bytes(repr(shaping).encode())}.json"


def _scans(case: Mapping[str, Volume], support: ContrastSupport) -> list[Volume]:
    missing = [contrast for contrast in support.contrasts if contrast not in case]
    if missing:
        raise SupportError(
            f"the case lacks {', '.join(missing)}, which the support was prepared for",
            "prepare it for the contrasts that the case has.",
        )
    scans = [case[contrast] for contrast in support.contrasts]
    hashes = dict(zip(support.contrasts, (scan.source_hash for scan in scans), strict=True))
    check_different(hashes, scans[0].name)
    for contrast, scan in zip(support.contrasts, scans, strict=True):
        if scan.reduction is not None:
            raise InputError(
                f"the {contrast} of {scan.name} was reduced while it was read, and several "
                "contrasts cannot be fused then",
                "crop it, or raise --reduce-above.",
            )
    return scans


def _laid(scans: Sequence[Volume]) -> list[LaidContrast]:
    """Where each contrast lies; the reference, which is first, lies on itself."""
    itself = LaidContrast(sitk.Euler3DTransform(), 1.0)
    return [itself, *(lay_contrast(scans[0], other) for other in scans[1:])]


def _on_reference(
    maps: Sequence[NDArray[np.float32]],
    sets: Sequence[SupportSet],
    frames: Sequence[AlignedStudy],
    laid: Sequence[LaidContrast],
) -> list[NDArray[np.float32]]:
    """The maps of one person in the frame of the reference contrast."""
    others = [
        on_reference(
            maps[number],
            sets[number].frame,
            frames[number],
            laid[number].to_other,
            sets[0].frame,
            frames[0],
        )
        for number in range(1, len(maps))
    ]
    return [maps[0], *others]
