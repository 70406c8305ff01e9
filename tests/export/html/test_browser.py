"""The page in a real browser: what is drawn where, by pixels, and what assistive tools find."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from d24fad_core.detection.result import AnalysisWarning, AnomalyResult, WarningCode
from d24fad_core.export.html import write_change_html, write_html
from d24fad_core.export.pictures.overlay import write_overlay
from d24fad_core.io.reading import read_volume
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume
from tests.browser import headless_chromium, needs_browser
from tests.export.html.changed_study import changed_since
from tests.export.html.shown_study import head, with_findings

pytestmark = [pytest.mark.slow, needs_browser]

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
CT = Path(__file__).parents[4] / "shared" / "volumes" / "lung1" / "lung1_image.nrrd"
PATIENCE_SECONDS = 180
COLOUR_TOLERANCE = 3

Picture = NDArray[np.int16]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with headless_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def opened(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a study's page and open it; returns its file."""

    def open_page(query: Volume, result: AnomalyResult) -> Path:
        path = tmp_path_factory.mktemp("page") / "report.html"
        normal = Volume(query.array * 0.9, query.affine, query.modality, "normal-1")
        warning = AnalysisWarning(
            WarningCode.OTHER_SIZE, "The study is small.", "Look at the original."
        )
        matched = MatchedNormal(normal, SimpleITK.AffineTransform(3))
        write_html(query, replace(result, warnings=(warning,)), path, [matched])
        browser.get_log("browser")
        browser.get(path.as_uri())
        WebDriverWait(browser, PATIENCE_SECONDS).until(
            lambda page: page.execute_script("return document.documentElement.dataset.ready")
        )
        return path

    return open_page


def oblique() -> NDArray[np.float64]:
    """A grid turned by some 20 degrees, stored from left to right and from top to bottom."""
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", (18, -14, 9), degrees=True).as_matrix()
    affine[:3, :3] = turned @ np.diag([-2.0, 2.0, -2.5])
    affine[:3, 3] = (40, -50, 60)
    return affine


def picture(browser: Chrome) -> Picture:
    """The pixels of the three planes."""
    content = browser.find_element(By.CSS_SELECTOR, ".stage.case").screenshot_as_png
    return np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(np.int16)


def tiles(browser: Chrome) -> list[Picture]:
    """The axial, coronal and sagittal part of the picture."""
    whole = picture(browser)
    places = browser.execute_script(
        "const view = window.d24fad.caseView;"
        "return view.screenSlices.map(tile => [tile.axCorSag, ...tile.leftTopWidthHeight]);"
    )
    parts: dict[int, Picture] = {}
    for kind, left, top, width, height in places:
        rows = slice(round(top), min(round(top + height), whole.shape[0]))
        parts[kind] = whole[rows, round(left) : round(left + width)]
    return [parts[kind] for kind in (0, 1, 2)]


def cross_hair(tile: Picture) -> tuple[int, int]:
    """Row and column where the lines of the cross-hair meet.

    How green a pixel is decides, not one colour: where the text above leaves the canvas between
    two rows of the screen, the browser spreads a line over both.
    """
    green = (tile[..., 1] - np.maximum(tile[..., 0], tile[..., 2])).clip(min=0)
    return int(green.sum(axis=1).argmax()), int(green.sum(axis=0).argmax())


def colour_at(tile: Picture, row: int, column: int) -> NDArray[np.int16]:
    colour: NDArray[np.int16] = np.median(
        tile[row - 1 : row + 2, column - 1 : column + 2], axis=(0, 1)
    ).astype(np.int16)
    return colour


def select(browser: Chrome, rank: int) -> None:
    browser.find_element(By.CSS_SELECTOR, f"tr[data-rank='{rank}'] button").click()
    wait_for_frames(browser)


def wait_for_frames(browser: Chrome) -> None:
    """Wait until what the page has drawn is on the screen."""
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )


