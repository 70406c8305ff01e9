"""The common frame: a point of the body is found at its place however its scan is stored."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core.errors import InputError
from d24fad_core.support.frame import AlignedStudy, Frame, align, make_frame, to_source
from d24fad_core.volumes import slices
from d24fad_core.volumes.preprocessing import Foreground
from d24fad_core.volumes.slices import slice_volume
from d24fad_core.volumes.volume import Modality, Plane, Volume
from tests.support.phantom import (
    AIR,
    CENTRE,
    GRIDS,
    MARK,
    RADII,
    Grid,
    centroid,
    scan,
    stored_otherwise,
    turned,
)

IMAGE_SIZE = 64
BODY = (-1000.0, 400.0)  # the window that images are seen in here
POINT = CENTRE + np.array([11.3, -7.7, 5.9])
FIRST = Grid(directions=turned(7, (1.0, 1.0, 0.0)))
BRIGHT = 0.6 * MARK  # only the mark is above


def frame_of(study: Volume) -> Frame:
    return make_frame(study, IMAGE_SIZE, "body")


def there_and_back(
    study: Volume, frame: Frame, aligned: AlignedStudy, plane: Plane
) -> NDArray[np.float32]:
    """Slice a study, take its images for anomaly maps, and bring these onto its grid, in HU."""
    stack = slice_volume(aligned.volume, plane, IMAGE_SIZE, "body")
    returned = to_source(stack.grid.to_volume(stack.images), frame, aligned, study)
    assert returned.shape == study.shape
    assert returned.dtype == np.float32
    return BODY[0] + (BODY[1] - BODY[0]) * returned


def voxel_of(point: NDArray[np.float64], volume: Volume) -> NDArray[np.float64]:
    voxel: NDArray[np.float64] = (np.linalg.inv(volume.affine) @ [*point, 1.0])[:3]
    return voxel


def marked_voxel(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centroid of what only the mark reaches, in voxels."""
    return centroid(np.clip(values.astype(np.float64) - BRIGHT, 0.0, None))


@pytest.fixture(scope="module")
def frame() -> Frame:
    return frame_of(scan(FIRST, size=0.95))


