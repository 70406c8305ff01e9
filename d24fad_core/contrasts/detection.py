"""Several contrasts of a person in, one `AnomalyResult` out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from d24fad_core.cache.folder import fetch_or_make
from d24fad_core.contrasts.contributions import with_contrasts
from d24fad_core.contrasts.fusion import fuse_maps, in_fused_units, with_joint
from d24fad_core.contrasts.joint_file import load_joint, save_joint
from d24fad_core.contrasts.laid_person import lay_person, unpooled
from d24fad_core.contrasts.normal_people import MeasuredNormals
from d24fad_core.contrasts.person import Person, check_different
from d24fad_core.contrasts.support import ContrastSupport
from d24fad_core.detection.comparison import ComparedStudy, PlacedComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import InputError, SupportError
from d24fad_core.files import hash_bytes
from d24fad_core.progress import Progress, silent
from d24fad_core.support.scale_file import load_scale, save_scale
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

FUSION_SCHEMA = 2
"""Raised whenever the same normals give another fused scale: kept ones are then void."""


class ContrastDetector:
    """Finds what is abnormal in several contrasts of a person together.

    Each contrast is compared with the normals of its own kind, and what all of them show at a
    place with what goes together in normals. The maps are laid on each other, for the case as
    for each normal against the others, and what they are fused to is measured against what it
    is in the normals.

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

        def report_fusing(step: str, fraction: float) -> None:
            progress(step, (len(contrasts) + fraction) / (len(contrasts) + 1))

        comparison = self._detector.comparison(sets[0].comparison)
        measured = MeasuredNormals(comparison, normals, contrasts, sets, options, report_fusing)
        planes = sets[0].scale(options.planes).planes
        scale = fetch_or_make(
            self._file("fused-scales", sets, options, ".json"),
            self._folder,
            lambda path: load_scale(path, planes),
            measured.scale,
            save_scale,
        )
        joint = None
        if len(contrasts) > 1:
            joint = fetch_or_make(
                self._file("joint-normals", sets, options, ".safetensors"),
                self._folder,
                load_joint,
                measured.joint,
                save_joint,
            )
        progress("support ready", 1.0)
        return ContrastSupport(tuple(contrasts), tuple(sets), scale, joint)

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
        person = lay_person(
            scans, [own.frame for own in support.sets], [each.aligned for each in placed]
        )
        maps = person.on_reference([each.compared.heatmap for each in placed])
        fused = fuse_maps(maps)
        if support.joint is not None:
            distances = support.joint.distances(person.intensities(options.ct_window))
            fused = with_joint(fused, unpooled(support.joint.scores(distances), normals.frame))
        comparison = self._detector.comparison(normals.comparison)
        heatmap = in_fused_units(fused, support.scale)
        together = ComparedStudy(
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
            PlacedComparison(placed[0].aligned, together),
            support.scale,
            progress,
        )
        return with_contrasts(result, scans, support, placed, maps, person.laid, options)

    def _file(
        self, kind: str, sets: Sequence[SupportSet], options: DetectionOptions, suffix: str
    ) -> Path | None:
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
        return self._folder / kind / f"{hash_bytes(repr(shaping).encode())}{suffix}"


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
