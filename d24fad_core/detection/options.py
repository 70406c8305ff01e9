"""Choices for one analysis, and whether a support set fits them."""

from collections.abc import Sequence
from dataclasses import dataclass

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.errors import ConfigurationError, SupportError
from d24fad_core.io.known_studies import StudySource
from d24fad_core.support.support_set import MINIMUM_STUDIES, SupportSet
from d24fad_core.volumes.preprocessing import CT_WINDOWS
from d24fad_core.volumes.volume import Plane


@dataclass(frozen=True)
class DetectionOptions:
    """Choices for one analysis.

    Attributes:
        planes: planes to slice in; several are averaged.
        ct_window: named window for CT, see `CT_WINDOWS`; MR ignores it.
        threshold: z above which a voxel belongs to the mask; None takes the level that
            `NORMAL_VOXEL_SHARE` of the normals' own voxels reach.
        minimum_volume_ml: smaller regions are no findings.
        register: align every study by affine registration; otherwise foreground boxes are laid
            upon each other, so that slices match by relative position.
        comparison: how the study is compared with its normals; None takes what the support was
            prepared for, and prepares it as `automatic_comparison` chooses.
        comparison_reason: why it was chosen, where nobody named it.
    """

    planes: tuple[Plane, ...] = (Plane.AXIAL,)
    ct_window: str = "body"
    threshold: float | None = None
    minimum_volume_ml: float = 0.1
    register: bool = True
    comparison: ComparisonKind | None = None
    comparison_reason: str | None = None

    def __post_init__(self) -> None:
        if not self.planes:
            raise ConfigurationError("no plane given", "choose axial, coronal or sagittal.")
        if len(set(self.planes)) != len(self.planes):
            raise ConfigurationError("a plane is given twice", "name each one once.")
        if self.threshold is not None and not 0 <= self.threshold < float("inf"):
            raise ConfigurationError(
                f"a threshold of {self.threshold} makes no sense in z units",
                "give 0 or more.",
            )
        if not 0 <= self.minimum_volume_ml < float("inf"):
            raise ConfigurationError(
                f"a minimum volume of {self.minimum_volume_ml} ml has no meaning",
                "give 0 or more.",
            )
        if self.ct_window not in CT_WINDOWS:
            raise ConfigurationError(
                f"unknown CT window '{self.ct_window}'",
                f"choose one of {', '.join(CT_WINDOWS)}.",
            )

    @property
    def brain_alone(self) -> bool:
        """Whether heads are stripped unless told otherwise: the decoder has seen brains alone."""
        return self.comparison is ComparisonKind.LEARNED


def check_support(studies: Sequence[StudySource]) -> None:
    """Refuse a support set that nothing can be compared with.

    Raises:
        SupportError: fewer than two studies, the same one twice, or several modalities.
    """
    if len(studies) < MINIMUM_STUDIES:
        raise SupportError(
            f"{len(studies)} support study given",
            f"at least {MINIMUM_STUDIES} normal studies are needed, 4 to 8 are better.",
        )
    seen: dict[str, str] = {}
    for study in studies:
        if study.content_hash in seen:
            raise SupportError(
                f"support studies {seen[study.content_hash]} and {study.name} are the same scan",
                "give different patients.",
            )
        seen[study.content_hash] = study.name
    modalities = sorted({study.modality.value for study in studies})
    if len(modalities) > 1:
        raise SupportError(
            f"the support mixes {' and '.join(modalities)}",
            "give normal studies of one modality.",
        )


def check_prepared(support: SupportSet, options: DetectionOptions) -> None:
    """Refuse a support set that was prepared with other options.

    Raises:
        SupportError: planes, window, alignment or comparison differ.
    """
    prepared = {plane for scale in support.scales for plane in scale.planes}
    missing = [plane.value for plane in options.planes if plane not in prepared]
    comparison = options.comparison or support.comparison
    differs = missing or (support.ct_window, support.register, support.comparison) != (
        options.ct_window,
        options.register,
        comparison,
    )
    if differs:
        raise SupportError(
            f"the support was prepared for planes {', '.join(sorted(p.value for p in prepared))}, "
            f"window {support.ct_window}, registration {support.register}, comparison "
            f"{support.comparison.value}; the analysis asks for "
            f"{', '.join(p.value for p in options.planes)}, {options.ct_window}, "
            f"{options.register}, {comparison.value}.",
            "Prepare it with the same options.",
        )
