"""A prior without normals on heads of 1 mm: seconds and memory, from the start to the files."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import torch

from benchmarks.change.planting import simulate_pair
from benchmarks.speed.machine import Measured, peak_gib
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.volumes.volume import Volume

SPACING = (1.0, 1.0, 1.0)
TURNS = 3
"""Comparisons, each in a process of its own; the one of least seconds is told."""
_SEED = 3


def measure() -> Measured:
    """Simulated brains of 1 mm, of which the prior lies otherwise and has thicker slices."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = SimulationOptions(contrast=Contrast.T1, spacing=SPACING)
        pair = simulate_pair(simulate_subject(options, Role.NORMAL, 0).image, _SEED, changed=True)
        case, prior = (
            _saved(study, folder / f"{label}.nii.gz")
            for label, study in (("case", pair.case), ("prior", pair.prior))
        )
        rows = [_compare(case, prior) for _ in range(TURNS)]
    return {"row": min(rows, key=lambda row: float(row["in_all"]))}


def table(measured: Measured) -> str:
    """As Markdown."""
    row = measured["row"]
    parts = ("import", "read", "compare", "write", "in_all", "processor")
    shapes = " and ".join(" x ".join(map(str, shape)) for shape in row["shapes"])
    seconds = " | ".join(f"{row[part]:.1f}" for part in parts)
    return "\n".join(
        [
            "| pair | imports, s | read files | compare | write | in all | of processors "
            "| peak memory, GiB |",
            "|---|---|---|---|---|---|---|---|",
            f"| {shapes} | {seconds} | {row['peak_gib']:.2f} |",
            "",
            f"{row['changes']} changes.",
        ]
    )


def _saved(study: Volume, path: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(study.array, study.affine), path)
    return path


def _compare(case: Path, prior: Path) -> Measured:
    arguments = [str(case), str(prior), str(torch.get_num_threads())]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.prior", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: Measured = json.loads(done.stdout.splitlines()[-1])
    return row


def _alone(case: str, prior: str, threads: str) -> Measured:
    """One comparison of brains alone, so that no head is stripped."""
    begin = time.perf_counter()
    import SimpleITK

    from d24fad_core.change.comparison import compare_with_prior
    from d24fad_core.cli.cases.studies import read_study
    from d24fad_core.export import write_change_result

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(int(threads))
    imported = time.perf_counter()
    now, before = (read_study(Path(path), None) for path in (case, prior))
    read_end = time.perf_counter()
    change = compare_with_prior(now, before)
    compared = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_change_result(now, change, Path(folder))
        write_end = time.perf_counter()
    return {
        "shapes": [list(now.shape), list(before.shape)],
        "import": imported - begin,
        "read": read_end - imported,
        "compare": compared - read_end,
        "write": write_end - compared,
        "in_all": write_end - begin,
        "processor": time.process_time(),
        "peak_gib": peak_gib(),
        "changes": len(change.changes),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_alone(*sys.argv[1:])) + "\n")
