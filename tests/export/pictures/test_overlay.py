import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.export.pictures.colour_scale import SCALE_MAXIMUM, ColourScale
from d24fad_core.export.pictures.overlay import layout_of, write_overlay
from d24fad_core.export.pictures.overlay_layout import Place
from d24fad_core.volumes.volume import Modality, Plane
from tests.export.analysed_study import analysed

Picture = NDArray[np.int64]


def drawn(folder: Path, **study: Any) -> Picture:
    """The panels of a study's picture, as RGB."""
    query, result = analysed(**study)
    write_overlay(query, result, folder / "overlay.png")
    picture = np.asarray(Image.open(folder / "overlay.png").convert("RGB")).astype(np.int64)
    return part(picture, (0.0, 0.0, layout_of(query, result).colour_bar()[0], 1.0))


def panel(folder: Path, kind: str = "heat", number: int = 0, **study: Any) -> Picture:
    """One panel of a study's picture: a slice, plain or with heat, or a plane of the finding."""
    query, result = analysed(**study)
    write_overlay(query, result, folder / "overlay.png")
    picture = np.asarray(Image.open(folder / "overlay.png").convert("RGB")).astype(np.int64)
    return part(picture, getattr(layout_of(query, result), kind)(number))


def part(picture: Picture, place: Place) -> Picture:
    left, bottom, width, height = place
    rows, columns = picture.shape[:2]
    top = round((1 - bottom - height) * rows)
    first = round(left * columns)
    return picture[top : top + round(height * rows), first : first + round(width * columns)]


def warm(picture: Picture) -> NDArray[np.bool_]:
    """Pixels coloured by the heatmap."""
    return (picture[..., 0] - picture[..., 2] > 50) & (picture[..., 0] > 60)


def outline(picture: Picture) -> NDArray[np.bool_]:
    return (picture[..., 2] - picture[..., 0] > 80) & (picture[..., 1] > 120)


def tissue(picture: Picture) -> NDArray[np.bool_]:
    """Pixels of the grey image; words are tinted, so they do not count."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    return (red == green) & (green == blue) & (red > 20)


def extent(region: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First and last row, first and last column."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def middle(region: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean row and column."""
    row, column = np.argwhere(region).mean(axis=0)
    return float(row), float(column)


ONE_SLICE = {
    Plane.AXIAL: (40, 50, 1),
    Plane.CORONAL: (40, 1, 50),
    Plane.SAGITTAL: (1, 40, 50),
}


@pytest.mark.parametrize(
    ("plane", "lesion", "expected"),
    [
        (Plane.AXIAL, (30, 42, 0), "upper left"),  # right, anterior
        (Plane.AXIAL, (8, 10, 0), "lower right"),
        (Plane.CORONAL, (30, 0, 42), "upper left"),  # right, superior
        (Plane.SAGITTAL, (0, 30, 42), "upper left"),  # anterior, superior
        (Plane.SAGITTAL, (0, 8, 10), "lower right"),
    ],
)
@pytest.mark.parametrize("flipped", [False, True])
def test_a_lesion_is_drawn_on_the_side_where_radiologists_expect_it(
    tmp_path: Path,
    plane: Plane,
    lesion: tuple[int, int, int],
    expected: str,
    flipped: bool,
) -> None:
    shape = ONE_SLICE[plane]
    affine = np.eye(4)
    if flipped:  # the same anatomy stored from left to right
        affine[0, 0], affine[0, 3] = -1, shape[0] - 1
        lesion = (shape[0] - 1 - lesion[0], lesion[1], lesion[2])
    picture = panel(tmp_path, shape=shape, affine=affine, plane=plane, lesions=((lesion, 9.0),))

    top, bottom, left, right = extent(tissue(picture))
    row, column = middle(warm(picture))
    vertical = "upper" if row < (top + bottom) / 2 else "lower"
    horizontal = "left" if column < (left + right) / 2 else "right"
    assert f"{vertical} {horizontal}" == expected


def test_a_finding_is_outlined_where_it_is(
    tmp_path: Path,
) -> None:
    picture = panel(tmp_path, shape=(40, 50, 1), lesions=(((12, 30, 0), 9.0),))
    heat, line = extent(warm(picture)), extent(outline(picture))
    assert line[0] <= heat[0] + 3 and line[1] >= heat[1] - 3
    assert line[2] <= heat[2] + 3 and line[3] >= heat[3] - 3
    # The number above the outline counts too.
    assert line[1] - line[0] < 1.8 * (heat[1] - heat[0])


def test_each_slice_is_shown_without_heat_too(
    tmp_path: Path,
) -> None:
    study = {"shape": (40, 50, 1), "lesions": (((12, 30, 0), 9.0),)}
    plain, heat = (panel(tmp_path, kind, **study) for kind in ("plain", "heat"))
    assert not warm(plain).any() and not outline(plain).any()
    assert warm(heat).any() and outline(heat).any()
    np.testing.assert_allclose(extent(tissue(plain)), extent(tissue(heat)), atol=8)


