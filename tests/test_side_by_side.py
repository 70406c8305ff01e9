"""Two functions at once."""

from collections.abc import Iterator
from threading import Barrier, get_ident

import pytest
import torch

from d24fad_core.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_both_run_at_once() -> None:
    torch.set_num_threads(2)
    meeting = Barrier(2, timeout=60.0)  # each waits until the other is there

    def met(name: str) -> tuple[str, int]:
        meeting.wait()
        return name, get_ident()

    here, beside = side_by_side(lambda: met("here"), lambda: met("beside"))
    assert here == ("here", get_ident())
    assert beside[0] == "beside" and beside[1] != get_ident()


def test_with_one_thread_one_runs_after_the_other_in_this_thread() -> None:
    torch.set_num_threads(1)
    calls: list[str] = []

    def called(name: str) -> int:
        calls.append(name)
        return get_ident()

    threads = side_by_side(lambda: called("here"), lambda: called("beside"))
    assert threads == (get_ident(), get_ident())
    assert calls == ["here", "beside"]


@pytest.mark.parametrize("failing", ["here", "beside"])
def test_an_error_of_either_is_raised(failing: str) -> None:
    torch.set_num_threads(2)
    ended: list[str] = []

    def run(name: str) -> None:
        if name == failing:
            raise RuntimeError(f"{name} failed")
        ended.append(name)

    with pytest.raises(RuntimeError, match=f"{failing} failed"):
        side_by_side(lambda: run("here"), lambda: run("beside"))
    assert ended == ["beside" if failing == "here" else "here"]
