"""The server: time to its first answer, to a result, to the same result again; bytes sent."""

import tempfile
import time
from pathlib import Path

import requests
import torch

from benchmarks.machine import Measured
from d24fad_core.data.simulation import SimulationOptions, simulate_cohort
from monailabel_app.library.infer_tasks import HEATMAP_MODEL
from monailabel_app.server_process import ServerProcess


def measure() -> Measured:
    """Ask a server of its own on 127.0.0.1, as any client does."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studies = folder / "studies"
        studies.mkdir()
        simulate_cohort(
            folder / "cohort",
            SimulationOptions(support=4, normals=1, lesions=1, spacing=(1.0, 1.0, 1.0)),
        )
        for path in folder.glob("cohort/*/*.nii.gz"):
            if path.parent.name != "masks":
                path.rename(studies / path.name)
        server = ServerProcess(
            studies,
            folder / "server.log",
            environment={"OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
        begin = time.perf_counter()
        with server:
            rows.append(_row("start to first answer", time.perf_counter() - begin, 0))
            for step, image in (
                ("first heatmap, support cold", "lesion-001"),
                ("another image, support ready", "normal-001"),
                ("the same image again, stored", "lesion-001"),
            ):
                begin = time.perf_counter()
                answer = requests.post(
                    f"{server.url}/infer/{HEATMAP_MODEL}",
                    params={"image": image, "output": "all"},
                    timeout=300,
                )
                answer.raise_for_status()
                rows.append(_row(step, time.perf_counter() - begin, len(answer.content)))
    return {"rows": rows}


def _row(step: str, seconds: float, size: int) -> Measured:
    return {"step": step, "seconds": seconds, "bytes": size}


def table(measured: Measured) -> str:
    """As Markdown."""
    lines = ["| step | s | MB sent |", "|---|---|---|"]
    lines += [
        f"| {row['step']} | {row['seconds']:.1f} | {row['bytes'] / 1e6:.1f} |"
        for row in measured["rows"]
    ]
    return "\n".join(lines)
