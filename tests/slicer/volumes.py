"""Test volumes with known bright spots, on plain, anisotropic, oblique and flipped grids."""

from __future__ import annotations

from typing import Any

import numpy as np
from D24FADSlicerLib.logic.volume_file import VolumeData
from numpy.typing import NDArray

SHAPE = (24, 40, 48)
SPOTS = {
    1: (slice(5, 9), slice(10, 16), slice(8, 14)),
    2: (slice(15, 18), slice(24, 29), slice(30, 35)),
}


def rotation(degrees_x: float, degrees_z: float) -> NDArray[np.float64]:
    x, z = np.radians([degrees_x, degrees_z])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x, np.float64)


def grid(rotated: NDArray[np.float64], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = rotated @ np.diag(spacing)
    middle = (np.asarray(SHAPE[::-1]) - 1) / 2
    affine[:3, 3] = np.array([7.0, -12.0, 30.0]) - affine[:3, :3] @ middle
    return affine


GRIDS = {
    "plain": grid(np.eye(3), (2.0, 2.0, 2.0)),
    "anisotropic": grid(np.eye(3), (0.8, 0.8, 6.5)),
    "oblique": grid(rotation(18, 25), (1.5, 1.5, 4.0)),
    "flipped": grid(np.diag([-1.0, -1.0, 1.0]), (1.0, 1.0, 5.0)),
    "sagittal": grid(np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]), (1.2, 1.2, 3.0)),
}


def scan(affine: NDArray[np.float64], seed: int = 0, spots: bool = True) -> VolumeData:
    """Grey noise in a box of tissue; the spots are 800 and 700."""
    generator = np.random.default_rng(seed)
    array = np.zeros(SHAPE, np.int16)
    tissue = (slice(2, 22), slice(4, 36), slice(4, 44))
    array[tissue] = generator.uniform(40, 90, array[tissue].shape)
    if spots:
        for number, place in SPOTS.items():
            array[place] = 900 - 100 * number
    return VolumeData(array, affine)


def spot_centre(affine: NDArray[np.float64], number: int) -> tuple[float, float, float]:
    """The middle of a spot, RAS, mm."""
    voxel = [(place.start + place.stop - 1) / 2 for place in SPOTS[number]][::-1]
    x, y, z = (float(v) for v in (affine @ np.array([*voxel, 1.0]))[:3])
    return x, y, z


def labels_of(volume: VolumeData) -> VolumeData:
    labels = np.zeros(volume.array.shape, np.uint16)
    for number, place in SPOTS.items():
        labels[place] = number
    return VolumeData(labels, volume.affine)


def result_document(volume: VolumeData, result: str = "r1", **changes: Any) -> dict[str, Any]:
    """A result of the server for a scan with its two spots."""
    affine = volume.affine
    findings = [
        {
            "rank": number,
            "volume_ml": 1.0,
            "peak_score": 8.0 - number,
            "peak_ras_mm": list(spot_centre(affine, number)),
            "slice_range": [place[0].start, place[0].stop - 1],
        }
        for number, place in SPOTS.items()
    ]
    report = {
        "case_score": 7.0,
        "slice_axis": 2,
        "slice_scores": [
            7.0 if 5 <= k < 9 else 6.0 if 15 <= k < 18 else 1.0 for k in range(SHAPE[0])
        ],
        "findings": findings,
        "calibration": {"threshold": 4.0, "p_value": 0.2, "statement": "Few normals."},
        "geometry": {"affine": affine.tolist(), "shape": list(SHAPE[::-1])},
        "provenance": {"supports": []},
    } | changes
    return {"id": result, "image": "case", "report": report}
