"""In which order several processes take the files of the tests."""

from pathlib import Path
from types import SimpleNamespace

from tests.conftest import long_files_first


def item(name: str, *, slow: bool = False) -> SimpleNamespace:
    path = Path(name.partition("::")[0])
    return SimpleNamespace(
        name=name, path=path, get_closest_marker=lambda mark: slow and mark == "slow"
    )


def test_files_with_slow_tests_are_first_and_stay_whole() -> None:
    items = [
        item("a.py::one"),
        item("b.py::one"),
        item("b.py::two", slow=True),
        item("b.py::three"),
        item("c.py::one"),
        item("d.py::one", slow=True),
    ]
    assert [each.name for each in long_files_first(items)] == [
        *("b.py::one", "b.py::two", "b.py::three", "d.py::one"),
        *("a.py::one", "c.py::one"),
    ]
