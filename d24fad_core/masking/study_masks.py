"""The masks of a case and its normals: who gets one, and which."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.io.known_studies import KnownStudy, StudySource, volume_of
from d24fad_core.masking.body import body_mask
from d24fad_core.masking.brain_mask import brain_mask, brain_mask_kind, method_version
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.coverage import Coverage, coverage_of
from d24fad_core.masking.mask_cache import KeptMask, MaskCache
from d24fad_core.masking.mask_file import find_support_masks, read_mask
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import BRAIN_MASKS, MaskKind, Modality, Volume

BODY_VERSION = 1
"""Raised whenever the same CT gets another body mask: kept ones are then void."""


class MaskWarning(UserWarning):
    """A mask was made in a way that is less exact than it could be."""


class StudyMasks:
    """Restricts studies to brain or body, so that a case and its normals show the same.

    A head gets a brain mask where one is asked for; with `AUTO`, where a study that it is compared
    with is a brain alone. A CT gets a body mask. What is a brain alone already stays as it is.

    Args:
        brain: how heads get their mask; `NONE` also leaves CT as it is.
        cache: folder of what earlier analyses kept; None keeps masks in no file.
        strip_heads: whether `AUTO` also strips heads whose normals are heads too.

    Raises:
        ConfigurationError: the method is not installed.
    """

    def __init__(
        self,
        brain: BrainMask = BrainMask.AUTO,
        cache: Path | None = None,
        *,
        strip_heads: bool = False,
    ) -> None:
        self._brain = brain
        self._kind = brain_mask_kind(brain)
        self._always = brain in (BrainMask.DEEPBET, BrainMask.TEMPLATE) or strip_heads
        self._cache = MaskCache(cache)
        self._coverages: dict[str, Coverage] = {}
        self._template_reported = False

    def mask_normals(
        self,
        normals: Sequence[StudySource],
        case: Volume | None = None,
        progress: Progress = silent,
    ) -> list[StudySource]:
        """The normals, restricted.

        Args:
            normals: the studies; of those that `KnownStudies` knows, only ones without a kept mask
                are read.
            case: the study that they are for, if there is one already.
            progress: told of each study.

        Raises:
            InputError: a study cannot be read, or has no brain that could be found.
            ConfigurationError: a brain mask of a CT is asked for.
        """
        brains = self.show_brains([*normals, *([case] if case else [])])
        masked = []
        for number, study in enumerate(normals):
            progress(f"masking {study.name}", number / len(normals))
            masked.append(self._masked(study, brains=brains))
        return masked

    def show_brains(self, studies: Sequence[StudySource]) -> bool:
        """Whether one of the studies is a brain alone, where masks depend on it.

        Raises:
            InputError: a study cannot be read.
        """
        if self._always or self._brain is BrainMask.NONE:
            return False  # nothing depends on it
        return any(self._coverage(study) is Coverage.BRAIN for study in studies)

    def mask_case(self, case: Volume, *, brains: bool) -> Volume:
        """A case, restricted as its normals are.

        Args:
            case: the study to analyse.
            brains: what `show_brains` says of the normals that `mask_normals` gave.

        Raises:
            InputError: it has no brain that could be found.
            ConfigurationError: a brain mask of a CT is asked for.
        """
        return volume_of(self._masked(case, brains=brains))

    def brain_of(self, study: StudySource) -> StudySource | None:
        """An MR as a brain alone, its head stripped where it shows one and this may be done.

        None for any other study, and where no brain is found in a head.

        Raises:
            ConfigurationError: what strips heads is not installed.
        """
        if study.modality is Modality.CT:
            return None
        mask = study.mask if isinstance(study, Volume) else None
        if mask is not None and mask.kind in BRAIN_MASKS:
            return study
        try:
            coverage = self._coverage(study)
            if coverage is Coverage.BRAIN:
                return study
            if coverage is Coverage.HEAD and mask is None and self._brain is not BrainMask.NONE:
                return self._stripped(study)
        except InputError:
            pass  # no foreground, or no brain in the head
        return None

    def _masked(self, study: StudySource, *, brains: bool) -> StudySource:
        if self._brain is BrainMask.NONE or (isinstance(study, Volume) and study.mask is not None):
            return study
        if study.modality is Modality.CT:
            if self._brain is not BrainMask.AUTO:
                raise ConfigurationError(
                    f"{study.name} is a CT, and brain masks by '{self._brain.value}' are for MR",
                    "choose 'auto' or 'none', or give a mask file.",
                )
            return self._restricted(study, MaskKind.BODY, str(BODY_VERSION), body_mask)
        if not (self._always or brains) or self._coverage(study) is not Coverage.HEAD:
            return study
        self._tell_of_template()
        return self._stripped(study)

    def _stripped(self, study: StudySource) -> StudySource:
        """A head, restricted to its brain."""
        brain = self._restricted(
            study, self._kind, method_version(self._kind), lambda v: brain_mask(v, self._kind)
        )
        self._coverages[brain.content_hash] = Coverage.BRAIN
        return brain

    def _tell_of_template(self) -> None:
        """Say once that a better mask could be had."""
        if (
            self._kind is MaskKind.TEMPLATE
            and self._brain is BrainMask.AUTO
            and not self._template_reported
        ):
            self._template_reported = True
            warnings.warn(
                "brain masks are those of an average brain laid on each head, which cuts less "
                "exactly than deepbet does; pip install 'd24fad[brain]'.",
                MaskWarning,
                stacklevel=2,
            )

    def _restricted(
        self,
        study: StudySource,
        kind: MaskKind,
        version: str,
        make: Callable[[Volume], NDArray[np.bool_]],
    ) -> StudySource:
        """A study with a mask, by what is kept of it where possible."""
        method = f"{kind.value} {version}"
        entry = self._cache.mask(study.content_hash, method)
        if entry is None:
            volume = volume_of(study)
            masked = apply_mask(volume, make(volume), kind)
            mask = masked.mask
            if mask is not None:
                self._cache.keep_mask(
                    study.content_hash, method, KeptMask(mask.inside, masked.content_hash)
                )
            return masked
        inside = entry.inside
        if isinstance(study, Volume):
            return apply_mask(study, inside, kind)
        return KnownStudy(
            study.name,
            entry.masked_hash,
            study.modality,
            lambda: apply_mask(volume_of(study), inside, kind),
        )

    def _coverage(self, study: StudySource) -> Coverage:
        """What a study shows; looked at once."""
        name = study.content_hash
        coverage = self._coverages.get(name) or self._cache.coverage(name)
        if coverage is None and study.modality is Modality.CT:
            coverage = Coverage.BODY
        elif coverage is None:
            coverage = coverage_of(volume_of(study))
            self._cache.keep_coverage(name, coverage)
        self._coverages[name] = coverage
        return coverage


def mask_by_file(case: Volume, path: Path, largest: int | None = None) -> Volume:
    """A case, restricted to a mask file.

    Raises:
        InputError: see `read_mask`.
    """
    return apply_mask(case, read_mask(path, case, largest), MaskKind.FILE)


def mask_normals_by_files(
    normals: Sequence[StudySource], folder: Path, largest: int | None = None
) -> list[StudySource]:
    """Normals, each restricted to the mask of its name in a folder; all of them are read.

    Raises:
        InputError: see `find_support_masks` and `read_mask`.
    """
    masked: list[StudySource] = []
    for study, path in zip(normals, find_support_masks(folder, normals), strict=True):
        masked.append(mask_by_file(volume_of(study), path, largest))
    return masked
