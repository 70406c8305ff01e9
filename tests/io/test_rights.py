"""A file that may not be read is not called damaged."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from tests.io.stored_studies import WRITERS

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of another kind")
@pytest.mark.parametrize("write", WRITERS)
def test_a_lack_of_rights_is_told_as_such(write, open_folder: Path) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    path = write(open_folder, array, np.diag([1.0, 2.0, 3.0, 1.0]))
    closed = sorted(path.iterdir())[2] if path.is_dir() else path
    closed.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(InputError, match="Permission denied") as caught:
            read_volume(path)
    finally:
        if root:
            os.seteuid(0)
    assert "not a whole" not in str(caught.value)
    assert closed.name in str(caught.value)
