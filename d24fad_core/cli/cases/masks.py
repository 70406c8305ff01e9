"""Masks of the studies that a command was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d24fad_core.cli.messages import spoken_warnings
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Volume

if TYPE_CHECKING:
    from d24fad_core.detection.automatic_comparison import AutomaticComparison
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.io.known_studies import StudySource


@dataclass(frozen=True)
class MaskChoice:
    """What the user said about masks.

    Attributes:
        case: mask file of the case.
        normals: folder with a mask of each normal.
        brain: how heads without a file are stripped.
    """

    case: Path | None = None
    normals: Path | None = None
    brain: BrainMask = BrainMask.AUTO


def mask_studies(
    query: Volume,
    normals: "Sequence[StudySource]",
    choice: MaskChoice,
    cache: Path | None,
    largest: int | None,
    options: "DetectionOptions",
    automatic: "AutomaticComparison",
) -> "tuple[Volume, list[StudySource], DetectionOptions]":
    """A case and its normals, restricted to what the user chose; warnings are said on stderr.

    What heads become depends on the comparison, which is chosen here where nobody named one: by
    the normals, and by a case whose mask the user gave.

    Args:
        query: the case.
        normals: its normals.
        choice: what the user said.
        cache: folder of what earlier analyses kept.
        largest: voxels above which studies were reduced while they were read.
        options: choices for the analysis.
        automatic: chooses the comparison.

    Returns:
        Case and normals, and options that name the comparison.

    Raises:
        InputError: a mask cannot be read or does not fit, or a head has no brain that was found.
        ConfigurationError: a method is not installed, or not for studies of this modality.
    """
    from d24fad_core.masking.study_masks import StudyMasks, mask_by_file, mask_normals_by_files

    with spoken_warnings():
        case = query if choice.case is None else mask_by_file(query, choice.case, largest)
        if choice.normals is not None:
            normals = mask_normals_by_files(normals, choice.normals, largest)
        restricted = [] if choice.case is None else [case]
        options, _ = automatic.resolve(options, [*normals, *restricted])
        masks = StudyMasks(choice.brain, cache, strip_heads=options.brain_alone)
        masked = masks.mask_normals(normals, case) if choice.normals is None else list(normals)
        return masks.mask_case(case, brains=masks.show_brains(masked)), masked, options
