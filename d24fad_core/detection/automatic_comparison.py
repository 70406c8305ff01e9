"""Which comparison is made where nobody names one: learned for brains in MR, window for the rest.

The decoder of the learned comparison was taught on brains in MR alone. It is chosen where every
normal is one: an MR that shows a brain, as it is or once its head is stripped, onto which the
average brain fits. What the window alone serves keeps the window: a model or scoring of the
user's own, and other planes than the default ones.

71 people and a patient in T1, T2 and FLAIR have a likeness of 0.50 and more, all but one of 0.56;
other shapes of a brain's size, halves of heads, and brains upside down or back to front 0.44 at
most. Noise in the very shape of a brain passes (0.65), and so do large parts of brains.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from d24fad_core.cache.folder import fetch_or_make
from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.study_masks import StudyMasks
from d24fad_core.places.brain import CERTAIN_LIKENESS, brain_likeness
from d24fad_core.volumes.volume import Modality

CHOICE_SCHEMA = 2
"""Raised whenever the same normals get another comparison: kept likenesses, and results of the
server where nobody named one, are then void."""


class AutomaticComparison:
    """Chooses the comparison by the normals.

    Args:
        brain: how heads are stripped; `NONE` leaves them what the decoder has never seen.
        cache: folder where masks and likenesses are kept; None keeps them in memory alone.
        own_model: whether a model or scoring of the user's own compares features.
    """

    def __init__(self, brain: BrainMask, cache: Path | None, *, own_model: bool) -> None:
        self._masks = StudyMasks(brain, cache)
        self._cache = cache
        self._own_model = own_model
        self._likenesses: dict[str, float] = {}

    def resolve(
        self, options: DetectionOptions, normals: Sequence[StudySource]
    ) -> tuple[DetectionOptions, ComparisonKind]:
        """Options that name a comparison, and why where it was chosen; and the comparison.

        Args:
            options: what the user said; a comparison that is named stays.
            normals: as they are before heads are stripped, restricted to mask files if any.
        """
        if options.comparison is not None:
            return options, options.comparison
        reason = self._against_learned(options, normals)
        kind = ComparisonKind.LEARNED if reason is None else ComparisonKind.WINDOW
        return (
            replace(
                options,
                comparison=kind,
                comparison_reason=reason or "all normals are brains in MR",
            ),
            kind,
        )

    def _against_learned(
        self, options: DetectionOptions, normals: Sequence[StudySource]
    ) -> str | None:
        """What forbids the learned comparison; None where nothing does."""
        if self._own_model:
            return "a model or scoring of one's own was given, which the window alone uses"
        if options.planes != DetectionOptions().planes:
            planes = ", ".join(plane.value for plane in options.planes)
            return f"planes were chosen ({planes}), and the learned comparison always takes all"
        for study in normals:
            if study.modality is not Modality.MR:
                return f"{study.name} is a {study.modality.value}"
        for study in normals:
            try:
                likeness = self._likeness(study)
            except ConfigurationError as error:  # what strips heads is not installed
                return f"{study.name} cannot be stripped here, since {str(error).rstrip('.')}"
            if likeness == 0:
                return f"{study.name} is not seen to be a brain alone or a head to strip"
            if likeness < CERTAIN_LIKENESS:
                return (
                    f"{study.name} is too unlike the average brain ({likeness:.2f}, and "
                    f"{CERTAIN_LIKENESS:.2f} is the least)"
                )
        return None

    def _likeness(self, study: StudySource) -> float:
        """To the average brain; 0 for what is no brain alone and cannot be stripped to one."""
        name = study.content_hash
        if name not in self._likenesses:
            brain = self._masks.brain_of(study)
            self._likenesses[name] = 0.0 if brain is None else self._brain_likeness(brain)
        return self._likenesses[name]

    def _brain_likeness(self, brain: StudySource) -> float:
        def measure() -> float:
            try:
                return brain_likeness(volume_of(brain))
            except InputError:
                return 0.0

        path: Path | None = None
        if self._cache is not None:
            name = hash_bytes(brain.content_hash.encode(), str(CHOICE_SCHEMA).encode())
            path = self._cache / "brain-likenesses" / f"{name}.json"
        likeness: float = fetch_or_make(path, self._cache, _load, measure, save_values)
        return likeness


def _load(path: Path) -> float | None:
    try:
        return float(load_values(path))
    except (OSError, ValueError, TypeError):
        return None
