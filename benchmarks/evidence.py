"""`python -m benchmarks.evidence --out OUT`: can the reasons that a finding gives be believed?

Two promises, on the brains of healthy people of one scanner, by one comparison:

- the p-value of a finding is valid: of untouched people, who could as well be among the normals, no
  larger share has a finding at or below a level than the level says;
- the nearest normal is the one most like it: where one normal carries the very lesion of the case,
  it is named.

Lesions are soft dark balls, four in a case, each carried by one normal at the same place of the
common frame. The region is the planted one, whatever an analysis would have marked.

Each draw is written when it is done; a second run with the same folder goes on behind the last one.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence_figures import (
    SHOTS,
    Planting,
    Untouched,
    draw_picture,
    load,
    report,
    save,
)
from benchmarks.people.cohorts import COHORTS, read_study, resample
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.evidence import with_evidence
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import Finding
from d24fad_core.support.frame import AlignedStudy, align
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

SPACING_MM = {ComparisonKind.WINDOW: 4.0, ComparisonKind.LEARNED: 2.0}
"""Voxels that a comparison is measured in: coarse ones, or those that the decoder was taught on."""

_RADIUS_MM = (9.0, 14.0)
_SOFT_MM = 4.0
_APART_MM = 45.0
_DARKER = 0.6
_LPS = np.array([-1.0, -1.0, 1.0])


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
    detector: Detector,
    support: SupportSet,
    held_out: Sequence[Volume],
    number: int,
    options: DetectionOptions,
) -> Iterator[Untouched]:
    """The smallest p-value of the findings of each person who is held out."""
    for case in held_out:
        findings = detector.detect(case, support, options).findings
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
        share = np.clip((lesion.radius + _SOFT_MM - away) / (2 * _SOFT_MM), 0, 1)
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
    options: DetectionOptions,
) -> Iterator[Planting]:
    """Which normal is named for each lesion of each case.

    Args:
        detector: compares.
        normals: of the draw, as they are.
        support: the same, prepared.
        cases: people who are held out.
        number: of the draw.
        options: how they are compared.
    """

    def placed(study: Volume) -> AlignedStudy:
        return align(study, support.frame, options.ct_window, register=options.register)

    ways = [placed(study) for study in normals]
    lesions = draw_lesions(support, ways[0].volume.array > 0, number)
    carriers = [
        plant(study, way, [lesion])[0]
        for study, way, lesion in zip(normals, ways, lesions, strict=True)
    ]
    planted = detector.prepare_support(carriers, options)
    peaks = planted.scale(options.planes).peak_scores
    for person in cases:
        case, labels = plant(person, placed(person), lesions)
        comparison = detector.compare(case, planted, options)
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


def main() -> None:
    """Measure draw by draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared/volumes"))
    parser.add_argument("--cohort", choices=COHORTS, default="ds002748")
    parser.add_argument("--masks", type=Path, help="brain masks, COHORT/NAME.nii.gz, for heads")
    parser.add_argument(
        "--comparison", choices=[kind.value for kind in SPACING_MM], default="window"
    )
    parser.add_argument("--draws", type=int, default=4)
    arguments = parser.parse_args()
    kind = ComparisonKind(arguments.comparison)
    options = DetectionOptions(comparison=kind)
    cohort = COHORTS[arguments.cohort]
    people = []
    for name in cohort.people:
        study = read_study(cohort, name, arguments.shared, arguments.masks).alone
        people.append(resample(study.volume, study.brain, SPACING_MM[kind])[0])
    detector = Detector.from_checkpoint()
    measured = load(arguments.out)
    for number in range(measured.draws, arguments.draws):
        normals, held_out = draw_people(people, number)
        support = detector.prepare_support(normals, options)
        measured = measured.and_draw(
            measure_untouched(detector, support, held_out, number, options),
            measure_copies(detector, normals, support, held_out, number, options),
        )
        save(measured, arguments.out)
        draw_picture(measured, arguments.out / "evidence.png")
        print(report(measured), flush=True)


if __name__ == "__main__":
    main()
