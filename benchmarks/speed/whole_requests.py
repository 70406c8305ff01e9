"""`d24fad detect` from the command to the files: seconds and memory, by comparison and normals."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.speed.machine import Measured
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.simulation import SimulationOptions, simulate_cohort

SHOTS = (2, 4, 8)
COMPARISONS = (ComparisonKind.WINDOW, ComparisonKind.LEARNED)
TURNS = 2
"""Cached requests of each kind; the faster one counts, so the machine must be quiet in one."""

_KIB_IN_GIB = 1 << 20


def measure() -> Measured:
    """Simulated heads at 1 mm; requests that are compared run by turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_cohort(
            folder / "heads",
            SimulationOptions(support=SHOTS[-1], normals=0, lesions=1, spacing=(1.0, 1.0, 1.0)),
        )
        kinds = [(comparison, shots) for comparison in COMPARISONS for shots in SHOTS]
        cold = {kind: _request(folder, *kind) for kind in kinds}
        turns = [{kind: _request(folder, *kind) for kind in kinds} for _ in range(TURNS)]
    rows = []
    for comparison, shots in kinds:
        cached = min((turn[comparison, shots] for turn in turns), key=lambda row: row["seconds"])
        cold_seconds = cold[comparison, shots]["seconds"]
        rows.append(
            {"comparison": comparison.value, "shots": shots, "cold_seconds": cold_seconds, **cached}
        )
    return {"rows": rows}


def _request(folder: Path, comparison: ComparisonKind, shots: int) -> Measured:
    """One request in a process of its own; each number of normals has a cache of its own."""
    heads = folder / "heads"
    normals = sorted((heads / "support").glob("*.nii.gz"))[:shots]
    command = [sys.executable, "-m", "d24fad_core", "detect"]
    command += [str(heads / "cases" / "lesion-001.nii.gz"), "--quiet"]
    command += [part for normal in normals for part in ("--support", str(normal))]
    command += ["--comparison", comparison.value, "--threads", str(torch.get_num_threads())]
    command += ["--cache", str(folder / f"cache-{comparison.value}-{shots}")]
    command += ["--out", str(folder / "result")]
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_gib": usage.ru_maxrss / _KIB_IN_GIB,
    }


def table(measured: Measured) -> str:
    """As Markdown."""
    rows = measured["rows"]
    lines = [
        "| comparison | normals | first request, s | normals cached, s | processor time, s "
        "| peak memory, GiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['comparison']} | {row['shots']} | {row['cold_seconds']:.1f} "
            f"| {row['seconds']:.1f} | {row['processor_seconds']:.1f} | {row['peak_gib']:.2f} |"
        )
    lines.append("")
    seconds = {(row["comparison"], row["shots"]): row["seconds"] for row in rows}
    for comparison in COMPARISONS:
        ratio = seconds[comparison.value, SHOTS[-1]] / seconds[comparison.value, SHOTS[0]]
        lines.append(
            f"{SHOTS[-1]} normals take {ratio:.2f} times as long as {SHOTS[0]}, both cached "
            f"({comparison.value})."
        )
    return "\n".join(lines)
