"""`python -m benchmarks.change --shared FOLDER --out FOLDER`: measure. Repeat it to go on.

A pair whose JSON file is already in OUT is not measured again; delete the file to repeat it.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks.change.cross_section import CrossSection, real_normals
from benchmarks.change.measuring import Measured, measured_once
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
    wanted = parser.parse_args()
    kinds = [ComparisonKind(kind) for kind in wanted.against or ("learned",)]
    normals = real_normals(wanted.shared)
    cross_section = CrossSection(normals, kinds, wanted.out / "cache")
    simulated: list[Measured] = []
    for number in range(wanted.pairs):
        file = wanted.out / f"{wanted.people}-{number}.json"
        pair = partial(simulated_pair, wanted.shared, wanted.people, number)
        simulated.append(measured_once(file, pair, cross_section))
        print(file.name, flush=True)
    real: list[Measured] = []
    if wanted.people == "test":
        for patient in real_patients(wanted.shared):
            file = wanted.out / f"{patient}.json"
            real.append(measured_once(file, partial(real_pair, wanted.shared, patient)))
            print(file.name, flush=True)
    print(write_tables(simulated, real, wanted.out / f"{wanted.people}.md"))


if __name__ == "__main__":
    main()
