"""What a client is told when the disk is full."""

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from d24fad_core.files import whole_file
from monailabel_app.failures import refusal


def test_a_full_disk_is_507_with_the_place_and_without_the_operators_folders(
    tmp_path: Path,
) -> None:
    path = tmp_path / "secret" / ".d24fad" / "features" / "a.safetensors"
    with pytest.raises(OSError) as full, whole_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    answer = refusal(full.value)
    assert (answer.code, answer.status) == ("disk_full", 507)
    assert "'DIR/.d24fad/features'" in answer.cause
    assert "secret" not in answer.cause


def test_features_on_a_full_disk_too() -> None:
    """safetensors reports it in words of its own, these, without a number."""
    words = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert refusal(SafetensorError(words)).code == "disk_full"
    assert refusal(SafetensorError("invalid header")).code == "internal_error"
