"""`python -m benchmarks.contrasts --out OUT`: several contrasts against each of them alone.

Simulated heads in FLAIR, T1 and T2 with planted lesions, each against simulated normal heads; with
`--volumes VOLUMES` a real patient with multiple sclerosis too, against the same simulated normals.
T1 and T2 are as if the head had moved between the scans. Average precision of the voxels of lesions
among those of the brain. It goes on where it was stopped. Synthetic: see `simulation.cohort`.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.metrics import average_precision_score

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.contrasts.detection import ContrastDetector
from d24fad_core.contrasts.person import Person
from d24fad_core.detection.comparison import PlacedComparison
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.files import write_text
from d24fad_core.io.reading import read_volume
from d24fad_core.progress import Progress, silent
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Modality, Volume

CONTRASTS = (Contrast.FLAIR, Contrast.T1, Contrast.T2)
NAMES = tuple(contrast.value.lower() for contrast in CONTRASTS)
KINDS = (ComparisonKind.WINDOW, ComparisonKind.LEARNED)
_TURN_DEGREES, _SHIFT_MM = 2.0, 3.0
_PATIENT = "ms_patient07"


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--volumes", type=Path)
    parser.add_argument("--heads", type=int, default=6, help="simulated ones; 0 for the patient")
    parser.add_argument("--support", type=int, default=4)
    parser.add_argument("--spacing", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--comparison",
        choices=[kind.value for kind in KINDS],
        action="append",
        help="repeatable; both unless given",
    )
    arguments = parser.parse_args()
    options = SimulationOptions(
        spacing=(arguments.spacing,) * 3, seed=arguments.seed, support=arguments.support
    )
    detector = _ComparingOnce.from_checkpoint(cache_folder=arguments.out / "cache")
    rows: list[dict[str, Any]] = []
    for kind in map(ComparisonKind, arguments.comparison or [kind.value for kind in KINDS]):
        measured = _Measured(detector, kind, options, arguments.out)
        cases = [(f"lesion-{index + 1:03d}", index) for index in range(arguments.heads)]
        rows += [measured.head(name, index) for name, index in cases]
        if arguments.volumes is not None:
            rows.append(measured.patient(arguments.volumes / _PATIENT))
    text = _table(rows)
    write_text(arguments.out / "contrasts.md", text)
    print(text)


class _ComparingOnce(Detector):
    """Compares a scan once, though it is looked at alone and with the others."""

    _last: dict[tuple[str, ComparisonKind], PlacedComparison] | None = None

    def compare(
        self,
        query: Volume,
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress = silent,
    ) -> PlacedComparison:
        """See `Detector.compare`."""
        memory = self._last if self._last is not None else {}
        key = (query.source_hash, support.comparison)
        if key not in memory:
            if len(memory) == len(CONTRASTS):
                memory = {}
            memory[key] = super().compare(query, support, options, progress)
        self._last = memory
        return memory[key]


class _Measured:
    """Measurements with one comparison; the support is prepared when it is first needed."""

    def __init__(
        self, detector: Detector, kind: ComparisonKind, options: SimulationOptions, out: Path
    ) -> None:
        self._detector = detector
        self._together = ContrastDetector(detector, out / "cache")
        self._options = DetectionOptions(comparison=kind)
        self._kind = kind
        self._simulation = options
        self._out = out / f"{kind.value}-{options.seed}-{options.spacing[0]:g}mm"
        self._normals = [simulated(options, Role.SUPPORT, i)[0] for i in range(options.support)]

    def head(self, name: str, index: int) -> dict[str, Any]:
        """A simulated head with lesions."""
        path = self._out / f"{name}.json"
        if not path.exists():
            person, lesion = simulated(self._simulation, Role.LESION, index)
            self._measure(path, name, person, lesion, volume_of_first(person).array > 0)
        return dict(json.loads(path.read_text()))

    def patient(self, folder: Path) -> dict[str, Any]:
        """The real patient."""
        path = self._out / f"{folder.name}.json"
        if not path.exists():
            scans = {name: read_volume(folder / f"{name}.nii.gz") for name in NAMES}
            lesion = read_volume(folder / "lesions.nii.gz", Modality.MR).array > 0
            brain = scans[NAMES[0]].array > scans[NAMES[0]].array.min()
            self._measure(path, folder.name, Person(folder.name, scans), lesion, brain)
        return dict(json.loads(path.read_text()))

    def _measure(
        self,
        path: Path,
        name: str,
        person: Person,
        lesion: NDArray[np.bool_],
        brain: NDArray[np.bool_],
    ) -> None:
        support = self._together.prepare_support(self._normals, NAMES, self._options)
        scans = {each: scan for each, scan in person.scans.items() if isinstance(scan, Volume)}
        fused = self._together.detect(scans, support, self._options)
        # Simulated contrasts share their voxels, and so do those of the patient.
        precisions = {"fused": precision(fused.heatmap, lesion, brain)}
        for contrast, own in zip(NAMES, support.sets, strict=True):
            alone = self._detector.detect(scans[contrast], own, self._options)
            precisions[contrast] = precision(alone.heatmap, lesion, brain)
        ranks = fused.ranks
        hit = [
            finding.carried_by for finding in fused.findings if lesion[ranks == finding.rank].any()
        ]
        figures = {
            "comparison": self._kind.value,
            "name": name,
            "precision": precisions,
            "findings": len(fused.findings),
            "hits": hit,
            "warnings": [warning.code.value for warning in fused.warnings],
        }
        write_text(path, json.dumps(figures, indent=1) + "\n")


def precision(
    heatmap: NDArray[np.float32], lesion: NDArray[np.bool_], brain: NDArray[np.bool_]
) -> float:
    """Average precision of lesion voxels within the brain."""
    return float(average_precision_score(lesion[brain], heatmap[brain]))


def simulated(
    options: SimulationOptions, role: Role, index: int
) -> tuple[Person, NDArray[np.bool_]]:
    """A person in all contrasts, and where the lesions are."""
    scans: dict[str, Volume] = {}
    lesion = np.zeros(0, dtype=bool)
    for number, contrast in enumerate(CONTRASTS):
        subject = simulate_subject(replace(options, contrast=contrast), role, index)
        seed = (options.seed, list(Role).index(role), index, number)
        scans[NAMES[number]] = subject.image if number == 0 else _moved(subject.image, seed)
        lesion = np.zeros(subject.image.shape, bool) if subject.mask is None else subject.mask > 0
    return Person(scans[NAMES[0]].name, dict(scans)), lesion


def volume_of_first(person: Person) -> Volume:
    """The scan of the reference contrast."""
    scan = person.scans[NAMES[0]]
    if not isinstance(scan, Volume):
        raise TypeError(f"{person.name}: simulated scans are volumes")
    return scan


def _moved(scan: Volume, seed: Sequence[int]) -> Volume:
    """A scan of a head that lay otherwise in the scanner."""
    generator = np.random.default_rng(seed)
    motion = np.eye(4)
    turn = generator.normal(0, _TURN_DEGREES, 3)
    motion[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    motion[:3, 3] = generator.normal(0, _SHIFT_MM, 3)
    return replace(scan, affine=motion @ scan.affine)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    columns = ("fused", *NAMES)
    lines = [
        "Average precision of lesion voxels; synthetic heads but for the patient.",
        "",
        "| comparison | case | " + " | ".join(columns) + " | findings | of them on lesions |",
        "|---|---|" + "---|" * (len(columns) + 2),
    ]
    for row in rows:
        values = " | ".join(f"{row['precision'][name]:.3f}" for name in columns)
        lines.append(
            f"| {row['comparison']} | {row['name']} | {values} | {row['findings']} | "
            f"{len(row['hits'])} |"
        )
    lines += [*_means(rows, columns), "", RESEARCH_USE_ONLY]
    return "\n".join(lines) + "\n"


def _means(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    for kind in KINDS:
        heads = [
            row["precision"]
            for row in rows
            if row["comparison"] == kind.value and row["name"] != _PATIENT
        ]
        if not heads:
            continue
        means = {name: fmean(head[name] for head in heads) for name in columns}
        values = " | ".join(f"**{means[name]:.3f}**" for name in columns)
        yield f"| {kind.value} | mean of {len(heads)} simulated heads | {values} | | |"


if __name__ == "__main__":
    main()
