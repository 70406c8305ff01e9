"""A result in four answers: what was found, where, how sure, and compared with what."""

from collections import Counter
from collections.abc import Sequence

from d24fad_core.change.result import Change, ChangeKind, ChangeResult
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.calibration import is_optimistic
from d24fad_core.detection.result import AnomalyResult, Finding
from d24fad_core.export.answers import Answer, doubts, plain_answer
from d24fad_core.export.wording import (
    as_high_count,
    choice_sentence,
    count_text,
    position_text,
    rank_among_normals,
    smallest_text,
    volume_text,
)

_NAMED = 3
"""So many findings are named one by one; the table has them all."""

_HOW = {
    ComparisonKind.WINDOW.value: "what a neural network sees is compared place by place",
    ComparisonKind.TRANSLATED.value: "what a neural network sees is compared place by place, after "
    "what differs everywhere was evened out",
    ComparisonKind.LEARNED.value: "a neural network, taught on anomalies planted into normal "
    "brains, is shown all of them, and the mirror image of this study as one more",
}
_CHANGE_DOUBT = (
    "On real pairs much is marked that is no true change, and what became of a place is less sure "
    "than that it differs."
)


def summary_answers(result: AnomalyResult, change: ChangeResult | None = None) -> list[Answer]:
    """The answers for a reader who knows nothing of the program.

    Args:
        result: the analysis.
        change: the comparison with a prior.
    """
    warnings = (*result.warnings, *(() if change is None else change.warnings))
    return [
        plain_answer("What was found", _what(result)),
        plain_answer("Where", _where(result.findings)),
        Answer("How sure", (*doubts(warnings), *plain_answer("", _how_sure(result)).parts)),
        plain_answer("Compared with", _compared_with(result)),
        *([] if change is None else [plain_answer("Since the prior", _since_and_doubt(change))]),
    ]


def change_answers(change: ChangeResult) -> list[Answer]:
    """The same for a comparison with a prior alone."""
    sure = (
        f"What is marked differs by more than {change.threshold:.1f} z: z counts in standard "
        "deviations of the noise of the two scans, estimated from them alone. How often two scans "
        "of an unchanged person show as much is not known for this pair. "
        f"{_CHANGE_DOUBT} It is a reason to look, not a diagnosis."
    )
    return [
        plain_answer("What was found", _since(change)),
        plain_answer("Where", _where_changed(change.changes)),
        Answer("How sure", (*doubts(change.warnings), *plain_answer("", sure).parts)),
        plain_answer(
            "Compared with",
            f"An earlier study of the same patient: {change.use.name}. It is laid on this one, and "
            "what the two scans show differently is marked. No normal studies were compared, so "
            "what is abnormal at both times is not found.",
        ),
    ]


def _what(result: AnomalyResult) -> str:
    threshold = f"{result.calibration.threshold:.1f} z"
    smallest = smallest_text(result)
    unit = "z counts in standard deviations of how the normal studies differ from one another."
    if not result.findings:
        size = f" of {smallest} or more" if smallest else ""
        return (
            f"No region{size} of this study differs from the normal ones by more than {threshold}. "
            f"{unit}"
        )
    unit += " A lesion may reach further than its outline, where it differs less."
    if smallest:
        unit += f" Regions below {smallest} are not counted."
    first, count = result.findings[0], len(result.findings)
    volume = sum(finding.volume_ml for finding in result.findings)
    if count == 1:
        return (
            f"One region of this study differs from the normal ones by more than {threshold}, "
            f"at most {first.peak_score:.1f} z; its outline holds {volume_text(first.volume_ml)} "
            f"ml. {unit}"
        )
    return (
        f"{count} regions of this study differ from the normal ones by more than {threshold}; "
        f"their outlines hold {volume_text(volume)} ml together. The strongest is finding 1: "
        f"{volume_text(first.volume_ml)} ml, at most {first.peak_score:.1f} z. {unit}"
    )


def _since(change: ChangeResult) -> str:
    kinds = Counter(each.kind for each in change.changes)
    stable = kinds.pop(ChangeKind.STABLE, 0)
    if kinds:
        first = change.changes[0]
        parts = ", ".join(f"{kinds[kind]} {kind.value}" for kind in ChangeKind if kinds[kind])
        sentence = (
            f"Since {change.use.name}: {parts}. The strongest is change {first.rank}, "
            f"{first.kind.value}: {volume_text(first.prior_volume_ml)} ml before, "
            f"{volume_text(first.volume_ml)} ml now."
        )
    else:
        sentence = (
            f"No change was found since {change.use.name}. This does not mean that there is none: "
            "what is small or faint can be missed."
        )
    if stable:
        sentence += f" {count_text(stable, 'finding').capitalize()} did not change."
    return sentence


