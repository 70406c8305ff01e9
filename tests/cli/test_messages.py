import warnings

import pytest

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.cli.messages import progress_bar, say, spoken_warnings


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("first\n   second")
    assert capsys.readouterr().err == "first second\n"


def test_only_warnings_of_the_library_are_spoken(capsys: pytest.CaptureFixture[str]) -> None:
    with spoken_warnings():
        warnings.warn_explicit("look", UserWarning, "a.py", 1, module="d24fad_core.io.reading")
        warnings.warn_explicit("noise", UserWarning, "b.py", 1, module="somebody.else")
    assert capsys.readouterr().err == "warning: look\n"


def test_what_is_said_of_a_cache_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with spoken_warnings():
            for _ in range(3):
                warnings.warn("the cache is full", CacheWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: the cache is full\n"


def test_no_bar_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("support") as progress:
        progress("features", 0.5)
    assert capsys.readouterr().err == ""
