"""The server: time to its first answer, to a result, to the same result again; bytes sent."""

import json
import tempfile
import time
from pathlib import Path

import requests
import torch

from benchmarks.speed.machine import Measured
from d24fad_core.simulation import SimulationOptions, simulate_cohort
from monailabel_app.analysis.model_names import HEATMAP_MODEL
from monailabel_app.server_process import ServerProcess

SHOTS = (2, 4, 8)
IMAGES = tuple(f"normal-{number:03}" for number in range(1, 8))


def measure() -> Measured:
    """Ask a server of its own on 127.0.0.1, as any client does."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ServerProcess(
            _studies(folder),
            folder / "server.log",
            environment={"OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
        begin = time.perf_counter()
        with server:
            rows.append(_row("start to first answer", time.perf_counter() - begin, 0))
            for shots in SHOTS:
                step = f"first heatmap, {shots} supports cold"
                rows.append(_ask(server.url, "lesion-001", shots, step))
            # Compared with each other, so by turns.
            ready = [
                _ask(server.url, image, shots, f"another image, {shots} supports ready")
                for image in IMAGES
                for shots in SHOTS
            ]
            for first in range(len(SHOTS)):
                rows.append(sorted(ready[first :: len(SHOTS)], key=_seconds)[len(IMAGES) // 2])
            rows.append(_ask(server.url, "lesion-001", 4, "the same image again, stored"))
    return {"rows": rows}


def _studies(folder: Path) -> Path:
    """Simulated heads at 1 mm, all in one folder as servers have them."""
    studies = folder / "studies"
    studies.mkdir()
    simulate_cohort(
        folder / "cohort",
        SimulationOptions(
            support=max(SHOTS), normals=len(IMAGES), lesions=1, spacing=(1.0, 1.0, 1.0)
        ),
    )
    for path in folder.glob("cohort/*/*.nii.gz"):
        if path.parent.name != "masks":
            path.rename(studies / path.name)
    return studies


def _ask(url: str, image: str, shots: int, step: str) -> Measured:
    support = [f"support-{number:03}" for number in range(1, shots + 1)]
    begin = time.perf_counter()
    answer = requests.post(
        f"{url}/infer/{HEATMAP_MODEL}",
        params={"image": image, "output": "all"},
        data={"params": json.dumps({"support": support, "comparison": "window"})},
        timeout=300,
    )
    answer.raise_for_status()
    return _row(step, time.perf_counter() - begin, len(answer.content))


def _row(step: str, seconds: float, size: int) -> Measured:
    return {"step": step, "seconds": seconds, "bytes": size}


def _seconds(row: Measured) -> float:
    return float(row["seconds"])


def table(measured: Measured) -> str:
    """As Markdown."""
    lines = ["| step | s | MB sent |", "|---|---|---|"]
    lines += [
        f"| {row['step']} | {row['seconds']:.2f} | {row['bytes'] / 1e6:.1f} |"
        for row in measured["rows"]
    ]
    return "\n".join(lines)