def _since_and_doubt(change: ChangeResult) -> str:
    return f"{_since(change)} {_CHANGE_DOUBT}" if change.changes else _since(change)


def _where_changed(changes: Sequence[Change]) -> str:
    if not changes:
        return "Nowhere."
    places = [
        f"Change {each.rank}: {position_text(each.peak_ras_mm)}." for each in changes[:_NAMED]
    ]
    if len(changes) > _NAMED:
        places.append("The table has the others.")
    return " ".join([*places, "Positions are those of the scan."])


def _where(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nowhere; the images show how every slice scored."
    places = [f"Finding {finding.rank}: {_place(finding)}." for finding in findings[:_NAMED]]
    if len(findings) > _NAMED:
        places.append("The table has the others.")
    if all(finding.place is None for finding in findings):
        places.append(
            "Places have names within the brain in MR, and elsewhere by a label map of the study "
            "(--regions)."
        )
    return " ".join(places)


def _place(finding: Finding) -> str:
    position = position_text(finding.peak_ras_mm)
    return f"no name known, {position}" if finding.place is None else str(finding.place)


def _how_sure(result: AnomalyResult) -> str:
    normals = result.calibration.normal_patients
    counts = [as_high_count(finding, result.calibration) for finding in result.findings]
    rare = [f.rank for f, count in zip(result.findings, counts, strict=True) if count == 0]
    common = [f.rank for f, count in zip(result.findings, counts, strict=True) if count]
    unknown = [f.rank for f, count in zip(result.findings, counts, strict=True) if count is None]
    sentences = []
    if rare:
        sentences.append(
            f"{_ranks(rare)} {_is(len(rare))} rarer than anything in these {normals} normals. "
            f"{_chance(result)} It is a reason to look, not a diagnosis."
        )
    if common:
        sentences.append(
            f"{_ranks(common)} {_is(len(common))} no rarity: some of the normals score as high."
        )
    if unknown:
        sentences.append(
            f"How rare {_ranks(unknown).lower()} {_is(len(unknown))} among normal people is not "
            "known: this result tells it of the whole study alone"
        )
        scores = result.calibration.normal_case_scores
        if scores:
            sentences[-1] += f", whose score is {rank_among_normals(result.case_score, scores)}"
        sentences[-1] += ". It is a reason to look, not a diagnosis."
    if not result.findings:
        sentences.append("What is small or faint can be missed: this does not mean healthy.")
    return " ".join(sentences)


def _chance(result: AnomalyResult) -> str:
    """What so few normals leave to chance."""
    normals = result.calibration.normal_patients
    comparison = result.provenance.parameters.get("comparison")
    optimistic = is_optimistic(normals, translated=comparison == ComparisonKind.TRANSLATED.value)
    share = f"{100 / (normals + 1):.0f} %"
    return (
        f"That can be chance: one of {normals + 1} healthy people always stands out most, so any "
        "healthy person does with a probability of "
        f"{f'{share} or more' if optimistic else f'up to {share}'}. More normals make it surer."
    )


def _compared_with(result: AnomalyResult) -> str:
    names = [use.name for use in result.provenance.supports]
    how = _HOW[str(result.provenance.parameters.get("comparison", ComparisonKind.WINDOW.value))]
    choice = choice_sentence(result)
    return (
        f"{count_text(len(names), 'normal study', 'normal studies').capitalize()} of other "
        f"people: {', '.join(names)}. They are laid on this one, and {how}. "
        f"{f'{choice} ' if choice else ''}No disease is "
        "recognised: what none of them has is marked, harmless variants too."
    )


def _ranks(ranks: Sequence[int]) -> str:
    """`"Finding 2"`, `"Findings 1 to 4 and 6"`."""
    runs: list[list[int]] = []
    for rank in sorted(ranks):
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    parts = [
        part
        for run in runs
        for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(each) for each in run])
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{'Finding' if len(ranks) == 1 else 'Findings'} {listed}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
