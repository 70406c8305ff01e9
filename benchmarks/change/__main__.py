"""`python -m benchmarks.change --shared FOLDER --out FOLDER`: measure. Repeat it to go on.

A pair whose JSON file is already in OUT is not measured again; delete the file to repeat it.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.change.cross_section import CrossSection, measure_case, real_normals
from benchmarks.change.measuring import Measured, MeasuredPair, measure_pair, measured_once
from benchmarks.change.pairs import PEOPLE, real_pair, real_patients, simulated_pair
from benchmarks.change.tables import write_tables
from d24fad_core.comparison.kind import ComparisonKind


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.change", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of shared volumes")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and tables")
    parser.add_argument("--people", choices=PEOPLE, default="test", help="whom pairs are made of")
    parser.add_argument("--pairs", type=int, default=20, help="simulated pairs, half unchanged")
    parser.add_argument(
        "--against",
        choices=[kind.value for kind in ComparisonKind],
        action="append",
        help="comparison of the case alone with normals; repeatable",
    )
    arguments = parser.parse_args()
    pairs = {
        f"{arguments.people}-{number}": partial(
            simulated_pair, arguments.shared, arguments.people, number
        )
        for number in range(arguments.pairs)
    }
    simulated = [_compared(arguments.out, name, pair) for name, pair in pairs.items()]
    patients = real_patients(arguments.shared) if arguments.people == "test" else []
    real = [
        _compared(arguments.out, patient, partial(real_pair, arguments.shared, patient))
        for patient in patients
    ]
    tables = arguments.out / f"{arguments.people}.md"
    write_tables(simulated, (), real, tables)
    normals = real_normals(arguments.shared)
    alone: list[Measured] = []
    for kind in map(ComparisonKind, arguments.against or ("learned",)):
        cross_section = CrossSection(normals, (kind,), arguments.out / "cache")
        alone += [
            _case_alone(arguments.out, f"{name}-{kind.value}", pair, cross_section)
            for name, pair in pairs.items()
        ]
    print(write_tables(simulated, alone, real, tables))


def _compared(folder: Path, name: str, pair: Callable[[], MeasuredPair]) -> Measured:
    figures = measured_once(folder / f"{name}.json", lambda: measure_pair(pair()))
    print(name, flush=True)
    return figures


def _case_alone(
    folder: Path, name: str, pair: Callable[[], MeasuredPair], cross_section: CrossSection
) -> Measured:
    file = folder / f"{name}.json"
    figures = measured_once(file, lambda: measure_case(pair(), cross_section))
    print(name, flush=True)
    return figures


if __name__ == "__main__":
    main()
