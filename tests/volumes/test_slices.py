"""Slice images: which way up they show the patient, and where their pixels lie."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.volumes.slices import SliceGrid, slice_volume
from d24fad_core.volumes.volume import Modality, Plane, Volume

SIDES = {"right": (0, -1), "left": (0, 0), "anterior": (1, -1), "posterior": (1, 0)}
SIDES |= {"superior": (2, -1), "inferior": (2, 0)}
SHAPE = (20, 24, 16)


def lit(*sides: str) -> NDArray[np.float32]:
    """A volume that is bright in the outer quarter of the named sides only."""
    array = np.ones(SHAPE, np.float32)
    for side in sides:
        axis, end = SIDES[side]
        inside = np.zeros(SHAPE[axis], bool)
        quarter = SHAPE[axis] // 4
        inside[-quarter:] = end == -1
        inside[:quarter] |= end == 0
        shape = [-1 if each == axis else 1 for each in range(3)]
        array = array * inside.reshape(shape)
    return array


@pytest.mark.parametrize(
    ("plane", "top", "left"),
    [
        (Plane.AXIAL, "anterior", "right"),
        (Plane.CORONAL, "superior", "right"),
        (Plane.SAGITTAL, "superior", "anterior"),
    ],
)
def test_images_show_the_patient_as_radiologists_look_at_him(
    plane: Plane, top: str, left: str
) -> None:
    spacing = (1.0, 1.0, 1.0)
    grid = SliceGrid(plane, SHAPE, spacing, 24)
    images = grid.to_images(lit(top, left))
    rows, columns = np.nonzero(images.sum(dim=0).numpy())
    assert rows.max() < 12
    assert columns.max() < 12


@pytest.mark.parametrize("plane", Plane)
def test_slices_follow_the_axis_across_the_plane(plane: Plane) -> None:
    array = np.zeros(SHAPE, np.float32)
    along = np.moveaxis(array, plane.axis, 0)
    along[3] = 1.0
    grid = SliceGrid(plane, SHAPE, (1.0, 2.0, 3.0), 32)
    images = grid.to_images(array)
    assert images.shape == (SHAPE[plane.axis], 32, 32)
    assert torch.nonzero(images.flatten(1).any(dim=1)).flatten().tolist() == [3]
    assert grid.thickness == (1.0, 2.0, 3.0)[plane.axis]


def test_pixels_are_square_and_the_image_as_wide_as_the_longer_side() -> None:
    grid = SliceGrid(Plane.AXIAL, (20, 24, 16), (2.0, 1.0, 5.0), 80)
    assert grid.side == 40.0
    image = grid.to_images(np.ones((20, 24, 16), np.float32))[0]
    # 24 mm of 40 are filled from anterior to posterior, all 40 from right to left.
    assert (image > 0.5).sum(dim=0).tolist() == [48] * 80
    filled = torch.nonzero((image > 0.5).any(dim=1)).flatten()
    assert (int(filled[0]), int(filled[-1])) == (16, 63)


def place(grid: SliceGrid, axis: int, voxel: float) -> float:
    """Pixel that a voxel coordinate lies at, by the description of the grid alone."""
    centre = (grid.shape[axis] - 1) / 2
    mm = (voxel - centre) * grid.spacing[axis]
    return (grid.side / 2 - mm) / (grid.side / grid.image_size) - 0.5


geometries = st.builds(
    SliceGrid,
    plane=st.sampled_from(Plane),
    shape=st.tuples(*[st.integers(8, 40)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.5, 1.0, 2.0, 2.7, 6.0])] * 3),
    image_size=st.sampled_from([32, 64, 96]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(grid=geometries, at=st.tuples(*[st.floats(0.25, 0.75)] * 3))
def test_a_blob_lies_where_the_grid_says_and_comes_back(
    grid: SliceGrid, at: tuple[float, float, float]
) -> None:
    """The blob is wide enough to be seen by both voxels and pixels."""
    centre = np.array(at) * (np.array(grid.shape) - 1)
    centre[grid.plane.axis] = round(centre[grid.plane.axis])
    pixel = grid.side / grid.image_size
    sigma = 1.2 * max(pixel, *(grid.spacing[axis] for axis in (grid.row_axis, grid.column_axis)))
    mm = (np.moveaxis(np.indices(grid.shape), 0, -1) - centre) * grid.spacing
    array = np.exp(-0.5 * (np.linalg.norm(mm, axis=-1) / sigma) ** 2).astype(np.float32)
    edges = np.minimum(centre, np.array(grid.shape) - 1 - centre) * grid.spacing
    # Cut off by the border, a blob's centroid is not its centre.
    assume(min(edges[grid.row_axis], edges[grid.column_axis]) >= 3 * sigma)

    image = grid.to_images(array)[int(centre[grid.plane.axis])].double()
    rows, columns = torch.meshgrid(*[torch.arange(grid.image_size)] * 2, indexing="ij")
    centres = [float((image * each).sum() / image.sum()) for each in (rows, columns)]
    expected = [place(grid, axis, centre[axis]) for axis in (grid.row_axis, grid.column_axis)]
    np.testing.assert_allclose(centres, expected, atol=0.5)

    returned = grid.to_volume(grid.to_images(array))
    assert returned.shape == grid.shape
    here = np.moveaxis(returned, grid.plane.axis, 0)[int(centre[grid.plane.axis])]
    others = [axis for axis in range(3) if axis != grid.plane.axis]
    indices = np.indices(here.shape).reshape(2, -1)
    np.testing.assert_allclose(indices @ here.ravel() / here.sum(), centre[others], atol=0.5)


@settings(max_examples=30, deadline=None)
@given(grid=geometries)
def test_a_constant_stays_constant_inside_and_nothing_lies_outside(grid: SliceGrid) -> None:
    images = grid.to_images(np.full(grid.shape, 3.0, np.float32))
    values = images.flatten()
    assert (((values - 3.0).abs() < 1e-4) | (values == 0.0)).all()
    returned = grid.to_volume(
        torch.full((grid.shape[grid.plane.axis], *[grid.image_size] * 2), 3.0)
    )
    np.testing.assert_allclose(returned, 3.0, rtol=1e-5)


def test_coarse_pixels_average_what_they_cover() -> None:
    stripes = np.zeros((64, 64, 1), np.float32)
    stripes[::4] = 1.0
    image = SliceGrid(Plane.AXIAL, (64, 64, 1), (1.0, 1.0, 1.0), 16).to_images(stripes)[0]
    np.testing.assert_allclose(image[2:-2, 2:-2].numpy(), 0.25, atol=0.02)


@pytest.mark.parametrize("count", [1, 31, 33, 70])
def test_a_slice_does_not_depend_on_how_many_there_are(count: int) -> None:
    array = np.random.default_rng(0).random((24, 20, 70), dtype=np.float32)
    whole = SliceGrid(Plane.AXIAL, (24, 20, 70), (1.0, 1.3, 2.0), 32)
    part = SliceGrid(Plane.AXIAL, (24, 20, count), (1.0, 1.3, 2.0), 32)
    images = whole.to_images(array)
    assert torch.equal(part.to_images(array[:, :, -count:].copy()), images[-count:])
    np.testing.assert_array_equal(
        part.to_volume(images[-count:]), whole.to_volume(images)[:, :, -count:]
    )


def scan(modality: Modality = Modality.CT) -> Volume:
    grid = np.moveaxis(np.indices((40, 44, 36)), 0, -1)
    inside = np.linalg.norm((grid - (20, 22, 18)) / (15, 18, 14), axis=-1) <= 1
    ramp = np.linspace(-1500, 1500, 40)[:, None, None]
    array = np.where(
        inside,
        ramp if modality is Modality.CT else 500 + ramp / 10,
        -1000 * (modality is Modality.CT),
    )
    return Volume(array.astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]), modality, "scan")


@pytest.mark.parametrize("plane", Plane)
@pytest.mark.parametrize("modality", Modality)
def test_images_lie_between_0_and_1(plane: Plane, modality: Modality) -> None:
    stack = slice_volume(scan(modality), plane, 64, "body")
    assert len(stack) == scan().shape[plane.axis]
    assert stack.images.dtype == torch.float32
    assert stack.foreground.shape == stack.images.shape
    assert float(stack.images.min()) == 0.0
    assert 0.95 < float(stack.images.max()) <= 1.0


def test_a_ct_window_maps_its_ends_to_black_and_white() -> None:
    volume = scan()
    stack = slice_volume(volume, Plane.AXIAL, 64, "lung")
    returned = stack.grid.to_volume(stack.images)
    inside = returned[12:28, 22, 18]
    expected = np.clip((volume.array[12:28, 22, 18] + 1350) / 1500, 0, 1)
    np.testing.assert_allclose(inside, expected, atol=0.02)


def test_the_foreground_is_that_of_the_volume() -> None:
    stack = slice_volume(scan(Modality.MR), Plane.CORONAL, 64, "body")
    returned = stack.grid.to_volume(stack.foreground.float()) > 0.5
    assert (returned != (scan(Modality.MR).array > 0)).mean() < 0.01


def test_an_empty_scan_and_an_unknown_window_are_refused() -> None:
    empty = Volume(np.full((9, 9, 9), -1000, np.float32), np.eye(4), Modality.CT, "empty")
    with pytest.raises(InputError, match="empty: no foreground"):
        slice_volume(empty, Plane.AXIAL, 64, "body")
    with pytest.raises(ConfigurationError, match="unknown CT window 'kidney'"):
        slice_volume(scan(), Plane.AXIAL, 64, "kidney")
