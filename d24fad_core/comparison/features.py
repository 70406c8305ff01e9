"""What the network makes of the slices of one study, and its file on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.scoring import MapKey, MapKind
from d24fad_core.files import whole_file
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.volumes.slices import SliceStack

FEATURES_SCHEMA = 2
"""Raised whenever the same study in the same frame gets other features, by its alignment, its
slices or their encoding: kept ones are then void."""

CHUNK = 16
"""Slices that go through the network at once. Fixed, and the last chunk is filled up: kernels are
chosen by batch size, and on one machine a score must not depend on the company of its slice, bit
for bit. Other processors have other kernels, and round otherwise."""

_PARTS = ("teacher", "student")
_LEAST = 1e-12
"""Length below which features count as zero, as in `F.normalize`."""

_NEEDED = {
    MapKind.SELF_DISTILLATION: ("student",),
    MapKind.TEACHER_STUDENT: ("teacher", "student"),
    MapKind.TEACHER_SUPPORT: ("teacher",),
    MapKind.RESIDUAL: ("teacher", "student"),
}


@dataclass(frozen=True, eq=False)
class SliceFeatures:
    """Features of some slices, of the scales that the scoring asks for.

    Kept as float16: half the memory, and rounding is far below the spread between normals. Query
    and support are rounded alike, so that a support study shown as query finds itself.

    Attributes:
        teacher: (S, C, H, W) by scale index.
        student: the student's prediction of them.
    """

    teacher: Mapping[int, Tensor]
    student: Mapping[int, Tensor]

    def __getitem__(self, index: Tensor) -> "SliceFeatures":
        """The features of some of the slices."""
        return SliceFeatures(
            {scale: values[index] for scale, values in self.teacher.items()},
            {scale: values[index] for scale, values in self.student.items()},
        )


class UnitFeatures:
    """What maps compare between query and support, of length 1 at each position.

    Each is made when first asked for and kept: several maps are made of the same.

    Args:
        features: of some slices.
        rows: which slices; None takes all.
    """

    def __init__(self, features: SliceFeatures, rows: Tensor | None = None) -> None:
        self._features, self._rows = features, rows
        self._unit: dict[MapKey, Tensor] = {}

    def of(self, key: MapKey) -> Tensor:
        """For a map that compares with the support, as the search goes through it, (H, S, W, C)."""
        if key not in self._unit:
            self._unit[key] = self._make(*key)
        return self._unit[key]

    def _make(self, kind: MapKind, scale: int) -> Tensor:
        if kind is MapKind.RESIDUAL:
            explained = self.of((MapKind.SELF_DISTILLATION, scale))
            return F.normalize(self.of((MapKind.TEACHER_SUPPORT, scale)) - explained, dim=-1)
        of_teacher = kind is MapKind.TEACHER_SUPPORT
        values = (self._features.teacher if of_teacher else self._features.student)[scale]
        part = values if self._rows is None else values[self._rows]
        # Turned while they are small, and divided in place: `F.normalize` without its copies.
        turned = part.permute(2, 0, 3, 1).contiguous().float()
        return turned.div_(
            torch.linalg.vector_norm(turned, dim=-1, keepdim=True).clamp_min_(_LEAST)
        )


def needed_scales(keys: Sequence[MapKey]) -> dict[str, set[int]]:
    """Scales of the teacher's and of the student's features that some maps are made of."""
    return {part: {key[1] for key in keys if part in _NEEDED[key[0]]} for part in _PARTS}


def encode_images(model: D24FAD, images: Tensor, keys: Sequence[MapKey]) -> Iterator[SliceFeatures]:
    """Encode images chunk by chunk; each result holds at most `CHUNK` images, in order.

    Args:
        model: in eval mode.
        images: (S, 1 or 3, N, N) in [0, 1].
        keys: the maps that are wanted.
    """
    scales = needed_scales(keys)
    device = next(model.parameters()).device
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        filled = torch.cat([part, part[:1].expand(CHUNK - len(part), -1, -1, -1)])
        with torch.inference_mode():
            if scales["student"]:
                teacher, embedding = model.embed(filled.to(device))
                finest = min(scales["student"])
                student = dict(enumerate(model.student(embedding, finest), finest))
            else:
                teacher, student = model.teacher_features(filled.to(device)), {}
        yield SliceFeatures(
            {scale: _store(teacher[scale][: len(part)]) for scale in scales["teacher"]},
            {scale: _store(student[scale][: len(part)]) for scale in scales["student"]},
        )


def _store(features: Tensor) -> Tensor:
    """As features are kept, in memory like on disk: sums are rounded by the order of memory."""
    return features.half().contiguous().cpu()


@dataclass(frozen=True, eq=False)
class StudyFeatures:
    """Features of the slices of one study in one plane of the frame.

    Attributes:
        slices: features of all S slices.
        foreground: (S, N, N) bool.
        similarity: correlation with the frame's own study after alignment.
    """

    slices: SliceFeatures
    foreground: Tensor
    similarity: float

    def __len__(self) -> int:
        return len(self.foreground)


class PreparedImages:
    """Support images, one slice each, whose unit features are computed once for all queries.

    Args:
        images: the support.
        keys: the maps that are wanted; those that do not compare with the support are left out.
    """

    def __init__(self, images: Sequence[StudyFeatures], keys: Sequence[MapKey]) -> None:
        units = [UnitFeatures(image.slices) for image in images]
        self._units = {
            key: torch.cat([each.of(key) for each in units], dim=1)
            for key in keys
            if key[0] is not MapKind.TEACHER_STUDENT
        }

    def candidates(self, key: MapKey) -> Tensor:
        """Unit features as the search takes them, (H, 1, K, 1, W, C)."""
        return self._units[key][:, None, :, None]


def encode_study(
    model: D24FAD, stack: SliceStack, similarity: float, keys: Sequence[MapKey]
) -> StudyFeatures:
    """Run the network over all slices of a study."""
    parts = list(encode_images(model, stack.images[:, None], keys))
    joined = {
        name: {
            scale: torch.cat([getattr(part, name)[scale] for part in parts])
            for scale in getattr(parts[0], name)
        }
        for name in _PARTS
    }
    return StudyFeatures(SliceFeatures(**joined), stack.foreground, similarity)


def save_features(features: StudyFeatures, path: Path) -> None:
    """Write features, whole or not at all."""
    tensors = {"foreground": features.foreground.to(torch.uint8)}
    for name in _PARTS:
        for scale, values in getattr(features.slices, name).items():
            tensors[f"{name}.{scale}"] = values.contiguous()
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {"similarity": repr(features.similarity)})


def load_features(path: Path) -> StudyFeatures | None:
    """Map features from disk into memory; None where the file is absent, damaged or not readable.

    A cache that cannot be read is no error: the features are computed again.
    """
    parts: dict[str, dict[int, Tensor]] = {name: {} for name in _PARTS}
    try:
        with open_tensors(path) as tensors:
            for key in tensors.keys():  # noqa: SIM118 - no mapping, it only has keys()
                name, _, scale = key.partition(".")
                if scale:
                    parts[name][int(scale)] = tensors.get_tensor(key)
            metadata = tensors.metadata()
            return StudyFeatures(
                slices=SliceFeatures(**parts),
                foreground=tensors.get_tensor("foreground").bool(),
                similarity=float(metadata["similarity"]),
            )
    except (OSError, KeyError, ValueError):
        return None
