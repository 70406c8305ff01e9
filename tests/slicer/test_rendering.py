"""What a radiologist sees: slice views drawn offscreen and checked by their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import volumes
from D24FADSlicerLib.logic.review_events import Action
from test_scene import open_case

pytestmark = pytest.mark.usefixtures("scene")

PLANES = {"Red": "axial", "Yellow": "sagittal", "Green": "coronal"}


def open_with_view(
    grid: str = "plain", name: str = "Red", size: tuple[int, int] = (420, 420)
) -> tuple[Any, Any]:
    """A case and a view of it; as in Slicer, the views are there first."""
    from harness.rendering import SliceView

    view = SliceView(name, size)
    case = open_case(grid)
    view.fit()
    return case, view


def hidden(case: Any) -> None:
    from D24FADSlicerLib.scene import numbers, views

    views.set_legend_visible(case.heatmap, False)
    numbers.set_visible(case, False)
    case.segmentation.GetDisplayNode().SetVisibility(False)


@pytest.mark.parametrize("grid", volumes.GRIDS)
@pytest.mark.parametrize("plane", PLANES)
def test_the_heatmap_appears_at_the_finding_and_nowhere_else(grid: str, plane: str) -> None:
    from D24FADSlicerLib.scene import views
    from harness.rendering import saturation

    case, view = open_with_view(grid, plane)
    hidden(case)
    centre = volumes.spot_centre(volumes.GRIDS[grid], 1)
    views.jump_to(case.volume, centre)
    colored = saturation(view.pixels()) > 40
    row, column = view.project(centre)
    assert colored[row - 2 : row + 3, column - 2 : column + 3].all()
    rows, columns = np.nonzero(colored)
    assert abs(rows.mean() - row) < 25 and abs(columns.mean() - column) < 25
    assert colored.mean() < 0.2


def test_the_threshold_and_the_opacity_show() -> None:
    from D24FADSlicerLib.scene import heatmap, views
    from harness.rendering import saturation

    case, view = open_with_view()
    hidden(case)
    views.jump_to(case.volume, volumes.spot_centre(volumes.GRIDS["plain"], 2))
    strong = saturation(view.pixels())
    views.set_heatmap_opacity(case.heatmap, 0.3)
    weak = saturation(view.pixels())
    assert 0 < weak.max() < strong.max()
    views.set_heatmap_opacity(case.heatmap, 0.0)
    assert saturation(view.pixels()).max() == 0
    views.set_heatmap_opacity(case.heatmap, 0.6)
    heatmap.set_threshold(case.heatmap, 7.5)
    assert saturation(view.pixels()).max() == 0


@pytest.mark.parametrize("plane", PLANES)
def test_the_number_of_a_finding_stands_beside_it(plane: str) -> None:
    from D24FADSlicerLib.scene import numbers, views
    from harness.rendering import count

    def white(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
        return (red > 200) & (green > 200) & (blue > 200)

    case, view = open_with_view(name=plane)
    hidden(case)
    views.set_heatmap_opacity(case.heatmap, 0.0)
    case.volume.GetDisplayNode().SetWindowLevelMinMax(0.0, 3000.0)
    drawn = {}
    for finding in case.analysis.findings:
        views.jump_to(case.volume, finding.peak_ras_mm)
        row, column = view.project(finding.peak_ras_mm)
        around = slice(max(row - 40, 0), row + 40), slice(column - 10, column + 70)
        numbers.set_visible(case, True)
        shown = view.pixels()
        assert count(shown[around], white) > 15
        assert count(shown, white) == count(shown[around], white), "it is nowhere else"
        drawn[finding.rank] = shown[around]
        numbers.set_visible(case, False)
        assert count(view.pixels(), white) == 0
    assert not np.array_equal(drawn[1] > 200, drawn[2] > 200), "1 is not 2"


def test_the_legend_is_there_and_can_go() -> None:
    from D24FADSlicerLib.scene import views
    from harness.rendering import saturation

    case, view = open_with_view()
    case.segmentation.GetDisplayNode().SetVisibility(False)
    views.jump_to(case.volume, (7.0, -12.0, 30.0))
    right = slice(320, 420)
    with_legend = int((saturation(view.pixels())[:, right] > 60).sum())
    views.set_legend_visible(case.heatmap, False)
    without = int((saturation(view.pixels())[:, right] > 60).sum())
    assert with_legend > without + 300


@pytest.mark.parametrize(
    ("action", "channel"), [(None, "yellow"), (Action.ACCEPT, "green"), (Action.REJECT, "grey")]
)
def test_the_outline_has_the_colour_of_its_decision(action: Action | None, channel: str) -> None:
    from D24FADSlicerLib.scene import segments, views
    from harness.rendering import count

    case, view = open_with_view()
    views.set_heatmap_opacity(case.heatmap, 0.0)
    views.set_legend_visible(case.heatmap, False)
    if action is not None:
        case.review = case.review.append(action, 1, "AB")
    segments.apply_states(case.segmentation, case.volume, case.review)
    views.jump_to(case.volume, volumes.spot_centre(volumes.GRIDS["plain"], 1))
    pixels = view.pixels()
    conditions = {
        "yellow": lambda r, g, b: (r > 150) & (g > 120) & (b < 110),
        "green": lambda r, g, b: (g > 130) & (r < 110) & (b < 130),
        "grey": lambda r, g, b: (abs(r - g) < 8) & (abs(g - b) < 8) & (r > 100) & (r < 200),
    }
    assert count(pixels, conditions[channel]) > 60
    others = set(conditions) - {channel, "grey"}
    assert all(count(pixels, conditions[other]) == 0 for other in others)


def test_the_rendering_shows_the_findings_in_3d() -> None:
    from D24FADSlicerLib.scene import heatmap
    from harness.rendering import ThreeDView, count

    def hot(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
        return (red > 150) & (red > blue + 60)

    view = ThreeDView()
    case = open_case()
    bounds = [0.0] * 6
    case.volume.GetRASBounds(bounds)
    heatmap.set_rendering_visible(case.heatmap, True, 4.0)
    both = count(view.pixels(tuple(bounds)), hot)
    heatmap.set_threshold(case.heatmap, 7.5)
    one = count(view.pixels(tuple(bounds)), hot)
    heatmap.set_rendering_visible(case.heatmap, False, 7.5)
    assert both > one > 20
    assert count(view.pixels(tuple(bounds)), hot) == 0


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_real_case_in_three_planes_is_pictured() -> None:
    """The tumour of a real head MRI, its mask standing in for the analysis."""
    from D24FADSlicerLib.scene import case as cases
    from D24FADSlicerLib.scene import views
    from D24FADSlicerLib.scene.parameters import CaseNode
    from harness.rendering import SliceView, saturation, save_png
    from places import ROOT, SCREENSHOTS
    from real_case import real_delivery

    folder = ROOT.parent / "shared" / "volumes" / "brain1"
    if not folder.is_dir():
        pytest.skip("../shared/volumes/brain1 is not there")
    data, delivery = real_delivery(folder)
    panes = [SliceView(name, (360, 360)) for name in PLANES]
    case = CaseNode.of_volume(cases.add_volume("head MRI", data))
    views.show_volume(case.volume)
    cases.receive(case, delivery, "AB", 0.6)
    for pane in panes:
        pane.fit()
    views.jump_to(case.volume, case.analysis.findings[0].peak_ras_mm)
    pictures = [pane.pixels() for pane in panes]
    assert all((saturation(picture) > 60).sum() > 300 for picture in pictures)
    save_png(np.concatenate(pictures, axis=1), SCREENSHOTS / "slicer-views.png")