@pytest.mark.parametrize("register", [False, True])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_mark_comes_back_to_its_point(frame: Frame, grid: Grid, register: bool) -> None:
    study = scan(grid, mark=POINT)
    aligned = align(study, frame, "body", register=register)
    for plane in Plane:
        voxel = marked_voxel(there_and_back(study, frame, aligned, plane))
        np.testing.assert_allclose(voxel, voxel_of(POINT, study), atol=0.5, err_msg=plane.value)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any rotation, mirrored or not, with voxels of 1 to 6 mm."""
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.integers(-180, 180)] * 3)), degrees=True)
    mirror = np.diag([draw(st.sampled_from([-1.0, 1.0])), 1.0, 1.0])
    spacing = draw(st.tuples(*[st.sampled_from([1.5, 2.0, 2.7, 4.0])] * 3))
    return Grid(spacing=spacing, directions=turn.as_matrix() @ mirror, extent=110.0)


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    grid=grids(),
    offset=st.tuples(*[st.floats(-0.45, 0.45)] * 3),
    plane=st.sampled_from(Plane),
    register=st.booleans(),
)
def test_any_mark_in_any_scan_comes_back_to_its_point(
    frame: Frame, grid: Grid, offset: tuple[float, float, float], plane: Plane, register: bool
) -> None:
    point = CENTRE + np.array(offset) * RADII
    study = scan(grid, mark=point, mark_mm=max(5.0, 1.5 * max(grid.spacing)))
    aligned = align(study, frame, "body", register=register)
    voxel = marked_voxel(there_and_back(study, frame, aligned, plane))
    np.testing.assert_allclose(voxel, voxel_of(point, study), atol=0.5)


@pytest.mark.parametrize("plane", Plane)
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_single_voxel_comes_back_where_pixels_are_no_larger(grid: Grid, plane: Plane) -> None:
    """Larger pixels sample the scan linearly, so that what is smaller than they are may be lost."""
    grid = replace(grid, extent=96.0)
    study = scan(grid)
    voxel = np.round(voxel_of(POINT, study)).astype(int)
    marked = replace(study, array=study.array.copy())
    marked.array[tuple(voxel)] = MARK

    size = 128
    frame = make_frame(study, size, "body")
    returned = []
    for each in (study, marked):
        aligned = align(each, frame, "body", register=False)
        stack = slice_volume(aligned.volume, plane, size, "body")
        returned.append(to_source(stack.grid.to_volume(stack.images), frame, aligned, each))
    difference = (returned[1] - returned[0]).astype(np.float64)
    assert difference.min() > -1e-5
    # Interpolation spreads the voxel over its neighbours and no further.
    assert difference.sum() > 0.15
    np.testing.assert_allclose(centroid(difference.clip(0)), voxel, atol=0.5)
    far = np.abs(np.moveaxis(np.indices(study.shape), 0, -1) - voxel).max(axis=-1) > 3
    assert np.abs(difference[far]).max() < 1e-5


@pytest.mark.parametrize("register", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_how_a_scan_is_stored_changes_nothing(
    frame: Frame, order: tuple[int, int, int], register: bool
) -> None:
    study = scan(Grid(spacing=(2.0, 2.5, 3.0)), mark=POINT)
    expected = align(study, frame, "body", register=register)
    for flips in ((False, False, False), (True, False, True)):
        other = stored_otherwise(study, order, flips)
        aligned = align(other, frame, "body", register=register)
        # BinShrink drops incomplete bins at the far end of an axis, so that registration starts
        # from slightly different data.
        tolerance = 0.5 if register else 1e-6
        np.testing.assert_allclose(
            marked_voxel(aligned.volume.array), marked_voxel(expected.volume.array), atol=tolerance
        )
        if not register:
            np.testing.assert_allclose(aligned.volume.array, expected.volume.array, atol=0.05)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_registration_lays_the_same_anatomy_upon_each_other(grid: Grid) -> None:
    first = scan(Grid(directions=turned(10, (0.0, 0.3, 1.0))), mark=POINT)
    frame = frame_of(first)
    boxes, registered = (
        align(scan(grid, mark=POINT, size=1.05), frame, "body", register=register)
        for register in (False, True)
    )
    assert registered.similarity >= boxes.similarity
    assert registered.similarity > 0.98
    # The mark is at the same world point in a body that is 5 % larger; registration sees 4 mm.
    expected = voxel_of(CENTRE + (POINT - CENTRE) / 1.05, replace(first, affine=frame.affine))
    voxel = marked_voxel(registered.volume.array)
    np.testing.assert_allclose((voxel - expected) * frame.spacing, 0.0, atol=4.0)


def test_boxes_match_by_relative_position() -> None:
    first = scan()
    frame = frame_of(first)
    larger = scan(Grid(extent=130.0), mark=POINT, size=1.2)
    # Another scanner, another origin.
    shift = np.eye(4)
    shift[:3, 3] = (300.0, -200.0, 1000.0)
    larger = replace(larger, affine=shift @ larger.affine)
    aligned = align(larger, frame, "body", register=False)
    to_lps = np.array([-1.0, -1.0, 1.0])
    centre = aligned.to_study.TransformPoint((to_lps * CENTRE).tolist())
    np.testing.assert_allclose(to_lps * centre, CENTRE + shift[:3, 3], atol=2.0)
    expected = voxel_of(CENTRE + (POINT - CENTRE) / 1.2, replace(first, affine=frame.affine))
    np.testing.assert_allclose(marked_voxel(aligned.volume.array), expected, atol=0.75)


def test_the_first_study_lies_in_its_own_frame_unchanged() -> None:
    study = scan(GRIDS["flipped"], mark=POINT)
    frame = frame_of(study)
    aligned = align(study, frame, "body", register=True)
    assert aligned.similarity == pytest.approx(1.0)
    np.testing.assert_allclose(
        aligned.to_study.TransformPoint((1.0, 2.0, 3.0)), (1.0, 2.0, 3.0), atol=1e-6
    )
    in_frame = replace(study, affine=frame.affine)
    np.testing.assert_allclose(
        marked_voxel(aligned.volume.array), voxel_of(POINT, in_frame), atol=0.25
    )


def test_alignment_gives_the_same_bits_again(frame: Frame) -> None:
    study = scan(GRIDS["oblique"], mark=POINT)
    first, second = (align(study, frame, "body", register=True) for _ in range(2))
    np.testing.assert_array_equal(first.volume.array, second.volume.array)
    assert first.similarity == second.similarity


def test_the_frame_holds_the_body_in_pixels_no_smaller_than_voxels() -> None:
    study = scan(Grid(spacing=(1.0, 1.0, 6.0)))
    frame = make_frame(study, 64, "body")
    assert frame.spacing[2] == pytest.approx(6.0)
    assert frame.spacing[0] == frame.spacing[1] > 1.0
    extent = np.array(frame.shape) * frame.spacing
    assert (extent >= 2 * RADII).all()
    assert max(frame.shape) <= 64
    middle = frame.affine @ [*frame.centre, 1.0]
    np.testing.assert_allclose(middle[:3], CENTRE, atol=3.5)


def test_the_hash_of_a_frame_follows_study_window_and_size() -> None:
    study = scan()
    hashes = {
        make_frame(each, size, window).content_hash
        for each in (study, scan(mark=POINT))
        for size in (32, 48)
        for window in ("body", "lung")
    }
    assert len(hashes) == 8
    assert make_frame(study, 32, "body").content_hash in hashes


def test_a_map_is_zero_beyond_the_frame(frame: Frame) -> None:
    study = scan(replace(FIRST, extent=180.0))
    aligned = align(study, frame, "body", register=False)
    returned = to_source(np.ones(frame.shape, np.float32), frame, aligned, study)
    assert (returned[study.array > AIR] > 0.99).mean() > 0.99
    for corner in itertools.product((0, -1), repeat=3):
        assert returned[corner] == 0.0


@pytest.mark.parametrize("slices", [2, 3, 5])
@pytest.mark.parametrize("register", [False, True])
def test_few_thin_slices_are_a_study_too(slices: int, register: bool) -> None:
    whole = scan()
    affine = whole.affine.copy()
    affine[:3, 2] /= 2.0  # 1 mm
    thin = Volume(whole.array[:, :, 28 : 28 + slices].copy(), affine, Modality.CT, "thin")
    for first, query in ((thin, thin), (whole, thin), (thin, whole)):
        frame = frame_of(first)
        aligned = align(query, frame, "body", register=register)
        returned = there_and_back(query, frame, aligned, Plane.AXIAL)
        assert returned.max() > -100.0


def test_a_sheared_grid_comes_back_too(frame: Frame) -> None:
    """As after conversion of a CT whose gantry was tilted."""
    study = scan()
    tilted = study.affine @ np.array(
        [[1, 0, 0, 0], [0, 1, 0.3, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float
    )
    where = np.moveaxis(np.indices(study.shape), 0, -1) @ tilted[:3, :3].T + tilted[:3, 3]
    array = np.where(np.linalg.norm((where - CENTRE) / RADII, axis=-1) < 1, 0.0, AIR)
    strength = np.exp(-0.5 * (np.linalg.norm(where - POINT, axis=-1) / 5.0) ** 2)
    array = np.where(array == 0.0, MARK * strength, AIR).astype(np.float32)
    study = Volume(array, tilted, Modality.CT, "tilted")
    aligned = align(study, frame, "body", register=True)
    for plane in Plane:
        voxel = marked_voxel(there_and_back(study, frame, aligned, plane))
        np.testing.assert_allclose(voxel, voxel_of(POINT, study), atol=0.5)


def test_an_empty_study_is_refused(frame: Frame) -> None:
    empty = Volume(np.full((20, 20, 20), AIR, np.float32), np.eye(4), Modality.CT, "empty")
    with pytest.raises(InputError, match="empty: no foreground"):
        frame_of(empty)
    with pytest.raises(InputError, match="empty: no foreground"):
        align(empty, frame, "body", register=False)


def test_the_foreground_is_found_once_for_all_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frame_of(scan())
    aligned = align(scan(FIRST), frame, "body", register=False)
    expected = {plane: slice_volume(aligned.volume, plane, IMAGE_SIZE, "body") for plane in Plane}
    calls = []
    original = slices.find_foreground

    def counted(*arguments: Any) -> Foreground:
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(slices, "find_foreground", counted)
    for plane, stack in expected.items():
        again = aligned.slices(plane, IMAGE_SIZE)
        assert again.images.equal(stack.images) and again.foreground.equal(stack.foreground)
    assert len(calls) == 1
