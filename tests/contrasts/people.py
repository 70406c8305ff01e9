"""People of a few thousand voxels, scanned in two contrasts."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core.contrasts.person import Person
from d24fad_core.volumes.volume import Volume
from tests.detection.small_studies import study
from tests.support.phantom import AIR, CENTRE

MOTION = np.eye(4)
MOTION[:3, :3] = Rotation.from_euler("xyz", [4.0, -3.0, 5.0], degrees=True).as_matrix()
MOTION[:3, 3] = CENTRE - MOTION[:3, :3] @ CENTRE + np.array([5.0, -3.0, 4.0])
"""From where the head lay in the first scan to where it lay in the second."""


def second_contrast(scan: Volume) -> Volume:
    """Another contrast of a person who moved: dark where the first is bright, a finer grid."""
    array = np.where(scan.array > AIR, 20.0 - 0.7 * scan.array, AIR).astype(np.float32)
    flipped = scan.affine.copy()
    flipped[:, 3] = scan.affine @ np.array([scan.shape[0] - 1, 0, 0, 1])
    flipped[:3, 0] *= -1
    return replace(scan, array=np.ascontiguousarray(array[::-1]), affine=MOTION @ flipped)


def normal_person(number: int) -> Person:
    """One of many people."""
    scan = study(number)
    return Person(scan.name, {"one": scan, "two": second_contrast(scan)})


def case(*shown_in: str) -> dict[str, Volume]:
    """A person with a lesion in some of the contrasts."""
    with_lesion, without = study(7, lesion=True), replace(study(7), name="case-7")
    first, second = (with_lesion if name in shown_in else without for name in ("one", "two"))
    return {"one": first, "two": second_contrast(second)}


def lesion_voxels(scan: Volume) -> NDArray[np.bool_]:
    """Where the lesion is, on the grid of the first contrast."""
    return study(7, lesion=True).array - scan.array > 150
