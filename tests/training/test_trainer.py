import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from d24fad_core.errors import CancelledError, CheckpointError, ConfigurationError, InputError
from d24fad_core.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_card, state_hash
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import Episode, ImageEpisodes
from d24fad_core.training.trainer import CONFIG_FILE, STATE_FILE
from tests.training.small_run import BY_IMAGE, CONFIG, network, pictures, run, tasks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / WEIGHTS_FILE)


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    assert differing == []


def epochs_done(folder: Path) -> int:
    return torch.load(folder / STATE_FILE, weights_only=True)["epoch"]


class _StopAt:
    """Raises an exception at a step of an epoch; remembers the steps that it was told of."""

    def __init__(self, step: int, epoch: int, fault: BaseException) -> None:
        self.place, self.fault = (step, epoch), fault
        self.steps: list[tuple[int, int]] = []

    def __call__(self, step: int, epoch: int) -> None:
        self.steps.append((step, epoch))
        if (step, epoch) == self.place:
            raise self.fault


def test_training_changes_the_student_and_its_norms(finished: Path, tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, epochs=1, steps=1, learning_rate=1e-12))
    before, after = weights(tmp_path), weights(finished)
    same = [
        name
        for name in after
        if "num_batches" not in name and torch.equal(before[name], after[name])
    ]
    assert same == []


def test_the_same_run_gives_the_same_weights(finished: Path, tmp_path: Path) -> None:
    run(tmp_path)
    assert_same_weights(finished, tmp_path)


def test_another_seed_gives_other_weights(finished: Path, tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, seed=6))
    one, other = weights(finished), weights(tmp_path)
    kernels = [name for name, value in one.items() if value.ndim == 4]
    assert kernels
    assert [name for name in kernels if torch.equal(one[name], other[name])] == []


def test_every_epoch_has_episodes_of_its_own(tmp_path: Path) -> None:
    drawn: list[bytes] = []

    class Recorded(ImageEpisodes):
        def draw(self, *arguments: Any, **more: Any) -> Episode:
            episode = super().draw(*arguments, **more)
            drawn.append(episode.query.numpy().tobytes())
            return episode

    run(tmp_path, sources=[Recorded("squares", pictures(12, 1))])
    trained_on = drawn[-CONFIG.epochs * CONFIG.steps :]
    assert len(set(trained_on)) == len(trained_on)


def test_training_begins_with_the_weights_given(finished: Path, tmp_path: Path) -> None:
    still = replace(CONFIG, epochs=1, steps=1, learning_rate=1e-12)
    model = network(seed=3)
    run(tmp_path / "given", still, initial=model)
    run(tmp_path / "random", still)
    after, other = weights(tmp_path / "given"), weights(tmp_path / "random")
    kernels = [name for name, value in after.items() if value.ndim == 4]
    for name in kernels:
        torch.testing.assert_close(after[name], model.state_dict()[name])
        assert not torch.allclose(other[name], after[name])
    card = read_card(tmp_path / "given" / "checkpoint")
    assert card.training["initial_weights"] == state_hash(model)
    assert "initial_weights" not in read_card(tmp_path / "random" / "checkpoint").training


def test_the_model_to_begin_with_is_left_as_it_was(tmp_path: Path) -> None:
    model = network(seed=3)
    before = state_hash(model)
    run(tmp_path, replace(CONFIG, epochs=1), initial=model)
    assert state_hash(model) == before
    assert not model.training


def test_a_run_does_not_go_on_from_other_weights(tmp_path: Path) -> None:
    short = replace(CONFIG, epochs=1, steps=1)
    run(tmp_path, short, initial=network(seed=3))
    with pytest.raises(CheckpointError, match="other settings or tasks"):
        run(tmp_path, short, initial=network(seed=4))
    with pytest.raises(CheckpointError, match="other settings or tasks"):
        run(tmp_path, short)


def test_a_model_of_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="another architecture"):
        run(tmp_path / "run", initial=network(BY_IMAGE))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("network", [CONFIG.network, BY_IMAGE], ids=["default", "as published"])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, network: object
) -> None:
    """Killed for real, without warning, in the middle of the second epoch."""
    config = replace(CONFIG, network=network, one_cycle=network is CONFIG.network)
    killed = tmp_path / "killed"
    code = (
        "import os, signal, sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.training.small_run import BY_IMAGE, CONFIG, run\n"
        "def kill(step, epoch):\n"
        "    if (step, epoch) == (1, 2):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "network = BY_IMAGE if sys.argv[2] == 'image' else CONFIG.network\n"
        "config = replace(CONFIG, network=network, one_cycle=sys.argv[2] != 'image')\n"
        "run(Path(sys.argv[1]), config, kill)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, killed, config.network.weighting],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == -signal.SIGKILL
    assert epochs_done(killed) == 1
    assert not (killed / "checkpoint").exists()

    steps: list[tuple[int, int]] = []
    run(killed, config, lambda step, epoch: steps.append((step, epoch)))
    assert steps == [(1, 2), (2, 2), (1, 3), (2, 3)]
    run(tmp_path / "undisturbed", config)
    assert_same_weights(tmp_path / "undisturbed", killed)


def test_ctrl_c_says_how_to_go_on_and_loses_no_finished_epoch(
    finished: Path, tmp_path: Path
) -> None:
    stop = _StopAt(2, 2, KeyboardInterrupt())
    with pytest.raises(
        CancelledError, match=r"^stopped after epoch 1; repeat the command to go on$"
    ):
        run(tmp_path, on_step=stop)
    assert epochs_done(tmp_path) == 1
    again = _StopAt(1, 3, KeyboardInterrupt())
    with pytest.raises(CancelledError, match="after epoch 2"):
        run(tmp_path, on_step=again)
    assert again.steps == [(1, 2), (2, 2), (1, 3)]
    run(tmp_path)
    assert_same_weights(finished, tmp_path)


def test_ctrl_c_in_the_first_epoch_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(CancelledError, match="after epoch 0"):
        run(tmp_path, on_step=_StopAt(1, 1, KeyboardInterrupt()))
    assert not (tmp_path / STATE_FILE).exists()


def test_a_finished_run_is_not_trained_further(finished: Path, tmp_path: Path) -> None:
    before = weights(finished)
    run(finished, on_step=lambda *_: pytest.fail("trained again"))
    after = weights(finished)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "config",
    [replace(CONFIG, seed=9), replace(CONFIG, epochs=4), replace(CONFIG, tsd_weight=1.0)],
    ids=["seed", "epochs", "loss"],
)
def test_a_folder_holds_one_run_only(finished: Path, config: TrainingConfig) -> None:
    with pytest.raises(CheckpointError, match=r"other settings or tasks; give another --out"):
        run(finished, config)


