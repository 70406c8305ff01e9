"""What was kept comes back bit for bit, or not at all."""

import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from tests.byte_changes import change_bytes

TENSORS = {
    "teacher.0": torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).half(),
    "affine": torch.eye(4, dtype=torch.float64),
    "foreground": torch.arange(12).reshape(3, 4) % 2 == 0,
    "number": torch.tensor(3.5),
    "none": torch.zeros(0, 2),
}
METADATA = {"similarity": "0.25"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_tensors(TENSORS, tmp_path / "kept.safetensors", METADATA)
    return tmp_path / "kept.safetensors"


def check_content(path: Path) -> None:
    with open_tensors(path) as tensors:
        assert sorted(tensors.keys()) == sorted(TENSORS)
        assert tensors.metadata() == METADATA
        for name, values in TENSORS.items():
            assert tensors.get_tensor(name).dtype == values.dtype
            assert torch.equal(tensors.get_tensor(name), values)


def test_tensors_and_texts_come_back(path: Path) -> None:
    check_content(path)


def test_a_changed_byte_is_noticed_and_the_file_removed(path: Path) -> None:
    removed = 0
    for _ in change_bytes(path):
        with warnings.catch_warnings(record=True) as warning_list:
            warnings.simplefilter("always")
            try:
                check_content(path)
            except ValueError:
                removed += 1
                assert not path.exists()
                assert [warning.category for warning in warning_list] == [CacheWarning]
                assert "removed and is computed again" in str(warning_list[0].message)
            else:
                assert not warning_list
    assert removed > 190


def test_a_file_that_is_absent_is_no_damage(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FileNotFoundError), open_tensors(tmp_path / "absent.safetensors"):
            pass


def test_a_use_is_remembered_and_the_time_of_writing_stays(path: Path) -> None:
    import os

    os.utime(path, ns=(1, 2))
    check_content(path)
    assert path.stat().st_mtime_ns == 2
    assert path.stat().st_atime > 1e9


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_of_the_disk_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    with small_disk(2000), pytest.raises(OSError) as caught:
        save_tensors({"large": torch.zeros(9999)}, path, {})
    assert caught.value.filename == str(path)
    assert caught.value.errno
