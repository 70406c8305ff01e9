"""anomalib's PatchCore and Reverse Distillation against this project, same backbone and images.

They run in an environment of their own (`peers_environment.sh` makes it), all models of the table
in that one process and by turns, on the same PyTorch.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.speed.machine import Measured

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parent / ".peers"


def measure() -> Measured:
    """Milliseconds an image of every model; makes the environment first where it is missing."""
    if not (_ENVIRONMENT / ".ready").exists():
        subprocess.run(
            [str(_HERE / "peers_environment.sh"), sys.executable, str(_ENVIRONMENT)], check=True
        )
    worker = subprocess.run(
        [
            str(_ENVIRONMENT / "bin" / "python"),
            "-m",
            "benchmarks.speed.peers_worker",
            str(torch.get_num_threads()),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_HERE.parents[1],
    )
    measured: Measured = json.loads(worker.stdout.splitlines()[-1])
    return measured


def table(measured: Measured) -> str:
    """As Markdown."""
    lines = ["| model | precision | GFLOP an image | ms an image |", "|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['precision']} | {row['gflop']:.1f} | {row['milliseconds']:.1f} |"
        for row in measured["rows"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"wide_resnet50_2 with random weights, 128 px, batches of {measured['batch']}, "
            f"{measured['shots']} normal images, anomalib {measured['anomalib']}. bfloat16 changes "
            "the paper's score by "
            f"{measured['bfloat16_score_difference']:.1e} at most, which is "
            f"{measured['bfloat16_in_deviations']:.2f} standard deviations of the images' scores.",
        ]
    )
