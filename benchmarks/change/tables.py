"""The tables of docs/change.md."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.change.measuring import LEAST_ML, METHODS, Measured, scanned
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.evaluation.metrics.bootstrap import Estimate
from d24fad_core.evaluation.metrics.lesions import measure_lesions
from d24fad_core.files import write_text

_RATES = (0.2, 1.0)
_CLOSE = 0.2


def write_tables(
    simulated: Sequence[Measured],
    alone: Sequence[Measured],
    real: Sequence[Measured],
    path: Path,
) -> str:
    """Write all tables into a Markdown file; returns its text.

    Args:
        simulated: figures of simulated pairs, every second without change.
        alone: figures of their cases without the prior.
        real: figures of real pairs.
        path: written whole or not at all.
    """
    text = "\n\n".join(
        [
            _detection(simulated, alone),
            _shipped(simulated),
            *([_real(real)] if real else []),
            RESEARCH_USE_ONLY,
        ]
    )
    write_text(path, text + "\n")
    return text


def _detection(pairs: Sequence[Measured], alone: Sequence[Measured]) -> str:
    rows = [
        f"New and grown lesions of {LEAST_ML} ml and more in {len(pairs)} simulated pairs.\n",
        "| method | lesions | "
        + " | ".join(f"found at {rate} false a pair" for rate in _RATES)
        + " |",
        "|---|---|" + "---|" * len(_RATES),
    ]
    groups = dict.fromkeys(METHODS, pairs)
    for case in alone:
        for method in case["methods"]:
            groups[method] = [other for other in alone if method in other["methods"]]
    for method, group in groups.items():
        measures = measure_lesions([scanned(pair, method) for pair in group], rates=_RATES)
        values = (_with_interval(each) for each in measures.sensitivity)
        rows.append(f"| {method} | {measures.lesions} | " + " | ".join(values) + " |")
    return "\n".join(rows)


def _with_interval(estimate: Estimate) -> str:
    if estimate.interval is None:
        return f"{estimate.value:.2f}"
    low, high = estimate.interval
    return f"{estimate.value:.2f} ({low:.2f} to {high:.2f})"


def _shipped(pairs: Sequence[Measured]) -> str:
    """What the shipped threshold gives."""
    unchanged = [pair for number, pair in enumerate(pairs) if number % 2 == 1]
    changed = [pair for number, pair in enumerate(pairs) if number % 2 == 0]
    rows = ["At the shipped threshold:\n"]
    for name, group in (("without", unchanged), ("with", changed)):
        false = [
            change
            for pair in group
            for change in pair["changes"]
            if change["true_kind"] in (None, "stable")
        ]
        new = sum(change["kind"] in ("new", "grown") for change in false)
        rows.append(
            f"- {len(group)} pairs {name} change: {new / max(len(group), 1):.2f} false new or "
            f"grown a pair, {len(false) / max(len(group), 1):.2f} false changes of any kind."
        )
    hits = [
        change
        for pair in changed
        for change in pair["changes"]
        if change["true_kind"] not in (None, "stable")
    ]
    kinds = Counter((change["true_kind"], change["kind"]) for change in hits)
    rows += ["", "| truth | said to be | how often |", "|---|---|---|"]
    rows += [f"| {true} | {answer} | {count} |" for (true, answer), count in sorted(kinds.items())]
    missed = Counter(lesion["true_kind"] for pair in changed for lesion in pair["missed"])
    rows += [f"| {true} | (missed) | {count} |" for true, count in sorted(missed.items())]
    for time in ("volume_ml", "prior_volume_ml"):
        errors = [
            abs(change[time] / change[f"true_{time}"] - 1.0)
            for change in hits
            if change[f"true_{time}"] >= LEAST_ML
        ]
        if errors:
            close = sum(error <= _CLOSE for error in errors) / len(errors)
            when = "case" if time == "volume_ml" else "prior"
            rows.append(
                f"\nVolumes in the {when} ({len(errors)} lesions of {LEAST_ML} ml or more): median "
                f"error {median(errors):.0%}, {close:.0%} of them within {_CLOSE:.0%}."
            )
    return "\n".join(rows)


def _real(pairs: Sequence[Measured]) -> str:
    rows = [
        "Two real patients, FLAIR; any change counts.\n",
        "| patient | method | AP of changed voxels | lesions | found at 1, 5, 10 false |",
        "|---|---|---|---|---|",
    ]
    for pair in pairs:
        for method in METHODS:
            measures = measure_lesions([scanned(pair, method)], rates=(1.0, 5.0, 10.0), rounds=2)
            values = ", ".join(f"{each.value:.2f}" for each in measures.sensitivity)
            precision = pair["methods"][method]["average_precision"]
            rows.append(
                f"| {pair['name']} | {method} | {precision:.3f} | {measures.lesions} | {values} |"
            )
    return "\n".join(rows)
