"""Several processes that train one model together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from d24fad_core.models.checkpoint import WEIGHTS_FILE
from d24fad_core.training.processes import TrainingProcesses, training_processes
from tests.training.small_run import run

_CODE = """
import os, sys
from pathlib import Path
import d24fad_core.training.trainer as trainer
from d24fad_core.models.checkpoint import state_hash
from tests.training.small_run import run

build, built = trainer.D24FAD, []
trainer.D24FAD = lambda *parts: built.append(build(*parts)) or built[-1]
run(Path(sys.argv[1]))
Path(sys.argv[1], "hash-" + os.environ["RANK"]).write_text(state_hash(built[-1]))
"""


def test_a_process_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    model = torch.nn.BatchNorm2d(2)
    model.weight.grad = torch.ones(2)
    with training_processes("cpu") as processes:
        processes.wait()
        processes.share_weights(model)
        processes.average_gradients(model.parameters())
        processes.average_statistics(model)
    assert (processes, processes.seed(5), processes.is_first) == (TrainingProcesses(), 5, True)
    assert model.weight.grad.tolist() == [1.0, 1.0]
    assert model.bias.grad is None


def test_every_process_draws_other_episodes() -> None:
    assert len({TrainingProcesses(rank, 8).seed(3) for rank in range(8)}) == 8


@pytest.mark.slow
def test_two_processes_end_with_one_model(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(_CODE)
    together = tmp_path / "together"
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--standalone", "--local-addr", "127.0.0.1", str(script), str(together)),
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        timeout=900,
    )
    hashes = {(together / f"hash-{rank}").read_text() for rank in range(2)}
    assert len(hashes) == 1
    assert len(list((together / "tensorboard").iterdir())) == 1

    run(tmp_path / "alone")
    one, two = (
        load_file(folder / "checkpoint" / WEIGHTS_FILE) for folder in (tmp_path / "alone", together)
    )
    assert any(not torch.equal(one[name], two[name]) for name in one)