def test_three_planes_go_through_the_peak_of_the_first_finding(
    tmp_path: Path,
) -> None:
    lesions = (((30, 10, 8), 9.0), ((8, 30, 20), 6.0))
    for number in range(3):
        plane = panel(tmp_path, "plane", number, shape=(40, 50, 30), lesions=lesions)
        green = (np.abs(plane - np.array([115, 242, 140])) < 40).all(axis=-1)
        lines = green.sum(axis=1).argmax(), green.sum(axis=0).argmax()
        row, column = middle(warm(plane))
        assert abs(lines[0] - row) < 4 and abs(lines[1] - column) < 4, number


def test_the_scale_bar_is_as_long_as_it_says(tmp_path: Path) -> None:
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    picture = panel(tmp_path, shape=(60, 70, 1), affine=affine, lesions=())
    # 30 % of 120 mm take 2 cm; the bar lies in the lowest tenth of the panel.
    low = picture[int(0.925 * len(picture)) : int(0.985 * len(picture))]
    right = low[:, low.shape[1] // 2 + 20 :]  # beyond the letter in the middle
    white = (right.min(axis=-1) > 200).sum(axis=1).max()
    # The panel is as wide as the slice.
    assert white / picture.shape[1] == pytest.approx(20 / 120, abs=0.02)


def test_thick_slices_keep_their_proportions(
    tmp_path: Path,
) -> None:
    picture = panel(
        tmp_path,
        shape=(242, 1, 42),
        affine=np.diag([1.0, 1.0, 6.0, 1.0]),
        plane=Plane.CORONAL,
        lesions=(),
    )
    top, bottom, left, right = extent(tissue(picture))
    # The body is 240 mm wide and 40 slices of 6 mm high.
    assert (right - left) / (bottom - top) == pytest.approx(1.0, abs=0.04)


def test_a_normal_case_stays_grey(
    tmp_path: Path,
) -> None:
    picture = drawn(tmp_path, lesions=(((16, 9, 6), 2.9),))[100:]  # the notice is amber
    assert not warm(picture).any()
    assert not outline(picture).any()
    assert tissue(picture).any()


def test_a_colour_means_the_same_score_in_every_case() -> None:
    scores = np.array([0.0, 2.9, 3.0, 3.1, 6.0, 9.9], dtype=np.float32)
    colours = ColourScale.above(3.0).rgba(scores)
    assert ColourScale.above(3.0).maximum == SCALE_MAXIMUM
    assert (colours[:3, 3] == 0).all()
    assert (np.diff(colours[3:, 3]) > 0).all()
    np.testing.assert_array_equal(colours[3:, :3], ColourScale.above(2.0).rgba(scores)[3:, :3])
    np.testing.assert_array_equal(colours[:5], ColourScale.above(3.0).rgba(scores[:5]))


@pytest.mark.parametrize("threshold", [0.0, 2.0, 5.4, 7.5])
def test_the_scale_ends_at_the_same_score_for_every_usual_threshold(threshold: float) -> None:
    assert ColourScale.above(threshold).maximum == SCALE_MAXIMUM


def test_a_threshold_near_or_beyond_the_end_of_the_scale_still_has_colours_above_it() -> None:
    assert ColourScale.above(8.0).maximum == 2 * SCALE_MAXIMUM
    colours = ColourScale.above(12.0).rgba(np.array([11.0, 13.0, 40.0], dtype=np.float32))
    assert np.isfinite(colours).all()
    assert list(colours[:, 3] > 0) == [False, True, True]


@pytest.mark.parametrize(
    "name",
    ["price_$5_to_$6", "患者七", "a" * 300, "with\nnewline"],
    ids=["math", "han", "long", "lf"],
)
def test_any_name_gives_a_picture(tmp_path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(tmp_path, name=name)


@pytest.mark.parametrize("shape", [(30, 30, 1), (30, 30, 2), (30, 30, 4), (90, 3, 5)])
def test_few_and_small_slices_give_a_picture(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    for plane in Plane:
        drawn(tmp_path, shape=shape, plane=plane)


@pytest.mark.parametrize("modality", list(Modality))
def test_each_modality_gives_a_picture(tmp_path: Path, modality: Modality) -> None:
    assert tissue(drawn(tmp_path, modality=modality)).any()


def test_a_constant_image_gives_a_picture(
    tmp_path: Path,
) -> None:
    query, result = analysed()
    query.array[...] = 7
    write_overlay(query, result, tmp_path / "overlay.png")
    assert (tmp_path / "overlay.png").stat().st_size > 0


def test_drawing_leaves_the_plotting_state_of_the_caller_alone() -> None:
    overlay = "d24fad_core.export.pictures.overlay"
    code = f"import sys, {overlay}; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_warnings_stand_above_the_slices(tmp_path: Path) -> None:
    query, result = analysed()
    warning = AnalysisWarning(
        WarningCode.DIFFERS_EVERYWHERE, "This study differs from the normals everywhere.", "Look."
    )
    pictures = []
    for number, several in enumerate([(), (warning,), (warning,) * 3]):
        path = tmp_path / f"{number}.png"
        write_overlay(query, replace(result, warnings=several), path)
        pictures.append(np.asarray(Image.open(path).convert("RGB")).astype(np.int64))
    without, one, three = (picture.shape[0] for picture in pictures)
    assert three - one == pytest.approx(2 * (one - without), abs=2) and one > without
    # In the colour of the notice, between the title and the slices.
    band = pictures[1][int(0.8 * 110) : int(1.05 * 110)]
    assert ((band[..., 0] > 200) & (band[..., 2] < 120)).sum() > 50
