"""What a scanner makes of an anatomy: tissue signal of an MR contrast, bias field, noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d24fad_core.simulation.anatomy import Anatomy, smooth_field
from d24fad_core.simulation.contrast import Contrast

# Of grey matter and fluid against white matter; of the bias field (relative); of the noise against
# the white-matter signal: standard deviations all.
TISSUE_SPREAD = 0.05
BIAS_SPREAD = 0.05
NOISE_RANGE = (0.01, 0.03)

# Scanners give MR signal in arbitrary units: signal of white matter, from scan to scan.
_WHITE_MATTER_RANGE = (300.0, 900.0)
_BIAS_LATTICE = (24, 24, 24)
_BIAS_CORRELATION = 6.0


@dataclass(frozen=True)
class TissueSignal:
    """Mean signal of each tissue, white matter being 1.

    Attributes:
        grey_matter: of cortex and deep nuclei.
        fluid: of cerebrospinal fluid.
        texture: gain and sign with which the fine T1 detail of the template shows.
        lesion: signal of a lesion of full conspicuity.
    """

    grey_matter: float
    fluid: float
    texture: float
    lesion: float


SIGNALS = {
    Contrast.T1: TissueSignal(grey_matter=0.74, fluid=0.28, texture=1.0, lesion=0.55),
    Contrast.T2: TissueSignal(grey_matter=1.25, fluid=2.70, texture=-1.0, lesion=1.85),
    Contrast.FLAIR: TissueSignal(grey_matter=1.14, fluid=0.25, texture=-0.6, lesion=1.55),
    Contrast.PD: TissueSignal(grey_matter=1.18, fluid=1.20, texture=-0.5, lesion=1.45),
}


def render(
    anatomy: Anatomy,
    contrast: Contrast,
    rng: np.random.Generator,
    lesion: NDArray[np.float32] | None = None,
) -> NDArray[np.int16]:
    """Signal of an anatomy as a scanner stores it; outside the brain it is 0.

    Args:
        anatomy: tissue fractions, each of shape (I, J, K).
        contrast: which MR contrast.
        rng: drives tissue means, bias field and noise.
        lesion: share of each voxel's signal that is the lesion's, 0 to 1, shape (I, J, K).

    Returns:
        int16 array of shape (I, J, K).
    """
    means = SIGNALS[contrast]
    grey, fluid = rng.normal(1.0, TISSUE_SPREAD, 2)
    scale = rng.uniform(*_WHITE_MATTER_RANGE)
    noise = rng.uniform(*NOISE_RANGE)
    bias_lattice = smooth_field(rng, _BIAS_LATTICE, _BIAS_CORRELATION)

    signal = (
        anatomy.white_matter
        + grey * means.grey_matter * anatomy.grey_matter
        + fluid * means.fluid * anatomy.fluid
        + means.texture * anatomy.texture
    )
    if lesion is not None:
        signal += lesion * (means.lesion - signal)
    signal *= np.exp(BIAS_SPREAD * _stretched(bias_lattice, signal.shape))
    signal = np.maximum(signal, 0)
    # Rician: the magnitude of a signal with equal Gaussian noise in both channels.
    signal = np.hypot(
        signal + noise * rng.standard_normal(signal.shape, dtype=np.float32),
        noise * rng.standard_normal(signal.shape, dtype=np.float32),
    )
    signal[~anatomy.brain] = 0
    voxels: NDArray[np.int16] = np.rint(scale * signal).astype(np.int16)
    return voxels


def _stretched(lattice: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Stretch a lattice over an array of `shape`, linearly, axis by axis."""
    stretched = lattice
    for axis, size in enumerate(shape):
        positions = np.linspace(0, stretched.shape[axis] - 1, size)
        lower = np.minimum(positions.astype(int), stretched.shape[axis] - 2)
        share = (positions - lower).astype(np.float32)
        share = share.reshape([-1 if each == axis else 1 for each in range(len(shape))])
        stretched = (1 - share) * stretched.take(lower, axis) + share * stretched.take(
            lower + 1, axis
        )
    return stretched