def overlay_colours(query: Volume, result: AnomalyResult, folder: Path) -> NDArray[np.int16]:
    """The colours that larger areas of overlay.png have, (N, 3)."""
    write_overlay(query, result, folder / "overlay.png")
    pixels = np.asarray(Image.open(folder / "overlay.png").convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    return colours[counts > 100].astype(np.int16)


def check_findings(browser: Chrome, result: AnomalyResult, colours: NDArray[np.int16]) -> None:
    """Each finding comes under the cross-hair in all planes, in the colours of overlay.png."""
    for finding in result.findings:
        select(browser, finding.rank)
        for name, tile in zip(("axial", "coronal", "sagittal"), tiles(browser), strict=True):
            row, column = cross_hair(tile)
            colour = colour_at(tile, row, column)
            nearest = np.abs(colours - colour).max(axis=1).min()
            assert nearest <= COLOUR_TOLERANCE, (finding.rank, name, colour)
            assert np.ptp(colour) > 20, f"finding {finding.rank}, {name}: no heat, {colour}"
            # The block of even score around the cross-hair; its middle is the finding's peak.
            same = (np.abs(tile - colour) <= 4).all(axis=-1)
            rows, columns = np.nonzero(same)
            assert abs((rows.min() + rows.max()) / 2 - row) <= 3, (finding.rank, name)
            assert abs((columns.min() + columns.max()) / 2 - column) <= 3, (finding.rank, name)
        status = browser.find_element(By.ID, "place").text
        assert f"finding {finding.rank}" in status


@pytest.mark.parametrize("affine", [None, oblique()], ids=["straight", "oblique"])
def test_a_click_shows_a_finding_under_the_cross_hair_in_the_colours_of_the_picture(
    browser: Chrome,
    opened: Callable[..., Path],
    tmp_path: Path,
    affine: NDArray[np.float64] | None,
) -> None:
    query, result = head(affine)
    opened(query, result)
    check_findings(browser, result, overlay_colours(query, result, tmp_path))
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


@pytest.mark.shared_data
@pytest.mark.skipif(not CT.is_file(), reason="the real CT in ../shared is needed")
def test_a_real_ct_opens_with_its_finding_under_the_cross_hair_in_the_colours_of_the_picture(
    browser: Chrome, opened: Callable[..., Path], tmp_path: Path
) -> None:
    scan = read_volume(CT)
    across, deep, high = (length // 2 for length in scan.shape)
    reach = (17, 17, 3)
    array = scan.array.copy()
    # Even below the heat, so that there is one colour to compare.
    array[
        tuple(slice(at - n, at + n + 1) for at, n in zip((across, deep, high), reach, strict=True))
    ] = 40.0
    query, result = with_findings(replace(scan, array=array), (((across, deep, high), 8.4),), reach)
    path = opened(query, result)
    assert path.stat().st_size < 12e6
    check_findings(browser, result, overlay_colours(query, result, tmp_path))
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_the_page_can_be_used_by_keyboard_and_shows_what_the_table_says(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    opened(*head())

    def ranks() -> list[str]:
        rows = browser.find_elements(By.CSS_SELECTOR, "#findings-body tr")
        return [row.get_attribute("data-rank") or "" for row in rows]

    def selected() -> str:
        row = browser.find_element(By.CSS_SELECTOR, "#findings-body tr.selected")
        return row.get_attribute("data-rank") or ""

    assert ranks() == ["1", "2", "3"] and selected() == "1"
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys("n")
    assert selected() == "2"
    body.send_keys("p")
    assert selected() == "1"
    first = browser.find_element(By.ID, "slice-value").text
    body.send_keys(".")
    assert browser.find_element(By.ID, "slice-value").text != first
    browser.find_elements(By.CSS_SELECTOR, "#findings-head button")[0].click()
    assert ranks() == ["3", "2", "1"]
    assert "finding" in browser.find_element(By.ID, "headline").text
    assert "The study is small." in browser.find_element(By.ID, "warnings").text
    assert browser.find_element(By.CSS_SELECTOR, ".use").is_displayed()


def test_a_reason_to_doubt_leads_to_its_warning(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    opened(*head())
    link = browser.find_element(By.LINK_TEXT, "the body is not as large as in the normals")
    link.click()
    wait_for_frames(browser)
    warning = browser.find_element(By.CSS_SELECTOR, ".warnings p:target")
    assert "The study is small." in warning.text
    bar = browser.find_element(By.CSS_SELECTOR, ".bar")
    box = browser.execute_script("return arguments[0].getBoundingClientRect().top", warning)
    assert box >= bar.size["height"] - 1


def test_a_higher_threshold_leaves_only_the_hottest_findings_coloured(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    opened(*head())
    select(browser, 3)
    before = tiles(browser)[0]
    place = cross_hair(before)
    assert np.ptp(colour_at(before, *place)) > 20
    browser.execute_script(
        "const slider = document.getElementById('threshold'); slider.value = '7';"
        "slider.dispatchEvent(new Event('input'));"
    )
    wait_for_frames(browser)
    assert np.ptp(colour_at(tiles(browser)[0], *place)) < 12
    words = browser.find_element(By.ID, "shown-sentence").text
    assert "above 7.0 z" in words and "those of the analysis, whose threshold is 3.0 z" in words


def test_the_page_connects_to_nothing_and_runs_no_script_but_its_own(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    opened(*head())
    answer = browser.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:1/').then(() => done('connected'), (e) => done(String(e)));"
    )
    assert "connected" not in answer
    browser.execute_script(
        "const script = document.createElement('script');"
        "script.textContent = 'window.intruder = true';"
        "document.body.append(script);"
    )
    assert browser.execute_script("return window.intruder === undefined")


def test_long_names_fit_a_narrow_window_and_paper_is_light(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    query, result = head(name="T1w_MPRAGE_" * 12)
    near = replace(
        result.findings[0], nearest_normal="normal_" * 20, normal_distances=(1.0, 1.5, 2.0, 3.0)
    )
    opened(query, replace(result, findings=(near, *result.findings[1:])))
    usual = browser.get_window_size()
    try:
        for width in (1000, 700):
            browser.set_window_size(width, 1000)
            wait_for_frames(browser)
            wide, inner = browser.execute_script(
                "return [document.documentElement.scrollWidth, window.innerWidth]"
            )
            assert wide <= inner, width
        browser.execute_script("document.documentElement.dataset.theme = 'dark'")
        ground = "return getComputedStyle(document.body).backgroundColor"
        assert browser.execute_script(ground) == "rgb(15, 18, 21)"
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert browser.execute_script(ground) == "rgb(244, 245, 247)"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.set_window_size(usual["width"], usual["height"])


def test_axe_finds_no_serious_fault_in_light_and_dark(
    browser: Chrome, opened: Callable[..., Path]
) -> None:
    opened(*head())
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    for theme in ("light", "dark"):
        browser.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        faults = browser.execute_async_script(
            "const done = arguments[0];"
            "axe.run().then((result) => done(result.violations"
            ".filter((each) => ['serious', 'critical'].includes(each.impact))"
            ".map((each) => [each.id, each.nodes.map((node) => node.html)])));"
        )
        assert faults == [], theme


def test_a_click_on_a_change_shows_both_times_at_its_place(browser: Chrome, tmp_path: Path) -> None:
    query, result = head()
    path = tmp_path / "report.html"
    write_html(query, result, path, change=changed_since(query))
    browser.get_log("browser")
    browser.get(path.as_uri())
    WebDriverWait(browser, PATIENCE_SECONDS).until(
        lambda it: it.execute_script("return document.documentElement.dataset.ready") == "yes"
    )
    rows = browser.find_elements(By.CSS_SELECTOR, "#changes-body tr")
    assert ["new" in rows[0].text, "stable" in rows[1].text] == [True, True]
    selector = browser.find_element(By.ID, "normal-choice")
    assert selector.text.strip() == "prior last-year"
    rows[1].find_element(By.TAG_NAME, "button").click()
    places = browser.execute_script(
        "return [d24fad.caseView, d24fad.normalView].map((view) => [...view.scene.crosshairPos])"
    )
    np.testing.assert_allclose(places[0], places[1])
    fraction = browser.execute_script("return d24fad.content.change.rows[1].fraction")
    np.testing.assert_allclose(places[0], fraction, atol=1e-5)
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_a_page_of_a_prior_alone_leads_to_its_changes(browser: Chrome, tmp_path: Path) -> None:
    query, _ = head()
    path = tmp_path / "report.html"
    write_change_html(query, changed_since(query), path)
    browser.get_log("browser")
    browser.get(path.as_uri())
    WebDriverWait(browser, PATIENCE_SECONDS).until(
        lambda it: it.execute_script("return document.documentElement.dataset.ready") == "yes"
    )
    for name in ("findings-part", "compared"):
        assert not browser.find_element(By.ID, name).is_displayed()
    assert browser.find_element(By.ID, "headline").text == "2 changes since last-year"
    # The first change is shown at once, in the prior too; n leads to the next.
    rows = browser.execute_script("return d24fad.content.change.rows.map((row) => row.fraction)")
    assert "change 1" in browser.find_element(By.ID, "place").text
    body = browser.find_element(By.TAG_NAME, "body")
    for fraction in (rows[0], rows[1]):
        places = browser.execute_script(
            "return [d24fad.caseView, d24fad.normalView].map((v) => [...v.scene.crosshairPos])"
        )
        np.testing.assert_allclose(places, [fraction, fraction], atol=1e-5)
        body.send_keys("n")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    faults = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((result) => done(result.violations"
        ".filter((each) => ['serious', 'critical'].includes(each.impact))"
        ".map((each) => [each.id, each.nodes.map((node) => node.html)])));"
    )
    assert faults == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
