"""`python -m benchmarks.places --shared volumes --masks MASKS --out OUT`: are places named right?

Spheres are planted in heads, darker than what was there, and named as findings are. Simulated heads
tell exactly where in the average brain each voxel comes from; of real people the truth is a
deformable registration of another kind, see `places_reference`. Label map and sides are the same
for truth and names: what is measured is the alignment. Repeat the command to go on.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cohorts import COHORTS, read_study
from benchmarks.places_reference import mni_places, register_deformably
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.files import write_text
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.places.atlas import BrainRegion
from d24fad_core.places.brain import align_brain, brain_places, shares_at
from d24fad_core.places.place import FindingPlace, Side, place_of
from d24fad_core.simulation.anatomy import sample_anatomy, sample_places
from d24fad_core.simulation.appearance import render
from d24fad_core.simulation.contrast import Contrast
from d24fad_core.volumes.volume import MaskKind, Modality, Volume

SIMULATED = "simulated"
_CONTRASTS = (Contrast.T1, Contrast.FLAIR, Contrast.T2)
_SPACING = (2.0, 2.0, 2.0)
_RADII_MM = (4.0, 10.0)
_SIGNAL = 0.6
_ONE_SIDED = 0.95
"""Side is measured where so much of a lesion lies on one side; others may rightly be `both`."""
_TRIES = 1000

Places = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""From voxel indices (N, 3) to MNI mm (N, 3)."""


@dataclass(frozen=True)
class NamedLesion:
    """A planted lesion, where it is and where it was said to be.

    Attributes:
        radius_mm: of the sphere.
        side: true side; None where it crosses the middle or has none.
        region: true region with the largest share.
        named_side: side that was named.
        named_region: region that was named; None where there was no name.
        certain: whether the name was said to be certain.
        share: true share of the named region.
    """

    radius_mm: float
    side: str | None
    region: str
    named_side: str | None
    named_region: str | None
    certain: bool
    share: float


@dataclass(frozen=True)
class Head:
    """A head to plant in.

    Attributes:
        study: as it would be analysed.
        brain: (I, J, K) boolean, where lesions may lie.
        places: the truth.
    """

    study: Volume
    brain: NDArray[np.bool_]
    places: Places


def simulated_head(number: int, spacing: tuple[float, float, float] = _SPACING) -> Head:
    """A simulated brain; contrasts by turns."""
    anatomy = sample_anatomy(np.random.default_rng((number, 0)), spacing)
    contrast = _CONTRASTS[number % len(_CONTRASTS)]
    signal = render(anatomy, contrast, np.random.default_rng((number, 1)))
    name = f"{SIMULATED} {contrast.value} {number}"
    study = Volume(signal.astype(np.float32), anatomy.affine, Modality.MR, name)
    truth = sample_places(np.random.default_rng((number, 0)), spacing)
    truth = truth.T.reshape(*study.shape, 3)
    return Head(study, anatomy.brain, lambda voxels: truth[tuple(voxels.T)])


def real_head(cohort: str, person: str, shared: Path, masks: Path | None) -> Head:
    """A person of a cohort."""
    study = read_study(COHORTS[cohort], person, shared, masks)
    brain = apply_mask(study.volume, study.brain, MaskKind.FILE)
    transform = register_deformably(brain)
    affine = brain.affine
    return Head(
        study.volume,
        study.brain,
        lambda voxels: mni_places(transform, voxels @ affine[:3, :3].T + affine[:3, 3]),
    )


def measure(head: Head, count: int, seed: int) -> list[NamedLesion]:
    """Plant lesions in a head at once, and name each.

    Args:
        head: where.
        count: number of lesions; fewer where they find no room.
        seed: draws places and sizes.
    """
    lesions = list(_draw(head, count, np.random.default_rng(seed)))
    array = head.study.array.copy(order="F")
    for _, voxels in lesions:
        array[tuple(voxels.T)] *= _SIGNAL
    alignment = align_brain(replace(head.study, array=array))
    names: Sequence[FindingPlace | None] = [None] * len(lesions)
    if alignment is not None:
        names = brain_places([voxels for _, voxels in lesions], alignment)
    named = []
    for (radius, voxels), name in zip(lesions, names, strict=True):
        truth = place_of(shares_at(head.places(voxels)), certain=True, atlas="truth")
        if truth is not None:
            named.append(_compare(radius, truth, name))
    return named


def _compare(radius: float, truth: FindingPlace, name: FindingPlace | None) -> NamedLesion:
    region = None if name is None else name.region
    return NamedLesion(
        radius_mm=radius,
        side=_one_side(truth),
        region=truth.region,
        named_side=None if name is None or name.side is None else name.side.value,
        named_region=region,
        certain=name is not None and name.certain,
        share=sum(each.share for each in truth.shares if each.region == region),
    )


