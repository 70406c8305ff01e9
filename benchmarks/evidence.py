"""`python -m benchmarks.evidence --out OUT`: can the reasons that a finding gives be believed?

Two promises, on healthy people of one scanner in coarse voxels, by the default comparison:

- the p-value of a finding is valid: of untouched people, who could as well be among the normals, no
  larger share has a finding at or below a level than the level says;
- the nearest normal is the one most like it: where one normal carries the very lesion of the case,
  it is named.

Lesions are soft dark balls, four in a case, each carried by one normal at the same place of the
common frame. The region is the planted one, whatever an analysis would have marked.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from benchmarks.people.cohorts import COHORTS, read_study, resample
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.evidence import with_evidence
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import Finding
from d24fad_core.files import whole_file, write_text
from d24fad_core.support.frame import AlignedStudy, align
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

SHOTS = 4
SPACING_MM = 4.0
_RADIUS_MM = (9.0, 14.0)
_APART_MM = 45.0
_DARKER = 0.6
_LPS = np.array([-1.0, -1.0, 1.0])
_OPTIONS = DetectionOptions()


@dataclass(frozen=True)
class Untouched:
    """A held-out person without a lesion.

    Attributes:
        draw: number of the draw of normals.
        person: who it is.
        smallest: smallest p-value of a finding; None without findings.
    """

    draw: int
    person: str
    smallest: float | None


@dataclass(frozen=True)
class Planting:
    """A lesion of a case that one normal carries too.

    Attributes:
        draw: number of the draw of normals.
        person: whose study the case is.
        carrier: the normal that carries it.
        nearest: the normal that is named.
    """

    draw: int
    person: str
    carrier: str
    nearest: str | None


@dataclass(frozen=True)
class Lesion:
    """A ball in the frame.

    Attributes:
        centre: RAS mm of the frame.
        radius: mm.
        carrier: index of the normal that carries it.
    """

    centre: NDArray[np.float64]
    radius: float
    carrier: int


def draw_people(people: Sequence[Volume], number: int) -> tuple[list[Volume], list[Volume]]:
    """The normals of a draw, and those who are held out."""
    order = np.random.default_rng((1, number)).permutation(len(people))
    shuffled = [people[index] for index in order]
    return shuffled[:SHOTS], shuffled[SHOTS:]


def measure_untouched(
    detector: Detector, support: SupportSet, held_out: Sequence[Volume], number: int
) -> Iterator[Untouched]:
    """The smallest p-value of the findings of each person who is held out."""
    for case in held_out:
        findings = detector.detect(case, support, _OPTIONS).findings
        values = [finding.p_value for finding in findings if finding.p_value is not None]
        yield Untouched(number, case.name, min(values, default=None))


def draw_lesions(support: SupportSet, body: NDArray[np.bool_], number: int) -> list[Lesion]:
    """One lesion a normal, deep in the body and apart from each other.

    Args:
        support: normals that nothing is planted in.
        body: where the frame shows the body.
        number: of the draw.
    """
    rng = np.random.default_rng((2, number))
    affine = support.frame.affine
    inside = np.argwhere(body) @ affine[:3, :3].T + affine[:3, 3]
    middle, half = inside.mean(axis=0), np.ptp(inside, axis=0) / 2
    deep = inside[np.linalg.norm((inside - middle) / half, axis=1) < 0.7]
    lesions: list[Lesion] = []
    while len(lesions) < len(support.studies):
        centre = deep[rng.integers(len(deep))]
        if all(np.linalg.norm(centre - lesion.centre) >= _APART_MM for lesion in lesions):
            lesions.append(Lesion(centre, rng.uniform(*_RADIUS_MM), len(lesions)))
    return lesions


def plant(
    study: Volume, aligned: AlignedStudy, lesions: Sequence[Lesion]
) -> tuple[Volume, NDArray[np.uint8]]:
    """Make balls of a study darker; returns where, numbered from 1.

    Args:
        study: what to plant into.
        aligned: how it lies in the frame.
        lesions: what to plant.
    """
    grid = np.stack(np.meshgrid(*map(np.arange, study.shape), indexing="ij"), axis=-1)
    places = grid @ study.affine[:3, :3].T + study.affine[:3, 3]
    array, labels = study.array.copy(), np.zeros(study.shape, np.uint8)
    for index, lesion in enumerate(lesions):
        there = aligned.to_study.TransformPoint((lesion.centre * _LPS).tolist())
        away = np.linalg.norm(places - np.array(there) * _LPS, axis=-1)
        share = np.clip((lesion.radius + SPACING_MM - away) / (2 * SPACING_MM), 0, 1)
        array *= (1 - _DARKER * share).astype(np.float32)
        labels[(share > 0.5) & (study.array > 0)] = index + 1
    return replace(study, array=array), labels


def regions(
    case: Volume, labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], dict[int, Finding]]:
    """The planted regions as findings, by number, and their mask."""
    heatmap = np.where(labels > 0, 10.0 - labels.astype(np.float32), 0).astype(np.float32)
    mask, findings = find_findings(heatmap, 0.5, case.affine, 2, 0.0)
    return mask, {int(labels[finding.peak_voxel]): finding for finding in findings}


def measure_copies(
    detector: Detector,
    normals: Sequence[Volume],
    support: SupportSet,
    cases: Sequence[Volume],
    number: int,
) -> Iterator[Planting]:
    """Which normal is named for each lesion of each case.

    Args:
        detector: compares.
        normals: of the draw, as they are.
        support: the same, prepared.
        cases: people who are held out.
        number: of the draw.
    """

    def placed(study: Volume) -> AlignedStudy:
        return align(study, support.frame, _OPTIONS.ct_window, register=_OPTIONS.register)

    ways = [placed(study) for study in normals]
    lesions = draw_lesions(support, ways[0].volume.array > 0, number)
    carriers = [
        plant(study, way, [lesion])[0]
        for study, way, lesion in zip(normals, ways, lesions, strict=True)
    ]
    planted = detector.prepare_support(carriers, _OPTIONS)
    peaks = planted.scale(_OPTIONS.planes).peak_scores
    for person in cases:
        case, labels = plant(person, placed(person), lesions)
        comparison = detector.compare(case, planted, _OPTIONS)
        mask, by_number = regions(case, labels)
        numbers, findings = zip(*by_number.items(), strict=True)
        evidence = with_evidence(
            findings,
            mask,
            case,
            comparison.aligned,
            planted,
            peaks,
            comparison.compared.distances,
        )
        for index, finding in zip(numbers, evidence, strict=True):
            carrier = planted.studies[lesions[index - 1].carrier].name
            yield Planting(number, person.name, carrier, finding.nearest_normal)


def shares(untouched: Sequence[Untouched]) -> list[tuple[float, float, float, float]]:
    """Level, share of people with a finding at or below it, and its 95 % interval (exact)."""
    count, rows = len(untouched), []
    for step in range(1, SHOTS + 1):
        level = step / (SHOTS + 1)
        # p-values are fractions of the same denominator; a finding at the level counts.
        hit = sum(each.smallest is not None and each.smallest <= level + 1e-9 for each in untouched)
        interval = stats.binomtest(hit, count).proportion_ci(0.95)
        rows.append((level, hit / count, float(interval.low), float(interval.high)))
    return rows


def draw_picture(untouched: Sequence[Untouched], plantings: Sequence[Planting], path: Path) -> None:
    """Both promises and what was measured, as PNG."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels, share, low, high = (np.array(column) for column in zip(*shares(untouched), strict=True))
    left.plot([0, 1], [0, 1], "--", color="grey", label="allowed at most")
    left.errorbar(levels, share, (share - low, high - share), fmt="o", capsize=3)
    left.set(xlabel="level", ylabel="share with a finding at or below it")
    left.set_title(f"untouched people, n = {len(untouched)}", fontsize=10)
    left.legend(fontsize=8)
    right_share = nearest_right(plantings)
    right.bar(["chance", "named"], [1 / SHOTS, right_share], color=["lightgrey", "tab:blue"])
    right.axhline(0.95, ls="--", color="grey")
    right.set(ylim=(0, 1), ylabel="share of plantings")
    right.set_title(f"the normal with the same lesion, n = {len(plantings)}", fontsize=10)
    figure.suptitle(RESEARCH_USE_ONLY, fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def nearest_right(plantings: Sequence[Planting]) -> float:
    """Share of lesions for which the normal that carries them is named."""
    return carriers_named(plantings) / len(plantings)


def carriers_named(plantings: Sequence[Planting]) -> int:
    """Number of lesions for which the normal that carries them is named."""
    return sum(each.nearest == each.carrier for each in plantings)


def report(untouched: Sequence[Untouched], plantings: Sequence[Planting]) -> str:
    """Both results as text."""
    lines = [
        f"carrier named: {carriers_named(plantings)} of {len(plantings)}",
        "level, share, 95 % interval:",
    ]
    lines += [f"{a:.2f} {b:.2f} ({c:.2f} to {d:.2f})" for a, b, c, d in shares(untouched)]
    return "\n".join([*lines, RESEARCH_USE_ONLY])


def main() -> None:
    """Measure draw by draw; figures are written after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared/volumes"))
    parser.add_argument("--draws", type=int, default=4)
    arguments = parser.parse_args()
    cohort = COHORTS["ds002748"]
    studies = [read_study(cohort, person, arguments.shared, None) for person in cohort.people]
    people = [resample(study.volume, study.brain, SPACING_MM)[0] for study in studies]
    detector = Detector.from_checkpoint()
    untouched: list[Untouched] = []
    plantings: list[Planting] = []
    for number in range(arguments.draws):
        normals, held_out = draw_people(people, number)
        support = detector.prepare_support(normals, _OPTIONS)
        plantings += measure_copies(detector, normals, support, held_out, number)
        untouched += measure_untouched(detector, support, held_out, number)
        document = {
            "untouched": [asdict(each) for each in untouched],
            "plantings": [asdict(each) for each in plantings],
        }
        write_text(arguments.out / "evidence.json", json.dumps(document, indent=1) + "\n")
        draw_picture(untouched, plantings, arguments.out / "evidence.png")
        print(report(untouched, plantings), flush=True)


if __name__ == "__main__":
    main()
