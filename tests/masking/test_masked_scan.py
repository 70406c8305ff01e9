"""A scan with a mask: what is outside is gone, and the scan is still known."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.errors import InputError
from d24fad_core.masking.masked_scan import apply_mask, background_value, zero_outside
from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.volume import MaskKind, Modality, Volume
from tests.masking.heads import brain_of, head


def test_outside_is_background_and_inside_untouched() -> None:
    scan, inside = head(0), brain_of(0)
    masked = apply_mask(scan, inside, MaskKind.FILE)
    np.testing.assert_array_equal(masked.array[inside], scan.array[inside])
    assert (masked.array[~inside] == 0).all()
    assert masked.mask is not None
    assert masked.mask.content_hash == scan.content_hash != masked.content_hash
    assert (masked.name, masked.modality) == (scan.name, scan.modality)


def test_the_foreground_is_that_of_the_mask() -> None:
    scan, inside = head(0), brain_of(0)
    masked = apply_mask(scan, inside, MaskKind.FILE)
    box = find_foreground(masked.array, masked.spacing, masked.modality, masked.name)
    voxels = np.argwhere(inside)
    np.testing.assert_allclose(box.first, voxels.min(axis=0), atol=1)
    np.testing.assert_allclose(box.last, voxels.max(axis=0), atol=1)


def test_the_background_is_a_value_of_the_scan_or_air() -> None:
    scan = head(0)
    shifted = replace(scan, array=scan.array - np.float32(37.5))
    assert background_value(shifted) == -37.5
    ct = replace(scan, array=scan.array - np.float32(3024), modality=Modality.CT)
    assert background_value(ct) == -1000


def test_two_masks_leave_what_both_hold() -> None:
    scan, inside = head(0), brain_of(0)
    left = np.zeros(scan.shape, bool)
    left[:25] = True
    both = apply_mask(apply_mask(scan, inside, MaskKind.DEEPBET), left, MaskKind.FILE)
    assert both.mask is not None
    np.testing.assert_array_equal(both.mask.inside, inside & left)
    assert both.mask.content_hash == scan.content_hash


def test_maps_are_exactly_zero_outside() -> None:
    scan, inside = head(0), brain_of(0)
    heatmap = np.full(scan.shape, 2.5, np.float32)
    masked = zero_outside(heatmap, apply_mask(scan, inside, MaskKind.FILE).mask)
    assert (masked[~inside] == 0).all() and (masked[inside] == 2.5).all()
    assert masked.dtype == np.float32
    assert zero_outside(heatmap, None) is heatmap


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (np.ones((50, 60, 61), bool), "a mask of 50 x 60 x 61 voxels does not fit a scan of"),
        (np.zeros((50, 60, 62), bool), "the mask leaves 0 voxels"),
    ],
)
def test_masks_that_cannot_be_meant_are_refused(inside: np.ndarray, words: str) -> None:
    scan: Volume = head(0)
    with pytest.raises(InputError, match=words):
        apply_mask(scan, inside, MaskKind.FILE)
