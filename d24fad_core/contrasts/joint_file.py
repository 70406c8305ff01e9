"""Normal people in several contrasts as a file, so that they need not be aligned again."""

from pathlib import Path

import torch

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.contrasts.joint_intensities import JointNormals
from d24fad_core.files import whole_file


def save_joint(normals: JointNormals, path: Path) -> None:
    """Write normals, whole or not at all."""
    tensors = {
        "people": normals.people.contiguous(),
        "spacing": torch.tensor(normals.spacing, dtype=torch.float64),
        "scale": torch.tensor([normals.centre, normals.unit], dtype=torch.float64),
    }
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {})


def load_joint(path: Path) -> JointNormals | None:
    """Read normals; None where the file is absent or not readable, and they are made again."""
    try:
        with open_tensors(path) as tensors:
            first, second, third = tensors.get_tensor("spacing").tolist()
            centre, unit = tensors.get_tensor("scale").tolist()
            people = tensors.get_tensor("people")
    except (OSError, KeyError, ValueError):
        return None
    return JointNormals(people, (first, second, third), centre, unit)