def test_a_run_does_not_go_on_with_other_tasks(finished: Path) -> None:
    with pytest.raises(CheckpointError, match="other settings or tasks"):
        run(finished, sources=tasks()[:1])


def test_the_checkpoint_says_how_it_was_made_and_loads(tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, epochs=1), pretrained=True)
    model, card = load_checkpoint(tmp_path / "checkpoint")
    assert card.network == CONFIG.network and card.image_size == 64
    assert card.training["tasks"] == ["squares", "others"]
    assert card.training["seed"] == CONFIG.seed
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["steps"] == CONFIG.steps
    assert not model.training
    assert read_card(tmp_path / "checkpoint").weights_hash == card.weights_hash


def test_losses_of_every_epoch_are_on_tensorboard_once(tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        run(tmp_path, on_step=_StopAt(1, 2, KeyboardInterrupt()))
    means: dict[int, dict[str, float]] = {}
    run(tmp_path, on_epoch=lambda epoch, values: means.update({epoch: values}))
    assert sorted(means) == [2, 3]

    seen: dict[str, list[tuple[int, float]]] = {}
    for events in sorted((tmp_path / "tensorboard").iterdir()):
        reader = EventAccumulator(str(events))
        reader.Reload()
        for tag in reader.Tags()["scalars"]:
            curve = [(event.step, event.value) for event in reader.Scalars(tag)]
            seen.setdefault(tag, []).extend(curve)
    assert set(seen) == {"train/ssd", "train/tsd", "train/total", "train/diversity"}
    for tag, points in seen.items():
        assert sorted(epoch for epoch, _ in points) == [1, 2, 3]
        for epoch, values in means.items():
            assert dict(points)[epoch] == pytest.approx(values[tag.removeprefix("train/")])


def test_the_warm_up_lasts_as_long_as_it_should(tmp_path: Path) -> None:
    means: list[float] = []
    run(
        tmp_path,
        replace(CONFIG, epochs=4, tsd_warm_up=0.5),
        on_epoch=lambda _, values: means.append(values["ssd"]),
    )
    assert means[:2] == [0.0, 0.0]
    assert min(means[2:]) > 0.0


def test_a_full_disk_leaves_the_state_of_the_epoch_before(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CancelledError):
        run(tmp_path, on_step=_StopAt(1, 2, KeyboardInterrupt()))

    def half(path: Path, content: bytes) -> None:
        with path.open("wb") as stream:
            stream.write(b"half a state")
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path)
    assert epochs_done(tmp_path) == 1
    assert not list(tmp_path.glob(".partial-*"))
    run(tmp_path)
    assert_same_weights(finished, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04 half"])
def test_a_damaged_state_is_named(finished: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIG_FILE).write_bytes((finished / CONFIG_FILE).read_bytes())
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{STATE_FILE} cannot be read .* delete it"):
        run(tmp_path)
    assert (tmp_path / STATE_FILE).read_bytes() == content


def test_a_state_with_code_in_it_is_refused(finished: Path, tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_bytes((finished / CONFIG_FILE).read_bytes())
    touched = tmp_path / "touched"
    torch.save({"epoch": _Touches(touched)}, tmp_path / STATE_FILE)
    with pytest.raises(CheckpointError):
        run(tmp_path)
    assert not touched.exists()


class _Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_a_collapsing_student_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = replace(
        CONFIG,
        epochs=2,
        steps=8,
        tsd_weight=0.0,
        stop_gradient=False,
        learning_rate=3e-3,
        one_cycle=False,
    )
    with caplog.at_level(logging.WARNING, "d24fad_core"):
        run(tmp_path, config)
    assert "epoch 2: student features hardly depend on the query" in caplog.text


def test_a_healthy_student_is_not_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    diversities = []
    run(
        tmp_path,
        pretrained=True,
        on_epoch=lambda epoch, means: diversities.append(means["diversity"]),
    )
    assert min(diversities) > 0.1
    assert "collapsing" not in caplog.text


def test_without_data_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training data"):
        run(tmp_path / "run", sources=[])
    assert not (tmp_path / "run").exists()


def test_a_task_that_is_too_small_is_named_before_training_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [*tasks(), ImageEpisodes("tiny", pictures(4, 3))]
    with pytest.raises(InputError, match="'tiny' has 4"):
        run(tmp_path / "run", sources=sources)
    assert not (tmp_path / "run").exists()
    assert caplog.text == ""


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"device 'abacus' cannot be used here"):
        run(tmp_path / "run", device="abacus")
    assert not (tmp_path / "run").exists()
