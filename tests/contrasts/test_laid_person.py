"""Intensities of a person's contrasts on one grid, coarse enough to be compared place by place."""

from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage

from d24fad_core.contrasts.laid_person import lay_person, pooled_spacing, unpooled
from d24fad_core.support.frame import align, make_frame_of_voxels
from tests.contrasts.people import second_contrast
from tests.detection.small_studies import study


def test_contrasts_that_lie_otherwise_meet_on_one_grid() -> None:
    scan = study(1)
    scans = [scan, second_contrast(scan)]
    frames = [make_frame_of_voxels(each, 4.0, "body") for each in scans]
    aligned = [
        align(each, frame, "body", register=False)
        for each, frame in zip(scans, frames, strict=True)
    ]
    laid = lay_person(scans, frames, aligned)
    first, second = laid.intensities("body")
    assert first.intensities.shape == second.intensities.shape == frames[0].shape
    both = first.inside & second.inside
    assert both.sum() > 0.7 * first.inside.sum()
    deep = ndimage.binary_erosion(both.numpy(), iterations=2)
    values = [each.intensities.numpy()[deep] for each in (first, second)]
    assert np.corrcoef(values)[0, 1] < -0.5
    assert not first.intensities[~first.inside].any()


def test_fine_voxels_are_pooled_and_come_back_where_they_were() -> None:
    frame = replace(
        make_frame_of_voxels(study(1), 4.0, "body"),
        affine=np.diag([1.0, 1.2, 3.0, 1.0]),
        shape=(9, 8, 7),
    )
    assert pooled_spacing(frame) == (2.0, 2.4, 3.0)
    ramp = torch.arange(5.0)[:, None, None].expand(5, 4, 7) * 2.0 + 0.5
    fine = unpooled(ramp.contiguous(), frame)
    assert fine.shape == frame.shape
    np.testing.assert_allclose(fine[1:8, 0, 0], np.arange(1.0, 8.0), atol=1e-5)
