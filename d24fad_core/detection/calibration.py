"""What a score means against normals, and what so few of them can certify."""

from collections.abc import Sequence

from d24fad_core.detection.result import CalibrationSummary

UNIT = "standard deviations of the normals' leave-one-out anomaly map (z)"

NORMAL_VOXEL_SHARE = 5e-4
"""Share of the normals' foreground voxels that the default threshold lets through."""


def conformal_p_value(score: float, normals: Sequence[float]) -> float:
    """Share of normals, the case counted in, that score at least as high.

    (1 + #{normal >= score}) / (n + 1), valid when the case is exchangeable with the normals
    (Vovk et al., Algorithmic Learning in a Random World, 2005).
    """
    return (1 + sum(normal >= score for normal in normals)) / (len(normals) + 1)


def is_optimistic(normals: int, *, translated: bool) -> bool:
    """Whether a p-value is too low because the normals are scored in units that they share.

    Args:
        normals: how many there are.
        translated: whether they were translated.
    """
    return translated or normals <= 2


def summarise(
    score: float, normals: Sequence[float], threshold: float, *, translated: bool
) -> CalibrationSummary:
    """Put a case score beside those of the normals.

    Args:
        score: the case score in z units.
        normals: leave-one-out case scores, one a patient.
        threshold: score above which a voxel belongs to the mask.
        translated: whether the normals were translated, see `prepare_translated_plane`.
    """
    count = len(normals)
    smallest = 1 / (count + 1)
    statement = (
        f"The p-value counts the {count} normal patients of the support set and cannot fall below "
        f"{smallest:.3f}; a false-positive rate of 5 % needs 19 normal patients outside the "
        "support set, 1 % needs 99."
    )
    if translated:
        statement += (
            " Translated normals are scored in units that they all share, so the p-value is "
            "optimistic."
        )
    elif is_optimistic(count, translated=translated):
        statement += (
            " With 2 normals their scores share the units that they set, so the p-value is "
            "optimistic; add a third."
        )
    return CalibrationSummary(
        unit=UNIT,
        threshold=threshold,
        normal_patients=count,
        normal_case_scores=tuple(normals),
        p_value=conformal_p_value(score, normals),
        statement=statement,
    )
