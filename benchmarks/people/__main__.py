"""`python -m benchmarks.people`: measure methods on real people. Repeat the command to go on.

Planted cases are written first, by `python -m benchmarks.people.planting`.
"""

import argparse
from pathlib import Path

from benchmarks.people.cohorts import COHORTS
from benchmarks.people.lesions.conspicuity import Lesions
from benchmarks.people.methods import method_name
from benchmarks.people.pictures import draw_people
from benchmarks.people.planting import add_lesions
from benchmarks.people.running import REAL, Settings, run
from benchmarks.people.tables import write_tables


def main() -> None:
    """Score, measure, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.people", description=__doc__)
    parser.add_argument("--cohort", choices=[*COHORTS, REAL], required=True)
    parser.add_argument("--methods", required=True, help="names, separated by commas")
    parser.add_argument("--shared", type=Path, required=True, help="folder of shared volumes")
    parser.add_argument("--masks", type=Path, help="folder of brain masks, for heads")
    parser.add_argument("--planted", type=Path, help="folder of planted cases, by cohort")
    parser.add_argument("--out", type=Path, required=True, help="folder for scores and tables")
    parser.add_argument("--shots", type=int, default=4, help="number of normals")
    parser.add_argument("--draws", type=int, default=3, help="draws of the normals")
    parser.add_argument("--spacing", type=float, help="resample studies to voxels of so many mm")
    parser.add_argument("--brain-alone", action="store_true", help="mask the heads first")
    add_lesions(parser)
    arguments = parser.parse_args()
    settings = Settings(
        arguments.cohort,
        arguments.shots,
        arguments.draws,
        arguments.shared,
        arguments.masks,
        arguments.planted or arguments.out / "planted",
        arguments.out,
        arguments.spacing,
        arguments.brain_alone,
        Lesions(arguments.lesions),
    )
    methods = arguments.methods.split(",")
    run(settings, methods)
    print(write_tables(settings).read_text(encoding="utf-8"))
    for method in methods:
        draw_people(settings, method_name(method))


if __name__ == "__main__":
    main()