def _one_side(place: FindingPlace) -> str | None:
    sides = {
        side: sum(each.share for each in place.shares if each.side is side)
        for side in (Side.LEFT, Side.RIGHT)
    }
    both = sum(sides.values())
    return next((s.value for s, part in sides.items() if part >= _ONE_SIDED * both > 0), None)


def _draw(
    head: Head, count: int, rng: np.random.Generator
) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """Spheres in the brain that do not touch: radius and voxels."""
    voxels = np.argwhere(head.brain)
    affine = head.study.affine
    centres: list[tuple[NDArray[np.float64], float]] = []
    for _ in range(_TRIES):
        if len(centres) == count:
            return
        radius = float(rng.uniform(*_RADII_MM))
        voxel = voxels[rng.integers(len(voxels))]
        centre = affine[:3, :3] @ voxel + affine[:3, 3]
        if any(np.linalg.norm(centre - other) < radius + far for other, far in centres):
            continue
        reach = np.ceil(radius / np.array(head.study.spacing)).astype(int)
        low = np.maximum(voxel - reach, 0)
        high = np.minimum(voxel + reach + 1, head.study.shape)
        box = np.stack(
            np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"),
            axis=-1,
        ).reshape(-1, 3)
        inside = np.linalg.norm((box - voxel) @ affine[:3, :3].T, axis=1) <= radius
        inside &= head.brain[tuple(box.T)]
        centres.append((centre, radius))
        yield radius, box[inside]


def summarise(lesions: Sequence[NamedLesion]) -> dict[str, float]:
    """Shares of right names, and on how many lesions they rest."""
    sided = [each for each in lesions if each.side is not None]
    opposite = {"left": "right", "right": "left"}
    return {
        "lesions": len(lesions),
        "region right": _share([each.region == each.named_region for each in lesions]),
        "named region holds a fifth": _share([each.share >= 0.2 for each in lesions]),
        "on one side": len(sided),
        "side right": _share([each.side == each.named_side for each in sided]),
        "opposite side named": sum(opposite[str(e.side)] == e.named_side for e in sided),
        "without a name": sum(each.named_region is None for each in lesions),
        "uncertain": sum(not each.certain for each in lesions),
    }


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right)) if right else float("nan")


def confusions(lesions: Sequence[NamedLesion]) -> str:
    """A table: a row a true region, a column a named one."""
    names = [region.value for region in BrainRegion]
    counts = Counter((each.region, each.named_region or "no name") for each in lesions)
    columns = [*names, "no name"]
    lines = ["| true \\ named | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(str(counts[name, column] or "") for column in columns) + " |"
        for name in names
    ]
    return "\n".join(lines)


def report(folder: Path) -> str:
    """The tables of all heads that were measured so far."""
    cohorts: dict[str, list[NamedLesion]] = {}
    for file in sorted(folder.glob("*/*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        cohorts.setdefault(file.parent.name, []).extend(
            NamedLesion(**each) for each in document["lesions"]
        )
    parts = [RESEARCH_USE_ONLY]
    for cohort, lesions in cohorts.items():
        facts = [
            f"- {name}: {value:.3f}" if isinstance(value, float) else f"- {name}: {value}"
            for name, value in summarise(lesions).items()
        ]
        parts += [f"## {cohort}", "\n".join(facts), confusions(lesions)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the real volumes")
    parser.add_argument("--masks", type=Path, help="brain masks, as for benchmarks.people")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--cohort", action="append", help="one of them; repeatable")
    parser.add_argument("--lesions", type=int, default=12, help="a head")
    parser.add_argument("--simulated", type=int, default=12, help="number of simulated heads")
    arguments = parser.parse_args()
    heads: dict[str, list[str]] = {
        SIMULATED: [str(number) for number in range(arguments.simulated)],
        **{name: list(cohort.people) for name, cohort in COHORTS.items()},
    }
    for cohort in arguments.cohort or heads:
        for number, person in enumerate(heads[cohort]):
            file = arguments.out / cohort / f"{person}.json"
            if file.exists():
                continue
            head = (
                simulated_head(number)
                if cohort == SIMULATED
                else real_head(cohort, person, arguments.shared, arguments.masks)
            )
            lesions = measure(head, arguments.lesions, number)
            document = {"notice": RESEARCH_USE_ONLY, "lesions": [asdict(e) for e in lesions]}
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(document, indent=1) + "\n")
            print(cohort, person, summarise(lesions), flush=True)
    text = report(arguments.out)
    write_text(arguments.out / "places.md", text)
    print(text)


if __name__ == "__main__":
    main()
