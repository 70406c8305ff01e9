"""Registration by the correlation of intensities, the same on every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import numpy as np
import SimpleITK as sitk

_SAMPLED_SHARE = 0.3
_BINS = 32

_Transform = TypeVar("_Transform", sitk.AffineTransform, sitk.Euler3DTransform)


def register_affinely(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.AffineTransform
) -> sitk.AffineTransform | None:
    """Affine registration from a start; None where the optimiser loses the overlap."""
    method = registration(step=1.0, least_step=1e-4, rounds=100)
    _sample(method)
    coarse_to_fine(method)
    return optimised(method, fixed, moving, start)


def register_roughly(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.AffineTransform
) -> sitk.AffineTransform | None:
    """The same at half the resolution alone, in a fifth of the time."""
    method = registration(step=1.0, least_step=1e-3, rounds=60)
    _sample(method)
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([1.0])
    return optimised(method, fixed, moving, start)


def registration(*, step: float, least_step: float, rounds: int) -> sitk.ImageRegistrationMethod:
    """A registration by correlation and gradient descent.

    Args:
        step: first step of the optimiser in mm.
        least_step: it ends below this one.
        rounds: and after so many steps.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(step, least_step, rounds)
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def across_contrasts(method: sitk.ImageRegistrationMethod) -> None:
    """Let a registration maximise mutual information: contrasts differ by more than a gain."""
    method.SetMetricAsMattesMutualInformation(_BINS)
    _sample(method)


def _sample(method: sitk.ImageRegistrationMethod) -> None:
    """Let a registration look at some of the voxels."""
    method.SetMetricSamplingStrategy(method.REGULAR)
    # Regular samples are shifted within their voxels at random; without a seed, by the clock.
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, seed=1)


def coarse_to_fine(method: sitk.ImageRegistrationMethod) -> None:
    """Let a registration look at half the resolution first."""
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])


def optimised(
    method: sitk.ImageRegistrationMethod,
    fixed: sitk.Image,
    moving: sitk.Image,
    start: _Transform,
) -> _Transform | None:
    """The transform that a registration reaches; None where it loses the overlap."""
    transform = type(start)(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.SetNumberOfThreads(1)
        with _ONE_THREAD.hold():
            method.Execute(fixed, moving)
    except RuntimeError:
        return None
    return transform


class OneThread:
    """The library's default of threads, held at one: sums over several differ in their last bits.

    Mutual information takes as many as the library has by default, whatever the method has. Several
    registrations may run at once: the last to end brings the default back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0
        self._usual = 1

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold it while something runs."""
        with self._lock:
            if self._holders == 0:
                self._usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(self._usual)


_ONE_THREAD = OneThread()


def correlation(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Correlation, -1 to 1, of one image with another laid on it; 0 where one is constant."""
    one = sitk.GetArrayViewFromImage(fixed).ravel()
    warped = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)
    other = sitk.GetArrayViewFromImage(warped).ravel()
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
