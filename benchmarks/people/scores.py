"""What a method said of a case, with the truth beside it, in one compressed file."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.cohorts import Study, Truth
from benchmarks.people.methods import Score
from d24fad_core.files import whole_file, write_text
from d24fad_core.regions import label_regions


@dataclass(frozen=True)
class CaseFigures:
    """What is known of a scored case without its maps.

    Attributes:
        case: name of the case.
        person: who it is.
        generator: what planted its lesions, "real" for real ones, "" for an untouched person.
        kind: what its lesions are; "" for none.
        case_score: the method's score of the study.
        threshold: score from which the method marks.
        truth_ml: volume of the lesions.
        marked_ml: volume that is marked, anywhere in the study.
        marked_outside_brain_ml: the part of it outside the brain mask.
        touching_ml: volume of the marked regions that overlap a lesion.
        overlap_ml: marked volume inside lesions.
        findings: number of marked regions.
        seconds: what scoring took, with preparing the normals where they were new.
    """

    case: str
    person: str
    generator: str
    kind: str
    case_score: float
    threshold: float
    truth_ml: float
    marked_ml: float
    marked_outside_brain_ml: float
    touching_ml: float
    overlap_ml: float
    findings: int
    seconds: float

    @property
    def dice(self) -> float:
        """Dice of what is marked and the lesions."""
        return 2 * self.overlap_ml / max(self.marked_ml + self.truth_ml, 1e-9)

    @property
    def volume_error(self) -> float:
        """How far the volume of the findings is from that of the lesions they touch, as a share."""
        return abs(self.touching_ml - self.truth_ml) / max(self.truth_ml, 1e-9)


@dataclass(frozen=True, eq=False)
class ScoredCase:
    """A scored case in the box around its brain.

    Attributes:
        figures: the rest.
        heatmap: scores; lowest where the method analysed nothing.
        truth: True inside lesions.
        clear: True inside clear lesions.
        considered: True in the brain and in lesions.
        marked: True where the method marks.
        spacing: voxel size, mm.
    """

    figures: CaseFigures
    heatmap: NDArray[np.float32]
    truth: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    considered: NDArray[np.bool_]
    marked: NDArray[np.bool_]
    spacing: tuple[float, float, float]


def compare(figures: CaseFigures, study: Study, lesions: Truth, score: Score) -> ScoredCase:
    """Measure a score against the truth, all on one grid.

    Args:
        figures: with names and times; volumes are filled in.
        study: the case.
        lesions: where its lesions are.
        score: what the method said.
    """
    truth = lesions.inside
    voxel_ml = study.volume.voxel_ml
    regions = label_regions(score.marked)
    touching = np.unique(regions[truth & score.marked])
    measured = replace(
        figures,
        case_score=score.case_score,
        threshold=score.threshold,
        truth_ml=float(truth.sum() * voxel_ml),
        marked_ml=float(score.marked.sum() * voxel_ml),
        marked_outside_brain_ml=float((score.marked & ~study.brain & ~truth).sum() * voxel_ml),
        touching_ml=float(np.isin(regions, touching[touching > 0]).sum() * voxel_ml),
        overlap_ml=float((score.marked & truth).sum() * voxel_ml),
        findings=int(regions.max()),
    )
    considered = study.brain | truth
    box = ndimage.find_objects(considered.astype(np.uint8))[0]
    inside = score.heatmap != 0
    heatmap = np.where(inside, score.heatmap, score.heatmap[considered].min())
    return ScoredCase(
        measured,
        heatmap[box].astype(np.float32),
        truth[box],
        lesions.clear[box],
        considered[box],
        score.marked[box],
        study.volume.spacing,
    )


def write_case(folder: Path, scored: ScoredCase) -> None:
    """Write CASE.npz and then CASE.json, each whole or not at all; the second means done."""
    name = scored.figures.case
    with whole_file(folder / f"{name}.npz") as temporary:
        np.savez_compressed(
            temporary,
            scores=scored.heatmap[scored.considered],
            considered=np.packbits(scored.considered),
            truth=np.packbits(scored.truth),
            clear=np.packbits(scored.clear),
            marked=np.packbits(scored.marked),
            shape=np.array(scored.heatmap.shape),
            spacing=np.array(scored.spacing),
        )
    write_text(folder / f"{name}.json", json.dumps(asdict(scored.figures), indent=1) + "\n")


def is_done(folder: Path, case: str) -> bool:
    """Whether a case was scored."""
    return (folder / f"{case}.json").is_file()


def read_scored(folder: Path, case: str) -> ScoredCase:
    """Read what `write_case` wrote."""
    figures: dict[str, Any] = json.loads((folder / f"{case}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{case}.npz", allow_pickle=False) as arrays:
        shape = tuple(int(length) for length in arrays["shape"])
        count = int(np.prod(shape))

        def mask(name: str) -> NDArray[np.bool_]:
            bits: NDArray[np.bool_] = np.unpackbits(arrays[name], count=count).astype(bool)
            return bits.reshape(shape)

        considered = mask("considered")
        heatmap = np.full(shape, arrays["scores"].min(), np.float32)
        heatmap[considered] = arrays["scores"]
        first, second, third = (float(step) for step in arrays["spacing"])
        return ScoredCase(
            CaseFigures(**figures),
            heatmap,
            mask("truth"),
            mask("clear"),
            considered,
            mask("marked"),
            (first, second, third),
        )
