"""How maps are compared, fused, smoothed and pooled: saved with every checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from d24fad_core.errors import CheckpointError, ConfigurationError


class MapKind(str, Enum):
    """The comparisons that make an anomaly map.

    `SELF_DISTILLATION` compares the student on the query with the student on the support,
    `TEACHER_STUDENT` the teacher with the student on the query (reverse distillation), and
    `TEACHER_SUPPORT` the teacher on the query with the teacher on the support, which needs no
    training: it is nearest neighbour. `RESIDUAL` compares what the student fails to predict on the
    query (teacher less student, both of unit length) with what it fails to predict on the support.
    """

    SELF_DISTILLATION = "self_distillation"
    TEACHER_STUDENT = "teacher_student"
    TEACHER_SUPPORT = "teacher_support"
    RESIDUAL = "residual"


MapKey = tuple[MapKind, int]
"""A kind of map and the index of its scale."""

Weights = tuple[float, float, float]


def _default_fusion() -> dict[MapKind, Weights]:
    # Measured on simulated cohorts, see FIGURES.md: the stride-4 map costs most and adds little;
    # self-distillation of a student that never saw the contrast only adds noise.
    return {
        MapKind.SELF_DISTILLATION: (0.0, 0.0, 0.0),
        MapKind.TEACHER_STUDENT: (0.0, 0.3, 0.3),
        MapKind.TEACHER_SUPPORT: (0.5, 1.0, 1.0),
    }


@dataclass(frozen=True)
class ScoringConfig:
    """From features to scores.

    Attributes:
        fusion: weight of each kind of map at strides 4, 8 and 16; 0 leaves a map out.
        search_radius: half-width of the search window in feature positions at each stride; None
            searches the whole image.
        neighbours: compare with the slices before and after the same one too.
        subtracted: how much of the normals' mean distance at the same place is taken off. 1 rates
            a voxel by its own place alone and finds subtle lesions in quiet tissue; 0 rates all
            places alike and is not misled by a normal variant that the few normals lack.
        mean_blur: Gaussian sigma, in image pixels, of that mean in plane.
        mean_blur_slices: the same in slices.
        blur: Gaussian sigma of the anomaly map in image pixels (paper: 4).
        blur_mm: the same through the slices, in mm.
        case_fraction: share of the foreground's highest voxels whose mean is the case score.
        slice_fraction: share of a slice's highest foreground pixels whose mean is its score.
    """

    fusion: Mapping[MapKind, Weights] = field(default_factory=_default_fusion)
    search_radius: tuple[int, int, int] | None = (2, 1, 1)
    neighbours: bool = True
    subtracted: float = 0.5
    mean_blur: float = 6.0
    mean_blur_slices: float = 1.0
    blur: float = 2.0
    blur_mm: float = 2.5
    case_fraction: float = 0.002
    slice_fraction: float = 0.01

    @property
    def keys(self) -> tuple[MapKey, ...]:
        """The maps that take part, in a fixed order."""
        return tuple(
            (kind, scale)
            for kind in MapKind
            for scale in range(3)
            if self.fusion.get(kind, (0.0, 0.0, 0.0))[scale] != 0.0
        )

    def weight(self, key: MapKey) -> float:
        """Weight of one map in the fusion."""
        return self.fusion[key[0]][key[1]]

    def radius(self, scale: int) -> int | None:
        """Half-width of the search window at a scale."""
        return None if self.search_radius is None else self.search_radius[scale]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for a model card."""
        values = asdict(self)
        values["fusion"] = {kind.value: list(weights) for kind, weights in self.fusion.items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ScoringConfig":
        """From the plain values of a model card; what is absent takes its default.

        Raises:
            CheckpointError: an option or a value is unknown.
        """
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise CheckpointError(
                f"the model card has unknown scoring options ({', '.join(sorted(unknown))})",
                "install the library version that wrote it.",
            )
        fields = dict(values)
        try:
            if "fusion" in fields:
                fields["fusion"] = {
                    MapKind(kind): tuple(weights) for kind, weights in fields["fusion"].items()
                }
            if fields.get("search_radius") is not None:
                fields["search_radius"] = tuple(fields["search_radius"])
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"the scoring on the model card cannot be read ({error})",
                "copy the card again.",
            ) from error
        return cls(**fields)


