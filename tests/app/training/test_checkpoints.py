"""Which checkpoint is served, what training added, and what survives."""

from pathlib import Path
from typing import Any

import pytest

from d24fad_core.errors import CheckpointError
from d24fad_core.models.checkpoint import ModelCard, read_card, save_checkpoint
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from monailabel_app.training.checkpoints import Checkpoints
from tests.training.small_run import BY_POSITION, network

VERDICT = {"accepted": True, "statement": "Better."}


def checkpoint(folder: Path, seed: int) -> Path:
    save_checkpoint(network(seed=seed), ModelCard(f"number {seed}", BY_POSITION, 64), folder)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("own"), 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("trained"), 2)


def nothing(folder: Path) -> None:
    pass


def add(checkpoints: Checkpoints, trained: Path, **verdict: Any) -> str:
    return checkpoints.add(trained, checkpoints.served, "default", {**VERDICT, **verdict}).hash


def test_the_operators_checkpoint_is_served_until_another_takes_its_place(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path, database, own)
    first = checkpoints.served
    assert checkpoints.path(first) == own
    added = add(checkpoints, trained)
    assert checkpoints.served == first
    loaded: list[Path] = []
    checkpoints.serve(added, loaded.append)
    assert loaded == [checkpoints.path(added)] and checkpoints.served == added
    assert read_card(loaded[0]).metrics["held_out_normals"] == VERDICT
    after_restart = Checkpoints(tmp_path, database, own)
    assert after_restart.served == added
    after_restart.serve(first, nothing)
    assert Checkpoints(tmp_path, database, own).served == first
    assert [record.hash for record in after_restart.all()] == [first, added]
    assert after_restart.get(added).continued_from == first


def test_an_operator_who_names_another_checkpoint_gets_it(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path / "state", database, own)
    checkpoints.serve(add(checkpoints, trained), nothing)
    third = checkpoint(tmp_path / "third", 3)
    assert (
        Checkpoints(tmp_path / "state", database, third).path(
            Checkpoints(tmp_path, database, third).served
        )
        == third
    )


def test_a_checkpoint_that_does_not_load_changes_nothing(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path, database, own)
    before, added = checkpoints.served, add(checkpoints, trained)

    def fail(folder: Path) -> None:
        raise CheckpointError("it is damaged", "copy it again.")

    with pytest.raises(CheckpointError):
        checkpoints.serve(added, fail)
    assert checkpoints.served == before


def test_a_refused_checkpoint_is_on_record_without_its_weights(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path, database, own)
    refusal = add(checkpoints, trained, accepted=False)
    assert not checkpoints.get(refusal).kept
    assert not list(tmp_path.rglob("*.safetensors"))
    with pytest.raises(RequestError, match="was not kept"):
        checkpoints.serve(refusal, nothing)
    with pytest.raises(RequestError, match="There is no checkpoint 'nothing'"):
        checkpoints.path("nothing")


def test_adding_twice_is_adding_once(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path, database, own)
    assert add(checkpoints, trained) == add(checkpoints, trained)
    assert len(checkpoints.all()) == 2
    assert not list(tmp_path.glob(".partial-*"))


def test_a_served_checkpoint_that_was_deleted_gives_way_to_the_operators(
    own: Path, trained: Path, tmp_path: Path, database: Database
) -> None:
    checkpoints = Checkpoints(tmp_path, database, own)
    first, added = checkpoints.served, add(checkpoints, trained)
    checkpoints.serve(added, nothing)
    for file in checkpoints.path(added).iterdir():
        file.unlink()
    assert Checkpoints(tmp_path, database, own).served == first
