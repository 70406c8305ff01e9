"""`python -m benchmarks.other_scanner --out OUT`: cases from another scanner than their normals.

Simulated cases whose grey values, regional signal, sharpness, slice thickness, bias and noise are
changed by draws of their own, against normals as they are simulated. Repeat the command to go on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.evaluation.methods import NEAREST_NEIGHBOUR, TRANSLATED, nearest_neighbour
from d24fad_core.evaluation.volume_protocol import VolumeEvaluation, evaluate_volumes
from d24fad_core.files import write_text
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.simulation import Contrast, SimulationOptions, simulate_cohort
from d24fad_core.simulation.anatomy import smooth_field
from d24fad_core.volumes.volume import Plane

PLANES = {"axial": (Plane.AXIAL,), "three, fused": tuple(Plane)}
_REGION_MM, _BIAS_MM = 20.0, 40.0
_THICK_MM = 5.0


def other_acquisition(
    array: NDArray[np.float32], spacing: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """The same head as another scanner might show it; outside it stays 0.

    Args:
        array: (I, J, K) signal.
        spacing: (3,) mm.
        rng: draws everything.
    """
    inside = array > 0
    signal = array / np.percentile(array[inside], 99)
    signal = np.maximum(signal, 0.0) ** np.exp(rng.normal(0.0, 0.3))
    signal = signal * (1 + 0.08 * _field(rng, array.shape, _REGION_MM / spacing.mean()))
    signal = ndimage.gaussian_filter(signal, rng.uniform(0.0, 1.2) / spacing)
    if rng.uniform() < 0.3:
        signal = ndimage.uniform_filter1d(signal, max(1, round(_THICK_MM / spacing[2])), axis=2)
    bias = _field(rng, array.shape, _BIAS_MM / spacing.mean())
    signal = signal * np.exp(rng.uniform(0.05, 0.15) * bias)
    noise = rng.uniform(0.02, 0.05)
    real, imaginary = noise * rng.standard_normal((2, *array.shape))
    signal = np.hypot(signal + real, imaginary)
    recorded: NDArray[np.float32] = (rng.uniform(300.0, 900.0) * signal * inside).astype(np.float32)
    return recorded


def _field(
    rng: np.random.Generator, shape: tuple[int, ...], correlation: float
) -> NDArray[np.float32]:
    first, second, third = shape
    return smooth_field(rng, (first, second, third), correlation)


def main() -> None:
    """Simulate, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=401)
    parser.add_argument("--support", type=int, default=4)
    parser.add_argument("--cases", type=int, default=8, help="with lesions, and as many without")
    arguments = parser.parse_args()
    rows = []
    for contrast in (Contrast.FLAIR, Contrast.T1):
        options = SimulationOptions(
            contrast=contrast,
            seed=arguments.seed,
            support=arguments.support,
            normals=arguments.cases,
            lesions=arguments.cases,
        )
        for acquired in ("as the normals", "otherwise"):
            folder = arguments.out / f"{contrast.value}-{acquired.replace(' ', '-')}"
            if not (folder / "cohort.json").exists():
                _simulate(folder, options, change=acquired == "otherwise")
            for planes in PLANES:
                for name, figures in _measured(folder, planes):
                    rows.append(
                        f"| {contrast.value} | {acquired} | {planes} | {name} | {figures} |"
                    )
    table = "\n".join(
        [
            "| contrast | acquired | planes | method | voxel AUROC, mean of cases | voxel AP "
            "| AUPRO | volume AUROC |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            RESEARCH_USE_ONLY,
            "",
        ]
    )
    write_text(arguments.out / "other_scanner.md", table)
    print(table)


def _simulate(folder: Path, options: SimulationOptions, *, change: bool) -> None:
    making = folder.with_name(f"{folder.name}.making")
    simulate_cohort(making, options)
    for number, path in enumerate(sorted((making / "cases").glob("*.nii.gz"))):
        if change:
            image = nibabel.load(path)
            spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
            rng = np.random.default_rng((options.seed, number))
            changed = other_acquisition(image.get_fdata(dtype=np.float32), spacing, rng)
            nibabel.save(nibabel.Nifti1Image(changed, image.affine), path)
    making.rename(folder)


def _measured(folder: Path, planes: str) -> Iterator[tuple[str, str]]:
    """Name and figures of each method, from the file where they were measured before."""
    file = folder / f"{planes.split(',')[0]}.json"
    if not file.exists():
        model, card = load_checkpoint()
        scoring = ScoringConfig.from_dict(card.scoring)
        options = DetectionOptions(planes=PLANES[planes], comparison=ComparisonKind.WINDOW)
        methods = {"default": scoring, NEAREST_NEIGHBOUR: nearest_neighbour(scoring)}
        evaluations = evaluate_volumes(model, card, methods, folder, options=options)
        translated = replace(options, comparison=ComparisonKind.TRANSLATED)
        evaluations |= evaluate_volumes(
            model, card, {TRANSLATED: scoring}, folder, options=translated
        )
        write_text(file, json.dumps({name: _figures(each) for name, each in evaluations.items()}))
    yield from json.loads(file.read_text()).items()


def _figures(evaluation: VolumeEvaluation) -> str:
    volumes = "" if evaluation.volumes is None else f"{evaluation.volumes.auroc.value:.2f}"
    voxels = evaluation.voxels
    return (
        f"{evaluation.mean_voxel_auroc:.3f} | {voxels.average_precision.value:.3f} | "
        f"{voxels.aupro.value:.3f} | {volumes}"
    )


if __name__ == "__main__":
    main()
