from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation
from scipy.spatial.transform import Rotation

from d24fad_core.detection.result import Finding
from d24fad_core.export.pictures.display import SliceDisplay, choose_slices
from d24fad_core.volumes.volume import Plane

AXIS_CODES = [
    "".join(code) for sides in permutations(("RL", "AP", "SI")) for code in product(*sides)
]


@given(
    codes=st.sampled_from(AXIS_CODES),
    plane=st.sampled_from(list(Plane)),
    tilt=st.tuples(*[st.floats(-25, 25)] * 3),
)
@settings(max_examples=150, deadline=None)
def test_what_lies_to_the_right_of_the_patient_is_shown_on_the_left(
    codes: str, plane: Plane, tilt: tuple[float, float, float]
) -> None:
    shape = np.array([20, 22, 24])
    affine = inv_ornt_aff(axcodes2ornt(codes), tuple(shape))
    affine[:3, :3] = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix() @ affine[:3, :3]
    slice_axis = int(np.flatnonzero(io_orientation(affine)[:, 0] == plane.axis)[0])
    display = SliceDisplay.of(affine, slice_axis)
    assert display.plane is plane

    # One coordinate of every voxel's world position as the image: it must fall towards the right.
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    across = 1 if plane is Plane.SAGITTAL else 0
    down = 1 if plane is Plane.AXIAL else 2
    assert (np.diff(display.picture(world[..., across], 7), axis=1) < 0).all()
    assert (np.diff(display.picture(world[..., down], 7), axis=0) < 0).all()
    assert display.left[0] + display.right[0] == ("AP" if plane is Plane.SAGITTAL else "RL")
    assert display.top[0] == ("A" if plane is Plane.AXIAL else "S")
    assert display.bottom[0] == ("P" if plane is Plane.AXIAL else "I")


def test_an_oblique_slice_names_both_sides() -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    display = SliceDisplay.of(affine, 2)
    assert (display.left, display.right) == ("RA", "LP")
    assert (display.top, display.bottom) == ("AL", "PR")


def test_a_picture_has_the_size_of_the_body_in_mm() -> None:
    display = SliceDisplay.of(np.diag([0.5, 2.0, 6.0, 1.0]), 1)
    assert display.plane is Plane.CORONAL
    assert display.size_mm((100, 50, 20)) == pytest.approx((120.0, 50.0))


def test_the_position_of_a_slice_is_that_of_its_centre() -> None:
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[2, 3] = -30
    display = SliceDisplay.of(affine, 2)
    assert display.position(affine, (9, 9, 30), 3) == "21.0 mm inferior"
    assert display.position(affine, (9, 9, 30), 14) == "12.0 mm superior"

    oblique = np.eye(4)
    oblique[:3, :3] = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    centre = (oblique @ [10, 10, 4, 1])[2]
    assert SliceDisplay.of(oblique, 2).position(oblique, (21, 21, 9), 4) == (
        f"{centre:.1f} mm superior"
    )


@pytest.mark.parametrize(
    ("scores", "spacing_mm", "indices"),
    [
        ((1, 9, 8, 7, 2, 6, 0, 1, 3), 3.0, [1, 5, 8]),  # neighbours of the best show the same
        ((1, 9, 8, 7, 2, 6, 0), 3.0, [1, 2, 5]),  # a neighbour fills up
        ((1, 9, 8, 7, 2, 6, 0), 10.0, [1, 2, 3]),  # thick slices are never the same
        ((5, 4), 1.0, [0, 1]),  # too few to leave any out
        ((3,), 1.0, [0]),
    ],
)
def test_slices_with_high_scores_are_chosen_apart_from_one_another(
    scores: tuple[float, ...], spacing_mm: float, indices: list[int]
) -> None:
    assert choose_slices(scores, (), spacing_mm, count=3, gap_mm=8.0) == indices


def finding(rank: int, first: int, last: int) -> Finding:
    place = (0.0, 0.0, 0.0)
    box = ((0, 0, first), (0, 0, last))
    return Finding(rank, 1.0, 1.0, 1.0, place, place, (0, 0, first), (first, last), box)


def test_a_finding_that_no_slice_shows_yet_comes_before_other_slices() -> None:
    scores = (0, 1, 9, 8, 7, 0, 0, 6, 5, 4)
    findings = (finding(1, 1, 3), finding(2, 4, 4), finding(3, 8, 9))
    assert choose_slices(scores, findings, 3.0, count=3, gap_mm=8.0) == [2, 4, 8]
    assert choose_slices(scores, findings[:1], 3.0, count=3, gap_mm=8.0) == [2, 3, 7]


def test_no_slice_is_shown_twice_however_many_findings_there_are() -> None:
    findings = tuple(finding(rank, rank % 4, rank % 4) for rank in range(1, 13))
    slices = choose_slices((1.0, 2.0, 3.0, 4.0), findings, 1.0, count=6, gap_mm=8.0)
    assert slices == [3, 2, 1, 0]
