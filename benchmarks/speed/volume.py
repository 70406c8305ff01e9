"""The default model on whole volumes: seconds, memory, and how they grow."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy import ndimage

from benchmarks.speed.machine import Measured, peak_gib
from d24fad_core.simulation import SimulationOptions, simulate_cohort

SHOTS = 8
SLICES = 160
TURNS = 5
"""Cached analyses of each number of supports; the middle one is told."""


def measure() -> Measured:
    """Every analysis in a process of its own, from reading the files to the files written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = _cohort(folder)
        case = cohort / "cases" / "lesion-001.nii.gz"
        caches = {shots: folder / f"cache-{shots}" for shots in (2, 4, 8)}
        rows = {
            f"{shots} supports, cold": _analyse(case, cohort, shots, cache)
            for shots, cache in caches.items()
        }
        # Compared with each other, so by turns.
        turns = [
            {shots: _analyse(case, cohort, shots, cache) for shots, cache in caches.items()}
            for _ in range(TURNS)
        ]
        for shots in caches:
            by_time = sorted((turn[shots] for turn in turns), key=lambda row: row["in_all"])
            rows[f"{shots} supports, cached"] = by_time[TURNS // 2]
        for slices in (80, 320):
            other = _stretched(case, folder / f"slices-{slices}.nii.gz", (1, 1, slices / SLICES))
            rows[f"4 supports, cached, {slices} slices"] = _analyse(
                other, cohort, 4, folder / "cache-4"
            )
        other = _stretched(case, folder / "wide.nii.gz", (2, 2, 1))
        rows["4 supports, cached, twice the pixels a side"] = _analyse(
            other, cohort, 4, folder / "cache-4"
        )
    return {"rows": rows}


def _cohort(folder: Path) -> Path:
    """Simulated heads at 1 mm, cut or padded to 160 slices."""
    cohort = folder / "cohort"
    simulate_cohort(
        cohort,
        SimulationOptions(support=SHOTS, normals=0, lesions=1, spacing=(1.0, 1.0, 1.0)),
    )
    for path in [*(cohort / "support").glob("*.nii.gz"), *(cohort / "cases").glob("*.nii.gz")]:
        image = nibabel.load(path)
        array = image.get_fdata(dtype=np.float32)
        spare = array.shape[2] - SLICES
        array = array[:, :, max(0, spare // 2) :][:, :, :SLICES]
        array = np.pad(array, ((0, 0), (0, 0), (0, SLICES - array.shape[2])))
        nibabel.save(nibabel.Nifti1Image(array, image.affine), path)
    return cohort


def _stretched(source: Path, target: Path, factors: tuple[float, float, float]) -> Path:
    """The same head on a finer or coarser grid."""
    image = nibabel.load(source)
    array = ndimage.zoom(image.get_fdata(dtype=np.float32), factors, order=1)
    affine = image.affine @ np.diag([*(1 / np.array(factors)), 1.0])
    nibabel.save(nibabel.Nifti1Image(array, affine), target)
    return target


def _analyse(case: Path, cohort: Path, shots: int, cache: Path) -> Measured:
    arguments = [str(case), str(cohort / "support"), str(shots), str(cache)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.volume", *arguments, str(torch.get_num_threads())],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: Measured = json.loads(done.stdout.splitlines()[-1])
    return row


def _alone(case: str, support: str, shots: str, cache: str, threads: str) -> Measured:
    """One analysis; imports are counted apart, since a server has them behind it."""
    begin = time.perf_counter()
    from d24fad_core.cli.cases.studies import open_support, read_study
    from d24fad_core.comparison.kind import ComparisonKind
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.export import write_result
    from d24fad_core.io.reading import find_studies

    torch.set_num_threads(int(threads))
    imported = time.perf_counter()
    detector = Detector.from_checkpoint(cache_folder=Path(cache))
    loaded = time.perf_counter()
    query = read_study(Path(case), None)
    opened = open_support(find_studies(Path(support))[: int(shots)], None, None, Path(cache))
    normals = opened.for_case(query)
    read_end = time.perf_counter()
    prepared_support = detector.prepare_support(
        normals, DetectionOptions(comparison=ComparisonKind.WINDOW)
    )
    prepared = time.perf_counter()
    result = detector.detect(query, prepared_support)
    analysed = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_result(query, result, Path(folder))
        write_end = time.perf_counter()
    return {
        "shape": list(query.shape),
        "import": imported - begin,
        "load": loaded - imported,
        "read": read_end - loaded,
        "prepare": prepared - read_end,
        "analyse": analysed - prepared,
        "write": write_end - analysed,
        "in_all": write_end - begin,
        "peak_gib": peak_gib(),
    }


def table(measured: Measured) -> str:
    """As Markdown."""
    parts = ("import", "load", "read", "prepare", "analyse", "write", "in_all")
    lines = [
        "| volume | imports, s | load model | read files | support | analyse | write | in all "
        "| peak memory, GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in measured["rows"].items():
        shape = " x ".join(str(length) for length in row["shape"])
        seconds = " | ".join(f"{row[part]:.1f}" for part in parts)
        lines.append(f"| {shape}, {name} | {seconds} | {row['peak_gib']:.2f} |")
    two, eight = (measured["rows"][f"{shots} supports, cached"]["in_all"] for shots in (2, 8))
    lines += ["", f"8 supports take {eight / two:.2f} times as long as 2, both cached."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_alone(*sys.argv[1:])) + "\n")
