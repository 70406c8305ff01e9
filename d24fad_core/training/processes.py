"""Several processes that train one model together, as `torchrun` starts them.

Each draws episodes of its own; gradients are averaged before every step, so that all keep the same
weights. Only the first writes files.

Not `DistributedDataParallel`: it averages where the forward pass of the module that it wraps was
called, and an episode calls the parts of the network one by one, the student twice.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

_SEED_STEP = 1_000_003


@dataclass(frozen=True)
class TrainingProcesses:
    """This process's place among those that train together.

    Attributes:
        rank: number of this process.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """A seed of this process's own; the first keeps the run's."""
        return seed + _SEED_STEP * self.rank

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.count > 1:
            dist.barrier()

    def share_weights(self, model: nn.Module) -> None:
        """Give all processes the first one's parameters and buffers."""
        if self.count > 1:
            for value in (*model.parameters(), *model.buffers()):
                dist.broadcast(value.detach(), 0)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                _average(parameter.grad, self.count)

    def average_statistics(self, model: nn.Module) -> None:
        """Replace the running statistics of batch normalisation by their mean."""
        if self.count > 1:
            for buffer in model.buffers():
                if buffer.is_floating_point():
                    _average(buffer, self.count)


def _average(values: torch.Tensor, count: int) -> None:
    dist.all_reduce(values)
    values /= count


@contextmanager
def training_processes(device: str) -> Iterator[TrainingProcesses]:
    """Join the other processes where `torchrun` started this one; else be alone.

    Args:
        device: NCCL connects the processes on GPUs, Gloo on CPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or dist.is_initialized():
        yield TrainingProcesses()
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield TrainingProcesses(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
