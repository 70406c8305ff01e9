"""The spread of the normals, as a file beside their features.

Comparing every normal study with every other takes longer than an analysis; its outcome is small.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.normal_statistics import NormalStatistics
from d24fad_core.comparison.scoring import MapKey, MapKind
from d24fad_core.files import whole_file
from d24fad_core.support.support_set import PlaneReference
from d24fad_core.volumes.volume import Plane

_HELD_OUT = "held_out"


def save_reference(reference: PlaneReference, path: Path) -> None:
    """Write what `load_reference` needs besides the features, whole or not at all."""
    statistics = reference.statistics
    tensors = {_name(key): values.contiguous() for key, values in statistics.offset.items()}
    tensors |= {f"{_HELD_OUT}.{n}": values for n, values in enumerate(reference.held_out)}
    numbers = {
        "unit": {_name(key): unit for key, unit in statistics.unit.items()},
        "centre": reference.centre,
        "spread": reference.spread,
    }
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {"numbers": json.dumps(numbers)})


def load_reference(
    path: Path, plane: Plane, features: Sequence[StudyFeatures]
) -> PlaneReference | None:
    """Read a reference; None where the file is absent or not readable.

    Like any cache, one that cannot be read is no error: the normals are compared again.

    Args:
        path: written by `save_reference` for the same features.
        plane: their plane.
        features: one entry a study.
    """
    try:
        with open_tensors(path) as tensors:
            offset: dict[MapKey, Tensor] = {
                _key(name): tensors.get_tensor(name)
                for name in tensors.keys()  # noqa: SIM118 - no mapping, it only has keys()
                if not name.startswith(_HELD_OUT)
            }
            held_out = tuple(tensors.get_tensor(f"{_HELD_OUT}.{n}") for n in range(len(features)))
            numbers = json.loads(tensors.metadata()["numbers"])
        return PlaneReference(
            plane=plane,
            features=tuple(features),
            statistics=NormalStatistics(
                offset, {_key(name): float(unit) for name, unit in numbers["unit"].items()}
            ),
            centre=float(numbers["centre"]),
            spread=float(numbers["spread"]),
            held_out=held_out,
        )
    except (OSError, KeyError, ValueError, TypeError):
        return None


def _name(key: MapKey) -> str:
    return f"{key[0].value}.{key[1]}"


def _key(name: str) -> MapKey:
    kind, _, scale = name.partition(".")
    return MapKind(kind), int(scale)
