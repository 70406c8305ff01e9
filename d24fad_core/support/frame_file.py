"""A frame as a file, so that the study that it lies on need not be read again."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.files import whole_file
from d24fad_core.support.frame import Frame

_ARRAYS = ("affine", "centre", "size")
_PLACE = ("spacing", "origin", "direction")


def save_frame(frame: Frame, path: Path) -> None:
    """Write a frame, whole or not at all."""
    coarse = frame.coarse
    arrays = {name: np.ascontiguousarray(getattr(frame, name)) for name in _ARRAYS}
    arrays["coarse"] = sitk.GetArrayFromImage(coarse)
    place = (coarse.GetSpacing(), coarse.GetOrigin(), coarse.GetDirection())
    arrays |= {name: np.array(values) for name, values in zip(_PLACE, place, strict=True)}
    values = {"shape": frame.shape, "content_hash": frame.content_hash}
    with whole_file(path) as temporary:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        save_tensors(tensors, temporary, {"values": json.dumps(values)})


def load_frame(path: Path) -> Frame | None:
    """Read a frame; None where the file is absent or not readable.

    Like any cache, one that cannot be read is no error: the frame is made again.
    """
    try:
        with open_tensors(path) as tensors:
            coarse = sitk.GetImageFromArray(tensors.get_array("coarse"))
            spacing, origin, direction = (tensors.get_array(name).tolist() for name in _PLACE)
            values = json.loads(tensors.metadata()["values"])
            coarse.SetSpacing(spacing)
            coarse.SetOrigin(origin)
            coarse.SetDirection(direction)
            first, second, third = values["shape"]
            return Frame(
                shape=(int(first), int(second), int(third)),
                **{name: tensors.get_array(name) for name in _ARRAYS},
                coarse=coarse,
                content_hash=str(values["content_hash"]),
            )
    except (OSError, KeyError, ValueError, TypeError):
        return None
