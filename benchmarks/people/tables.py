"""Tables of what was measured, as Markdown and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.people.description import describe_cases
from benchmarks.people.measures import (
    KindMeasures,
    Measures,
    as_image,
    mean_of_draws,
    measure,
    measure_kinds,
)
from benchmarks.people.running import REAL, Settings, list_cases, scored_folders
from benchmarks.people.scores import ScoredCase, is_done, read_scored
from benchmarks.people.strata import STRATA, StratumMeasures, list_lesions, measure_stratum
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.evaluation.metrics import Estimate, pixel_auroc, pixel_average_precision
from d24fad_core.files import write_text

_COLUMNS = {
    "voxel_auroc": ("voxel AUROC", ".3f"),
    "average_precision": ("AP", ".3f"),
    "aupro": ("AUPRO", ".3f"),
    "froc": ("lesion FROC", ".3f"),
    "froc_clear": ("FROC, clear lesions", ".3f"),
    "volume_auroc": ("volume AUROC", ".2f"),
    "dice": ("Dice", ".2f"),
    "hit": ("cases hit", ".0%"),
    "volume_error": ("volume error", ".0%"),
    "untouched_ml": ("ml marked, untouched", ".2f"),
    "untouched_findings": ("findings, untouched", ".0f"),
}


@dataclass(frozen=True)
class MethodResult:
    """What one method reached on one cohort.

    Attributes:
        method: its name.
        draws: each whole draw.
        mean: over the draws.
        kinds: by kind of lesion, over all draws.
        strata: by how conspicuous and large lesions are, over all draws.
    """

    method: str
    draws: tuple[Measures, ...]
    mean: Measures
    kinds: tuple[KindMeasures, ...]
    strata: tuple[StratumMeasures, ...]


def collect(settings: Settings) -> list[MethodResult]:
    """Measure each method on its whole draws; what is unfinished is left out."""
    scored: dict[str, list[list[ScoredCase]]] = {}
    for method, number, folder in scored_folders(settings):
        names = [case.name for case in list_cases(settings, number)]
        if all(is_done(folder, name) for name in names):
            scored.setdefault(method, []).append([read_scored(folder, name) for name in names])
    results = []
    for method, draws in scored.items():
        measured = tuple(measure(cases) for cases in draws)
        everyone = [case for cases in draws for case in cases]
        kinds = tuple(measure_kinds(everyone))
        lesions = [list_lesions(case) for case in everyone]
        strata = [measure_stratum(lesions, stratum) for stratum in STRATA]
        results.append(
            MethodResult(
                method,
                measured,
                mean_of_draws(measured),
                kinds,
                tuple(stratum for stratum in strata if stratum is not None),
            )
        )
    return results


def write_tables(settings: Settings) -> Path:
    """Write the tables of a cohort; returns the Markdown file."""
    if settings.cohort == REAL:
        return _write_real(settings)
    results = collect(settings)
    name = f"{settings.cohort}-{settings.handed}-K{settings.shots}"
    document = {"notice": RESEARCH_USE_ONLY, "results": [asdict(result) for result in results]}
    write_text(settings.out / f"{name}.json", json.dumps(document, indent=1) + "\n")
    text = "\n".join(
        [
            f"# {settings.cohort}, {settings.shots} normals, {settings.handed}",
            "",
            *describe_cases(settings),
            "",
            *_main_table(results),
            "",
            "Mean over the draws, between the means of each draw's 95 % bounds over people. "
            "Voxels and FROC inside the brain, marks anywhere in the study.",
            "",
            *_strata_table(results),
            "",
            "Lesions of all draws together, intervals over scans. Lesions of other strata neither "
            "count nor are false positives.",
            "",
            *_kind_table(results),
            "",
            RESEARCH_USE_ONLY,
            "",
        ]
    )
    path = settings.out / f"{name}.md"
    write_text(path, text)
    return path


def _main_table(results: Sequence[MethodResult]) -> list[str]:
    titles = ["method", "draws", *(title for title, _ in _COLUMNS.values())]
    rows = [_row(titles), _row(["---"] * len(titles))]
    for result in results:
        cells = [
            _interval(getattr(result.mean, field.name), _COLUMNS[field.name][1])
            for field in fields(Measures)
        ]
        rows.append(_row([result.method, str(len(result.draws)), *cells]))
    return rows


def _strata_table(results: Sequence[MethodResult]) -> list[str]:
    titles = [
        *("lesions", "method", "number", "people", "FROC"),
        *("found at 1 false positive a scan", "marked at the threshold"),
    ]
    rows = [_row(titles), _row(["---"] * len(titles))]
    for stratum in STRATA:
        for result in results:
            for measured in result.strata:
                if measured.stratum == stratum.name:
                    rows.append(
                        _row(
                            [
                                measured.stratum,
                                result.method,
                                str(measured.lesions),
                                str(measured.cases),
                                _interval(measured.froc, ".3f"),
                                _interval(measured.sensitivity, ".0%"),
                                _interval(measured.marked, ".0%"),
                            ]
                        )
                    )
    return rows


def _kind_table(results: Sequence[MethodResult]) -> list[str]:
    titles = ["generator", "kind", "method", "cases", "ml", "AUROC", "AP", "Dice", "hit"]
    rows = [_row(titles), _row(["---"] * len(titles))]
    lines = [(kind, result.method) for result in results for kind in result.kinds]
    for kind, method in sorted(lines, key=lambda line: (line[0].generator, line[0].kind)):
        rows.append(
            _row(
                [
                    kind.generator,
                    kind.kind,
                    method,
                    str(kind.cases),
                    f"{kind.truth_ml:.1f}",
                    f"{kind.voxel_auroc:.3f}",
                    f"{kind.average_precision:.3f}",
                    f"{kind.dice:.2f}",
                    f"{kind.hit:.0%}",
                ]
            )
        )
    return rows


def _write_real(settings: Settings) -> Path:
    """Each real case by itself: one patient says nothing of a cohort."""
    titles = [
        *("case", "ml", "method", "draws", "voxel AUROC", "AP", "Dice"),
        *("ml marked", "ml marked beside", "hit"),
    ]
    rows = [_row(titles), _row(["---"] * len(titles))]
    groups: dict[tuple[str, str], list[ScoredCase]] = {}
    for method, number, folder in scored_folders(settings):
        for case in list_cases(settings, number):
            if is_done(folder, case.name):
                groups.setdefault((case.name, method), []).append(read_scored(folder, case.name))
    document = []
    for (name, method), cases in sorted(groups.items()):
        figures = [case.figures for case in cases]
        values = {
            "case": name,
            "ml": figures[0].truth_ml,
            "method": method,
            "draws": len(cases),
            "voxel_auroc": _mean([pixel_auroc([as_image(case)]) for case in cases]),
            "average_precision": _mean(
                [pixel_average_precision([as_image(case)]) for case in cases]
            ),
            "dice": _mean([each.dice for each in figures]),
            "marked_ml": _mean([each.marked_ml for each in figures]),
            "marked_beside_ml": _mean([each.marked_ml - each.overlap_ml for each in figures]),
            "hit": _mean([float(each.overlap_ml > 0) for each in figures]),
        }
        document.append(values)
        formats = ("", ".1f", "", "", ".3f", ".3f", ".2f", ".1f", ".1f", ".0%")
        rows.append(
            _row(
                [format(value, form) for value, form in zip(values.values(), formats, strict=True)]
            )
        )
    path = settings.out / f"real-{settings.handed}-K{settings.shots}.md"
    notice = {"notice": RESEARCH_USE_ONLY, "results": document}
    write_text(path.with_suffix(".json"), json.dumps(notice, indent=1) + "\n")
    heading = f"# Real lesions, {settings.shots} simulated normals"
    write_text(path, "\n".join([heading, "", *rows, "", RESEARCH_USE_ONLY, ""]))
    return path


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _interval(measured: Estimate | None, form: str) -> str:
    if measured is None:
        return "–"
    value = format(measured.value, form)
    if measured.interval is None:
        return value
    low, high = (format(bound, form) for bound in measured.interval)
    return f"{value} ({low} to {high})"