@dataclass(frozen=True)
class ImageScoringConfig:
    """Scoring of single images, which lie in no common frame.

    Some comparisons look for a match anywhere in the support images. Others trust the place, which
    helps for aligned anatomy and harms for texture such as histology. How far the support images
    lie upon each other is measured on them alone, see `images.alignment`, and says how much the
    second kind counts: fully up to a misalignment of `aligned`, not at all from `unaligned`.

    Attributes:
        base: comparisons that always count; its blur and pooling apply to the whole.
        in_place: comparisons that count as far as the support images are aligned; None for none.
        aligned: misalignment up to which `in_place` counts fully.
        unaligned: misalignment from which it does not count.
        foreground_only: pool over the image's foreground alone, so that the share of empty
            background says nothing.
    """

    base: ScoringConfig
    in_place: ScoringConfig | None = None
    aligned: float = 0.4
    unaligned: float = 0.7
    foreground_only: bool = False

    def __post_init__(self) -> None:
        if not self.aligned < self.unaligned:
            raise ConfigurationError(
                f"images cannot count as aligned up to {self.aligned} and as unaligned from "
                f"{self.unaligned}",
                "give a larger second value.",
            )

    @property
    def keys(self) -> tuple[MapKey, ...]:
        """The maps that either part asks for."""
        return tuple(
            dict.fromkeys((*self.base.keys, *(self.in_place.keys if self.in_place else ())))
        )

    def place_weight(self, misalignment: float) -> float:
        """How much the comparisons in place count, from 0 to 1."""
        weight = (self.unaligned - misalignment) / (self.unaligned - self.aligned)
        return min(1.0, max(0.0, weight))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return {
            "base": self.base.to_dict(),
            "in_place": self.in_place.to_dict() if self.in_place else None,
            "aligned": self.aligned,
            "unaligned": self.unaligned,
            "foreground_only": self.foreground_only,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ImageScoringConfig":
        """From the plain values of a model card; an empty card takes the default.

        Raises:
            CheckpointError: an option or a value is unknown, or a part is missing.
        """
        if not values:
            return default_image_scoring()
        fields = cls.__dataclass_fields__
        missing, unknown = set(fields) - set(values), set(values) - set(fields)
        if missing or unknown:
            faults = [f"lacks {name}" for name in sorted(missing)]
            faults += [f"has an unknown {name}" for name in sorted(unknown)]
            raise CheckpointError(
                f"the image scoring on the model card {', '.join(faults)}",
                "install the library version that wrote it, or copy the card again.",
            )
        in_place = values["in_place"]
        return cls(
            base=ScoringConfig.from_dict(values["base"]),
            in_place=None if in_place is None else ScoringConfig.from_dict(in_place),
            aligned=float(values["aligned"]),
            unaligned=float(values["unaligned"]),
            foreground_only=bool(values["foreground_only"]),
        )


def default_image_scoring() -> ImageScoringConfig:
    """How images are scored where a model card says nothing else (measured: BENCHMARK.md)."""
    none = (0.0, 0.0, 0.0)
    anywhere = ScoringConfig(
        fusion={
            MapKind.SELF_DISTILLATION: none,
            MapKind.TEACHER_STUDENT: none,
            MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0),
            MapKind.RESIDUAL: none,
        },
        search_radius=None,
        neighbours=False,
        subtracted=0.0,
        case_fraction=1.0,
    )
    in_place = replace(
        anywhere,
        fusion={
            **anywhere.fusion,
            MapKind.TEACHER_SUPPORT: (0.0, 0.5, 0.5),
            MapKind.RESIDUAL: (0.0, 0.25, 0.25),
        },
        search_radius=(0, 0, 0),
    )
    return ImageScoringConfig(anywhere, in_place, foreground_only=True)


def paper_scoring() -> ScoringConfig:
    """The published anomaly map: self-distillation at all scales, same place, blur 4, maximum.

    Units and a weight per position replace the published normalisation over the test set and the
    single weight per image, so that one study has a score by itself.
    """
    return ScoringConfig(
        fusion={
            MapKind.SELF_DISTILLATION: (1.0, 1.0, 1.0),
            MapKind.TEACHER_STUDENT: (0.0, 0.0, 0.0),
            MapKind.TEACHER_SUPPORT: (0.0, 0.0, 0.0),
        },
        search_radius=(0, 0, 0),
        neighbours=False,
        subtracted=0.0,
        blur=4.0,
        blur_mm=0.0,
        case_fraction=1e-9,
    )
