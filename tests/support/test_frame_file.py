"""A frame comes back from its file as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.support.frame import align, make_frame
from d24fad_core.support.frame_file import load_frame, save_frame
from tests.support.phantom import Grid, scan, turned


def test_a_frame_comes_back_bit_for_bit(tmp_path: Path) -> None:
    frame = make_frame(scan(Grid(directions=turned(7, (1.0, 1.0, 0.0)))), 64, "body")
    save_frame(frame, tmp_path / "frame.safetensors")
    copy = load_frame(tmp_path / "frame.safetensors")
    assert copy is not None
    assert (copy.shape, copy.content_hash) == (frame.shape, frame.content_hash)
    for name in ("affine", "centre", "size"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(frame, name))
    for one, other in ((copy.coarse, frame.coarse),):
        assert one.GetPixelID() == other.GetPixelID()
        assert (one.GetSpacing(), one.GetOrigin(), one.GetDirection()) == (
            other.GetSpacing(),
            other.GetOrigin(),
            other.GetDirection(),
        )
        np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (one, other)))

    other_person = scan(Grid((3.0, 3.0, 3.0)), size=1.05)
    one, other = (align(other_person, each, "body", register=True) for each in (copy, frame))
    np.testing.assert_array_equal(one.volume.array, other.volume.array)
    assert one.similarity == other.similarity


def test_a_file_of_something_else_is_no_frame(tmp_path: Path) -> None:
    frame = make_frame(scan(Grid()), 64, "body")
    path = tmp_path / "frame.safetensors"
    assert load_frame(path) is None
    save_frame(replace(frame, affine=np.zeros((0, 4))), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.warns(CacheWarning, match="was damaged"):
        assert load_frame(path) is None
