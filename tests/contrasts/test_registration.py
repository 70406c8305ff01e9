"""Contrasts of simulated heads that moved between the scans."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.contrasts.registration import lay_contrast
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.support.rigid import rigid_matrix
from d24fad_core.volumes.volume import Volume
from tests.contrasts.people import MOTION


def head(contrast: Contrast, spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)) -> Volume:
    options = SimulationOptions(contrast=contrast, spacing=spacing, seed=3)
    return simulate_subject(options, Role.NORMAL, 0).image


@pytest.mark.parametrize("contrast", [Contrast.T1, Contrast.T2])
def test_a_contrast_is_found_where_the_head_moved_to(contrast: Contrast) -> None:
    other = head(contrast, (3.0, 4.0, 5.0))
    moved = replace(other, affine=MOTION @ other.affine)
    laid = lay_contrast(head(Contrast.FLAIR), moved)
    matrix = np.array(rigid_matrix(laid.to_other))
    corners = np.array([[x, y, z, 1.0] for x in (-60, 60) for y in (-90, 60) for z in (-40, 60)])
    errors = np.linalg.norm((corners @ (matrix - MOTION).T)[:, :3], axis=1)
    assert errors.max() < 1.0
    assert laid.overlap > 0.85
    again = lay_contrast(head(Contrast.FLAIR), moved)
    np.testing.assert_array_equal(np.array(rigid_matrix(again.to_other)), matrix)


def test_what_lies_elsewhere_in_the_coordinates_is_found_from_the_centres() -> None:
    other = head(Contrast.T1)
    affine = other.affine.copy()
    affine[:3, 3] += [300.0, -400.0, 0.0]
    laid = lay_contrast(head(Contrast.FLAIR), replace(other, affine=affine))
    shift = np.array(rigid_matrix(laid.to_other))[:3, 3]
    np.testing.assert_allclose(shift, [300.0, -400.0, 0.0], atol=1.0)


def test_half_a_head_overlaps_less() -> None:
    other = head(Contrast.T1)
    array = other.array.copy()
    array[: array.shape[0] // 2] = 0
    assert lay_contrast(head(Contrast.FLAIR), replace(other, array=array)).overlap < 0.7
