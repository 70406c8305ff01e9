"""A normal study seen at the places of a case."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.support.frame import Frame, align, from_simpleitk, grid_image, to_simpleitk
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class MatchedNormal:
    """A normal study and how a case lies on it.

    Attributes:
        study: the normal.
        from_case: transform from points of the case to points of the normal, LPS mm.
    """

    study: Volume
    from_case: sitk.Transform

    def place_of(self, place: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where a place of the case lies in the normal, both RAS mm."""
        right, anterior, superior = place
        left, posterior, upper = self.from_case.TransformPoint((-right, -anterior, superior))
        return -left, -posterior, upper

    def sampled(
        self, shape: tuple[int, int, int], affine: NDArray[np.float64], outside: float
    ) -> NDArray[np.float32]:
        """The normal on a grid of the case.

        Args:
            shape: voxels along each axis.
            affine: 4x4 from voxel index to RAS mm of the case.
            outside: value where the normal has none.
        """
        resampled = sitk.Resample(
            to_simpleitk(self.study.array, self.study.affine),
            grid_image(shape, affine),
            self.from_case,
            sitk.sitkLinear,
            outside,
        )
        return from_simpleitk(resampled)


def match_normal(
    to_case: sitk.Transform, normal: Volume, frame: Frame, ct_window: str, *, register: bool
) -> MatchedNormal:
    """Lay a case on a normal as the analysis did; registration gives the same every time.

    Args:
        to_case: from points of the frame to points of the study that was analysed, LPS mm.
        normal: one of its support studies.
        frame: the support set's common space.
        ct_window: window that CT was analysed in.
        register: whether studies were registered.
    """
    to_normal = align(normal, frame, ct_window, register=register).to_study
    # A composite applies its last transform first.
    return MatchedNormal(normal, sitk.CompositeTransform([to_normal, to_case.GetInverse()]))
