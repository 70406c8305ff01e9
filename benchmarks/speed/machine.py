"""What the machine can do, and how things are timed on it."""

import platform
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

Measured = dict[str, Any]
_Name = TypeVar("_Name")

_GEMM_SIZE = 2048


def describe() -> Measured:
    """What a reader needs to compare figures of two machines."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def best_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Least seconds of some runs, after one that is not counted; others' work only adds time."""
    work()
    return min(_once(work) for _ in range(repeats))


def alternating_seconds(
    works: Mapping[_Name, Callable[[], object]], repeats: int = 3
) -> dict[_Name, float]:
    """Least seconds of each of several pieces of work, run by turns.

    What slows the machine down for a while then slows all of them, so that ratios hold.
    """
    for work in works.values():
        work()
    least = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            least[name] = min(least[name], _once(work))
    return least


def _once(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def gemm_gflops() -> float:
    """Highest rate of a large float32 matrix product, as torch and as oneDNN compute it."""
    first, second = torch.rand(2, _GEMM_SIZE, _GEMM_SIZE)
    image = first.view(1, 32, -1, _GEMM_SIZE).permute(0, 3, 1, 2)
    filters = second[:, :, None, None].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = alternating_seconds(
            {
                "product": lambda: first @ second,
                "convolution": lambda: torch.nn.functional.conv2d(image, filters),
            },
            repeats=5,
        )
    return 2 * _GEMM_SIZE**3 / min(seconds.values()) / 1e9


def peak_gib() -> float:
    """Highest memory of this process so far.

    Linux hands the highest resident size in `getrusage` down to processes that are started, so its
    own account of this process's memory is read instead.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
