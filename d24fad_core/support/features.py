"""What the network makes of the slices of one study, and its file on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from d24fad_core.data.slices import SliceStack
from d24fad_core.files import whole_file
from d24fad_core.networks.d24fad import D24FAD, EncodedImages
from d24fad_core.networks.teacher import Features

CHUNK = 8
"""Slices that go through the network at once. Fixed, and the last chunk is filled up: kernels are
chosen by batch size, and a score must not depend on the company of its slice, bit for bit."""


def encode_images(model: D24FAD, images: Tensor) -> Iterator[EncodedImages]:
    """Encode images chunk by chunk; each result holds at most `CHUNK` images, in order.

    Args:
        model: in eval mode.
        images: (S, 1 or 3, N, N) in [0, 1].
    """
    device = next(model.parameters()).device
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        filled = torch.cat([part, part[:1].expand(CHUNK - len(part), -1, -1, -1)])
        with torch.inference_mode():
            encoded = model.encode(filled.to(device))
        yield EncodedImages(
            tuple(scale[: len(part)] for scale in encoded.teacher),
            tuple(scale[: len(part)] for scale in encoded.student),
        )


@dataclass(frozen=True, eq=False)
class StudyFeatures:
    """Features of the foreground slices of one study in one plane.

    Attributes:
        teacher: (S, C, H, W) at strides 4, 8 and 16, float16.
        student: the student's prediction of them, float16.
        foreground: (S, N, N) bool.
        thickness: distance between slices in mm.
    """

    teacher: Features
    student: Features
    foreground: Tensor
    thickness: float

    def __len__(self) -> int:
        return len(self.foreground)


def encode_study(model: D24FAD, stack: SliceStack) -> StudyFeatures:
    """Run teacher and student over the slices of a study.

    Features are kept as float16: half the memory, and distances change by less than 1e-3 of
    their spread between normals.
    """
    parts = list(encode_images(model, stack.images[:, None]))
    return StudyFeatures(
        teacher=_joined([part.teacher for part in parts]),
        student=_joined([part.student for part in parts]),
        foreground=stack.foreground,
        thickness=stack.grid.spacing[stack.grid.plane.axis],
    )


def _joined(parts: list[Features]) -> Features:
    return tuple(torch.cat(scale).half().cpu() for scale in zip(*parts, strict=True))


def save_features(features: StudyFeatures, path: Path) -> None:
    """Write features, whole or not at all."""
    tensors = {"foreground": features.foreground.to(torch.uint8)}
    for kind, scales in (("teacher", features.teacher), ("student", features.student)):
        for scale, values in enumerate(scales):
            tensors[f"{kind}.{scale}"] = values.contiguous()
    with whole_file(path) as temporary:
        save_file(tensors, temporary, {"thickness": repr(features.thickness)})


def load_features(path: Path) -> StudyFeatures | None:
    """Map features from disk into memory; None where the file is absent or not readable.

    A cache that cannot be read is no error: the features are computed again.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            return StudyFeatures(
                teacher=tuple(stored.get_tensor(f"teacher.{scale}") for scale in range(3)),
                student=tuple(stored.get_tensor(f"student.{scale}") for scale in range(3)),
                foreground=stored.get_tensor("foreground").bool(),
                thickness=float(stored.metadata()["thickness"]),
            )
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
