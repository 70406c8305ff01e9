"""A result in four answers: what was found, where, how sure, and compared with what."""

from collections.abc import Sequence

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnomalyResult, Finding
from d24fad_core.export.wording import as_high_count, count_text, volume_text

_NAMED = 3
"""So many findings are named one by one; the table has them all."""

_HOW = {
    ComparisonKind.WINDOW.value: "what a neural network sees is compared place by place",
    ComparisonKind.TRANSLATED.value: "what a neural network sees is compared place by place, after "
    "what differs everywhere was evened out",
    ComparisonKind.LEARNED.value: "a neural network, taught on anomalies planted into normal "
    "brains, is shown all of them",
}


def summary_entries(result: AnomalyResult) -> list[tuple[str, str]]:
    """Question and answer, for a reader who knows nothing of the program.

    Args:
        result: the analysis.
    """
    return [
        ("What was found", _what(result)),
        ("Where", _where(result.findings)),
        ("How sure", _how_sure(result)),
        ("Compared with", _compared_with(result)),
    ]


def _what(result: AnomalyResult) -> str:
    threshold = f"{result.calibration.threshold:.1f} z"
    unit = (
        "z counts in standard deviations of how the normal studies differ from one another. "
        "A lesion may reach further than its outline, where it differs less."
    )
    if not result.findings:
        return (
            f"No region of this study differs from the normal ones by more than {threshold}. {unit}"
        )
    first, count = result.findings[0], len(result.findings)
    volume = sum(finding.volume_ml for finding in result.findings)
    if count == 1:
        return (
            f"One region of this study differs from the normal ones by more than {threshold}: "
            f"{volume_text(first.volume_ml)} ml, at most {first.peak_score:.1f} z. {unit}"
        )
    return (
        f"{count} regions of this study differ from the normal ones by more than {threshold}, "
        f"{volume_text(volume)} ml together. The strongest is finding 1: "
        f"{volume_text(first.volume_ml)} ml, at most {first.peak_score:.1f} z. {unit}"
    )


def _where(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nowhere; the images show how every slice scored."
    if all(finding.place is None for finding in findings):
        return (
            "At the numbers in the images. Names of places are known for brains in MR, and "
            "elsewhere by a label map of the study (--regions)."
        )
    places = [
        f"Finding {finding.rank}: {finding.place or 'no name known'}."
        for finding in findings[:_NAMED]
    ]
    if len(findings) > _NAMED:
        places.append("The table has the others.")
    return " ".join(places)


def _how_sure(result: AnomalyResult) -> str:
    normals = result.calibration.normal_patients
    counts = [as_high_count(finding, result.calibration) for finding in result.findings]
    sentences = []
    if result.warnings:
        reasons = count_text(len(result.warnings), "reason")
        sentences.append(
            f"There {_is(len(result.warnings))} {reasons} to doubt this result, below."
        )
    rare = [f.rank for f, count in zip(result.findings, counts, strict=True) if count == 0]
    common = [f.rank for f, count in zip(result.findings, counts, strict=True) if count]
    if rare:
        sentences.append(
            f"{_ranks(rare)} {_is(len(rare))} rarer than anything in these {normals} normals. So "
            f"few cannot say more: up to 1 in {normals + 1} normal people would be, too. It is a "
            "reason to look, not a diagnosis."
        )
    if common:
        sentences.append(
            f"{_ranks(common)} {_is(len(common))} no rarity: some of the normals score as high."
        )
    if not result.findings:
        sentences.append("What is small or faint can be missed: this does not mean healthy.")
    return " ".join(sentences)


def _compared_with(result: AnomalyResult) -> str:
    names = [use.name for use in result.provenance.supports]
    how = _HOW[str(result.provenance.parameters.get("comparison", ComparisonKind.WINDOW.value))]
    return (
        f"{count_text(len(names), 'normal study', 'normal studies').capitalize()} of other "
        f"people: {', '.join(names)}. They are laid on this one, and {how}. No disease is "
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
