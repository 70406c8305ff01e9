"""The average brain that every simulated subject is made from."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.extras import extra

SOURCE = (
    "ICBM152 2009a nonlinear symmetric T1, grey- and white-matter maps at 1 mm "
    "(Fonov et al. 2009, 2011), as shipped by nilearn"
)

# Full width at half maximum of a Gaussian slice profile, in its standard deviations.
_FWHM = 2.355


@dataclass(frozen=True, eq=False)
class TissueTemplate:
    """Tissue maps of the average brain, on a 1 mm grid.

    Attributes:
        grey_matter: fraction of the voxel that is grey matter, float32, 0 to 1.
        white_matter: the same for white matter.
        fluid: the same for cerebrospinal fluid: brain less grey and white matter.
        texture: what the T1 template shows beyond its tissue fractions (deep nuclei, myelin),
            in units of the white-matter signal.
        affine: 4x4 matrix from voxel index to RAS mm.
    """

    grey_matter: NDArray[np.float32]
    white_matter: NDArray[np.float32]
    fluid: NDArray[np.float32]
    texture: NDArray[np.float32]
    affine: NDArray[np.float64]

    @cached_property
    def bounding_box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest corner of the brain, RAS mm."""
        brain = self.grey_matter + self.white_matter + self.fluid > 0.5
        indices = np.argwhere(brain)
        corners = np.stack([indices.min(axis=0), indices.max(axis=0)])
        world = corners @ self.affine[:3, :3].T + self.affine[:3, 3]
        return world.min(axis=0), world.max(axis=0)


@lru_cache(maxsize=1)
def average_brain() -> TissueTemplate:
    """Load the tissue maps that nilearn ships; nothing is downloaded.

    Raises:
        ConfigurationError: nilearn is not installed.
    """
    # nilearn takes seconds to import, and only simulation needs it.
    with extra("simulate", "the average brain"):
        from nilearn.datasets import (
            load_mni152_gm_template,
            load_mni152_template,
            load_mni152_wm_template,
        )

    image = load_mni152_template(resolution=1)
    t1 = np.asarray(image.dataobj, dtype=np.float32)
    grey = np.clip(np.asarray(load_mni152_gm_template(resolution=1).dataobj, np.float32), 0, 1)
    white = np.clip(np.asarray(load_mni152_wm_template(resolution=1).dataobj, np.float32), 0, 1)
    brain = t1 > 0
    fluid = np.clip(brain - grey - white, 0, 1).astype(np.float32)

    fractions = np.stack([grey[brain], white[brain], fluid[brain]], axis=1)
    means, *_ = np.linalg.lstsq(fractions, t1[brain], rcond=None)
    texture = np.zeros_like(t1)
    texture[brain] = np.clip((t1[brain] - fractions @ means) / means[1], -0.1, 0.1)
    return TissueTemplate(grey, white, fluid, texture, np.asarray(image.affine, np.float64))


@lru_cache(maxsize=4)
def average_brain_at(spacing: tuple[float, float, float]) -> TissueTemplate:
    """The average brain seen through voxels of `spacing` mm: partial volume by a Gaussian profile.

    The grid stays that of the template; only its detail is that of the wanted voxels.
    """
    template = average_brain()
    sigma = [np.sqrt(max(size**2 - 1.0, 0.0)) / _FWHM for size in spacing]
    if not any(sigma):
        return template
    grey, white, fluid, texture = (
        ndimage.gaussian_filter(each, sigma, mode="nearest")
        for each in (
            template.grey_matter,
            template.white_matter,
            template.fluid,
            template.texture,
        )
    )
    return TissueTemplate(grey, white, fluid, texture, template.affine)
