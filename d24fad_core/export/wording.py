"""Numbers of a result in words that a reader takes in at once."""

from collections.abc import Sequence
from dataclasses import replace

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE
from d24fad_core.detection.result import AnomalyResult, CalibrationSummary, Finding
from d24fad_core.places.place import FindingPlace

_ALIKE = 0.1
"""A normal that is further away than the nearest one by less than this share is as good as it."""


def volume_text(ml: float) -> str:
    """A volume in ml with as many digits as are known.

    Where a finding ends depends on the threshold and on blurred scores, by a voxel or so all
    around: two digits are known of a small one, whole millilitres of one above 10 ml.
    """
    if ml >= 10:
        return f"{ml:.0f}"
    if ml >= 1:
        return f"{ml:.1f}"
    return f"{ml:.2f}"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`"1 finding"`, `"3 findings"`, `"no finding"`."""
    if count == 0:
        return f"no {one}"
    return f"{count} {one if count == 1 else many or one + 's'}"


def rank_among_normals(score: float, normals: Sequence[float]) -> str:
    """How a score stands among those of the normals, e.g. `"higher than all 4 normals"`."""
    below = sum(normal < score for normal in normals)
    if len(normals) == 0:
        return "there are no normals to compare with"
    if below == len(normals):
        return f"higher than all {len(normals)} normals"
    if below == 0:
        return f"not higher than any of the {len(normals)} normals"
    return f"higher than {below} of the {len(normals)} normals"


def case_sentence(result: AnomalyResult) -> str:
    """The case score and how it stands among the normals."""
    return case_score_sentence(result.case_score, result.calibration.normal_case_scores)


def case_score_sentence(score: float, normals: Sequence[float]) -> str:
    """A case score and how it stands among those of the normals, z units."""
    sentence = f"Case score {_one_decimal(score)} z, {rank_among_normals(score, normals)}"
    if normals:
        sentence += (
            f", whose scores run from {_one_decimal(min(normals))} to "
            f"{_one_decimal(max(normals))} z"
        )
    return (
        f"{sentence}. It is one number for the whole study, the mean of its highest scores; the "
        "peak of a finding is that of a single voxel, the highest there, and so usually higher."
    )


def _one_decimal(score: float) -> str:
    """A score without a sign before what rounds to 0."""
    return f"{round(score, 1) + 0.0:.1f}"


def smallest_text(result: AnomalyResult) -> str | None:
    """The volume below which a region is no finding, `"0.1 ml"`; None where any counts."""
    smallest = float(result.provenance.parameters.get("minimum_volume_ml") or 0.0)
    return f"{smallest:g} ml" if smallest > 0 else None


def as_high_count(finding: Finding, calibration: CalibrationSummary) -> int | None:
    """How many of the normals have a score as high as a finding's peak; None where unknown."""
    if finding.p_value is None:
        return None
    return round(finding.p_value * (calibration.normal_patients + 1)) - 1


def finding_sentences(finding: Finding, calibration: CalibrationSummary) -> list[str]:
    """Why a region is a finding, in words."""
    sentences = []
    if finding.place is not None:
        sentences.append(place_sentence(finding.place))
    normals, count = calibration.normal_patients, as_high_count(finding, calibration)
    if count == 0:
        sentences.append(
            f"Rarer than anything in these {normals} normals: none scores as high anywhere when it "
            "is compared with the others."
        )
    elif count is not None:
        sentences.append(
            f"{count} of the {normals} normals {'scores' if count == 1 else 'score'} as high "
            "somewhere when compared with the others, so a peak like this is no rarity."
        )
    if finding.contrasts:
        sentences.append(contrast_sentence(finding))
    if finding.nearest_normal is not None:
        sentences.append(nearest_sentence(finding))
    return sentences


def distances_sentence(finding: Finding, names: Sequence[str]) -> str | None:
    """How unlike the study each normal is at a finding, the nearest first; None where unknown.

    Args:
        finding: knows a distance to each normal.
        names: of the normals, in the same order.
    """
    if not finding.normal_distances:
        return None
    ordered = sorted(zip(finding.normal_distances, names, strict=True))
    (nearest, name), *others = ordered
    if nearest <= 0:
        return f"From the most like to the least: {', '.join(each for _, each in ordered)}."
    more = [f"{other} {100 * (distance / nearest - 1):.0f} % more" for distance, other in others]
    sentence = f"How much each normal differs from the study here: {name} least, {', '.join(more)}."
    if others and others[0][0] < (1 + _ALIKE) * nearest:
        sentence += f" {name} and {others[0][1]} are about equally like it."
    return sentence


def nearest_sentence(finding: Finding) -> str:
    """Which normal is most like the study at a finding, and where in it."""
    sentence = f"Here the study is most like {finding.nearest_normal}"
    if finding.matched_ras_mm is None:
        return f"{sentence}."
    return f"{sentence}, there at {position_text(finding.matched_ras_mm)} of its own scan."


def position_text(ras_mm: Sequence[float]) -> str:
    """A place of the body, `"L 24, A 11, S 46 mm"`."""
    letters = ("RL", "AP", "SI")
    parts = (
        f"{pair[0] if value >= 0 else pair[1]} {abs(value):.0f}"
        for pair, value in zip(letters, ras_mm, strict=True)
    )
    return f"{', '.join(parts)} mm"


def contrast_sentence(finding: Finding) -> str:
    """Which contrast carries a finding, and how it scores in each of them alone."""
    scores = sorted(finding.contrasts, key=lambda score: -score.mean_score)
    each = ", ".join(f"{score.contrast} {score.mean_score:.1f} z" for score in scores)
    return f"Carried by {finding.carried_by}; mean score in each contrast alone: {each}."


def place_sentence(place: FindingPlace) -> str:
    """Where a finding is, how sure that is, and by which map."""
    if place.certain:
        return f"Place: {place} (by {place.atlas})."
    shares = replace(place, certain=True)
    return f"Place uncertain, the map fits this study badly: perhaps {shares} (by {place.atlas})."


def choice_sentence(result: AnomalyResult) -> str | None:
    """Which comparison was chosen where nobody named one, and why; None where one was named."""
    parameters = result.provenance.parameters
    reason = parameters.get("comparison_reason")
    if reason is None:
        return None
    return f"The {parameters['comparison']} comparison was chosen automatically: {reason}."


def threshold_sentence(result: AnomalyResult) -> str:
    """What the threshold of the findings means."""
    threshold = f"{result.calibration.threshold:.1f} z"
    parameters = result.provenance.parameters
    if parameters.get("threshold") is not None:
        return f"Findings are regions above {threshold}, a threshold set by hand."
    if parameters.get("comparison") == ComparisonKind.LEARNED.value:
        return (
            f"Findings are regions that reach above {threshold}, the decoder's own threshold as "
            "far as these normals bear it out; the higher a peak, the further below it the outline "
            "lies."
        )
    voxels = round(1 / NORMAL_VOXEL_SHARE)
    return (
        f"Findings are regions above {threshold}, which 1 voxel in {voxels} of the normals exceeds "
        "when each is compared with the others."
    )
