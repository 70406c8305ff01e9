"""Label maps that users give, such as TotalSegmentator's: which label is where, and its name."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume, study_name
from d24fad_core.places.place import FindingPlace, RegionShare, Side, place_of
from d24fad_core.volumes.volume import Modality

_SIDES = {"left": Side.LEFT, "lh": Side.LEFT, "right": Side.RIGHT, "rh": Side.RIGHT}
_NUMBER_COLUMNS = ("index", "label", "value", "id")


@dataclass(frozen=True, eq=False)
class RegionMap:
    """A label map in the space of a study.

    Attributes:
        labels: (I, J, K) whole numbers, 0 where no region is.
        affine: 4x4 from its voxel index to RAS mm of the study; its grid may be another.
        names: name of each label; one without a name is called by its number.
        source: what to call the map in results.
    """

    labels: NDArray[np.int32]
    affine: NDArray[np.float64]
    names: dict[int, str]
    source: str

    def place(self, places: NDArray[np.float64]) -> FindingPlace | None:
        """Name where points (N, 3) in RAS mm are; None where regions hold less than half."""
        to_voxel = np.linalg.inv(self.affine)
        indices = np.rint(places @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int)
        within = ((indices >= 0) & (indices < np.array(self.labels.shape))).all(axis=1)
        values, counts = np.unique(self.labels[tuple(indices[within].T)], return_counts=True)
        shares: dict[tuple[str, Side | None], float] = {}
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value != 0:
                key = region_and_side(self.names.get(value, f"region {value}"))
                shares[key] = shares.get(key, 0.0) + count / len(places)
        return place_of(
            tuple(RegionShare(region, side, share) for (region, side), share in shares.items()),
            certain=True,
            atlas=self.source,
        )


def read_region_map(path: Path) -> RegionMap:
    """Read a label map, and the names from a sidecar of its name with .json or .tsv.

    The JSON holds an object from number to name, the other way round, or has one under `labels`;
    the table has a column `name` and one of `index`, `label`, `value` or `id`.

    Args:
        path: a file of any format that studies may have.

    Raises:
        InputError: it cannot be read, holds no label or values that are no whole numbers from 0
            up; or the sidecar is malformed.
    """
    volume = read_volume(path, Modality.MR)
    labels = np.rint(volume.array).astype(np.int32)
    if (labels != volume.array).any() or (labels < 0).any():
        raise InputError(
            f"{path}: a label map has whole numbers from 0 up",
            "give the segmentation itself, not an image or probabilities.",
        )
    if not labels.any():
        raise InputError(
            f"{path}: the label map holds no region; every voxel is 0.",
            "Give the segmentation itself.",
        )
    return RegionMap(labels, volume.affine, _read_names(path), study_name(path))


def region_and_side(name: str) -> tuple[str, Side | None]:
    """Split a name such as `kidney_left` or `Left-Hippocampus`."""
    words = [word for word in re.split(r"[\s_\-]+", name) if word]
    sides = [_SIDES[word.lower()] for word in words if word.lower() in _SIDES]
    others = [word for word in words if word.lower() not in _SIDES]
    if len(sides) != 1 or not others:
        return " ".join(words), None
    return " ".join(others), sides[0]


def _read_names(path: Path) -> dict[int, str]:
    stem = study_name(path)
    for sidecar, read in ((f"{stem}.json", _from_json), (f"{stem}.tsv", _from_table)):
        file = path.with_name(sidecar)
        if file.is_file():
            try:
                return read(file.read_text(encoding="utf-8"))
            except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
                raise InputError(
                    f"{file}: not a list of region names ({error})",
                    'give numbers and names, as {"1": "liver"} in JSON or as columns index and '
                    "name in a table.",
                ) from error
    return {}


def _from_json(text: str) -> dict[int, str]:
    document = json.loads(text)
    document = document.get("labels", document)
    pairs = document.items()
    if all(isinstance(value, int) for value in document.values()):
        pairs = ((number, name) for name, number in document.items())
    return {int(number): str(name) for number, name in pairs}


def _from_table(text: str) -> dict[int, str]:
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    columns = rows[0].keys() if rows else ()
    number = next((name for name in _NUMBER_COLUMNS if name in columns), None)
    if number is None or "name" not in columns:
        raise ValueError(f"columns are {', '.join(columns) or 'missing'}")
    return {int(row[number]): row["name"] for row in rows}
