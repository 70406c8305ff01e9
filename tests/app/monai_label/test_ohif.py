"""OHIF as MONAI Label serves it, in a real browser: `anomaly` is run, and a heatmap is opened.

What it paints is checked by pixels: in each view the head is found first, which tells where each
voxel is on the screen, and the fill is compared with the mask that the server made, the colours
with its heatmap.
"""

import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
from matplotlib.colors import rgb_to_hsv
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.stats import spearmanr
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.export.pictures.colour_scale import SCALE_MAXIMUM
from monailabel_app.server_process import ServerProcess
from tests.app.http_client import Api
from tests.app.orthanc import Orthanc
from tests.app.pacs_series import CASE, write_head
from tests.browser import headless_chromium, needs_browser
from tests.pictures import replace_picture

SCREENSHOTS = Path(__file__).parents[3] / "Resources" / "screenshots"
PATIENCE_SECONDS = 600
REPEAT_SECONDS = 15.0
# The order of OHIF's views, each by the axis of the volume that it shows slices along.
AXES = {"axial": 2, "sagittal": 0, "coronal": 1}

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    needs_browser,
]


@pytest.fixture
def browser() -> Iterator[Chrome]:
    # OHIF asks for fonts on the Internet; it must do without.
    with headless_chromium("1400,900", reachable="127.0.0.1") as running:
        yield running


def canonical(path: Path) -> NDArray[np.float32]:
    """The voxels of a NIfTI file along right, anterior and superior."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(image.dataobj, np.float32)


class Views:
    """The three views of OHIF on a volume, as a user sees them.

    Args:
        browser: with the study open.
        volume: its voxels along right, anterior and superior.
    """

    def __init__(self, browser: Chrome, volume: NDArray[np.float32]) -> None:
        self._browser = browser
        self._volume = volume

    def picture(self, name: str) -> NDArray[np.int16]:
        """The pixels of a view, red, green and blue."""
        content = self._element(name).screenshot_as_png
        return np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(np.int16)

    def slice_shown(self, name: str) -> int:
        """The index of the slice that looks most like what a view shows."""
        picture = self.picture(name)
        rows, columns = head(picture)
        colours = picture[rows, columns].mean(axis=2).ravel()
        likeness = [
            np.corrcoef(colours, drawn.ravel())[0, 1]
            if (drawn := self.drawn(name, n, picture)).any()
            else 0.0
            for n in range(self._volume.shape[AXES[name]])
        ]
        assert max(likeness) > 0.9, f"{name}: the view shows no slice of the study"
        return int(np.argmax(likeness))

    def drawn(
        self,
        name: str,
        number: int,
        picture: NDArray[np.int16],
        of: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """A slice of the study, or of a mask of it, as drawn where the head is in a picture."""
        plain = upright(self._volume, name, number)
        if not (plain > 0.2 * self._volume.max()).any():
            return np.zeros(1, np.float32)
        inside = extent(plain > 0.2 * self._volume.max())
        rows, columns = head(picture)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        part = (plain if of is None else upright(of, name, number))[inside]
        return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.NEAREST))

    def show(self, name: str, number: int) -> None:
        """Turn the wheel until a view shows a slice."""
        origin = ScrollOrigin.from_element(self._element(name))
        towards = 1
        away = abs(self.slice_shown(name) - number)
        for _ in range(10):
            if away == 0:
                return
            for _ in range(away):
                ActionChains(self._browser).scroll_from_origin(origin, 0, 100 * towards).perform()
                time.sleep(0.1)
            time.sleep(0.5)
            now = abs(self.slice_shown(name) - number)
            towards, away = (-towards if now > away else towards), now
        raise AssertionError(f"{name}: slice {number} did not come")

    def _element(self, name: str) -> WebElement:
        canvases = self._browser.find_elements(By.CSS_SELECTOR, "canvas.cornerstone-canvas")
        return canvases[list(AXES).index(name)]


def upright(voxels: NDArray[np.float32], name: str, number: int) -> NDArray[np.float32]:
    """A slice as OHIF letters it: superior or anterior up, right or anterior on the left."""
    return voxels.take(number, axis=AXES[name])[::-1, ::-1].T


def extent(marked: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The smallest rows and columns that hold everything marked."""
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def head(picture: NDArray[np.int16]) -> tuple[slice, slice]:
    """The rows and columns of the head in a view; it is grey, the letters and bars are blue."""
    grey = (np.ptp(picture, axis=2) < 10) & (picture.mean(axis=2) > 0.2 * 255)
    return extent(grey)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def until(browser: Chrome, what: Callable[[Chrome], object]) -> None:
    # The page puts new elements in place of old ones at any time, and others before them.
    passing = [
        StaleElementReferenceException,
        ElementClickInterceptedException,
        ElementNotInteractableException,
    ]
    WebDriverWait(browser, PATIENCE_SECONDS, 0.5, passing).until(what)


def press(browser: Chrome, path: str) -> None:
    """Click on the first element of an XPath that can be seen, once it is there."""

    def pressed(page: Chrome) -> bool:
        for element in page.find_elements(By.XPATH, path):
            if element.is_displayed():
                element.click()
                return True
        return False

    until(browser, pressed)


def says(text: str) -> Callable[[Chrome], bool]:
    return lambda page: text in page.find_element(By.TAG_NAME, "body").text


def see_upload_fail(browser: Chrome, folder: Path) -> None:
    """Try *Upload* of the study list on a file of a folder, until OHIF says that it failed."""
    file = min(path for path in folder.rglob("*") if path.is_file())
    entry = (By.CSS_SELECTOR, "input[type=file]")
    press(browser, "//*[text()='Upload']")
    until(browser, lambda page: page.find_elements(*entry))
    browser.find_element(*entry).send_keys(str(file))
    until(browser, says("Completed with 1 error"))
    press(browser, "//button[contains(., 'Close')]")


def loaded(browser: Chrome) -> bool:
    """Whether all three views show a head, the same for a second."""

    def pictures() -> list[bytes]:
        views = browser.find_elements(By.CSS_SELECTOR, "canvas.cornerstone-canvas")
        return [view.screenshot_as_png for view in views]

    first = pictures()
    time.sleep(1)
    bright = [np.asarray(Image.open(BytesIO(each)).convert("L")) > 150 for each in first]
    return len(first) == 3 and all(b.mean() > 0.05 for b in bright) and first == pictures()


def test_a_study_is_opened_analysed_and_its_finding_painted_where_it_is(
    browser: Chrome,
    pacs_server: ServerProcess,
    orthanc: Orthanc,
    mr_series: dict[str, str],
    cohort: Path,
    tmp_path: Path,
) -> None:
    lesion = canonical(cohort / "masks" / f"{CASE}.nii.gz")
    views = Views(browser, canonical(cohort / "studies" / f"{CASE}.nii.gz"))

    browser.get(f"{pacs_server.url}/ohif/")
    press(browser, "//button[text()='Confirm and Hide']")
    sent = write_head(cohort / "studies" / f"{CASE}.nii.gz", tmp_path / "sent")
    see_upload_fail(browser, tmp_path / "sent")
    query = {"SeriesInstanceUID": sent}
    assert requests.get(f"{orthanc.dicomweb}/series", params=query, timeout=60).json() == []
    press(browser, f"//*[text()='{CASE}']")
    press(browser, "//button[contains(., 'MONAI Label')]")
    until(browser, loaded)
    numbers = {
        name: int(np.argmax(lesion.sum(axis=tuple({0, 1, 2} - {axis}))))
        for name, axis in AXES.items()
    }
    for name, number in numbers.items():
        views.show(name, number)

    address = browser.find_element(By.ID, "monailabelServerURL")
    address.click()
    address.send_keys(Keys.CONTROL, "a")
    address.send_keys(f"{pacs_server.url}/")
    press(browser, "//table[@class='settingsTable']//button")
    until(browser, says("Auto-Segmentation"))
    until(browser, says(RESEARCH_USE_ONLY))
    until(browser, lambda page: not says("Connected to MONAI Label")(page))
    before = {name: views.picture(name) for name in AXES}

    press(browser, "//button[@title='Run Segmentation']")
    until(browser, says("Running Segmentation - Successful"))
    until(browser, lambda page: not says("Running Segmentation")(page))
    until(browser, lambda page: (views.picture("axial") != before["axial"]).any())
    until(browser, loaded)

    mask_file = tmp_path / "mask.nii.gz"
    answer = requests.post(
        f"{pacs_server.url}/infer/anomaly",
        params={"image": mr_series[CASE], "output": "image"},
        data={"params": '{"result_extension": ".nii.gz"}'},
        timeout=120,
    )
    mask_file.write_bytes(answer.content)
    mask = canonical(mask_file)

    def overlaps() -> dict[str, float]:
        """How well what was painted in each view covers the mask's outline."""
        shares = {}
        for name, number in numbers.items():
            changed = (np.abs(views.picture(name) - before[name]) > 20).any(axis=2)
            expected = np.zeros_like(changed)
            expected[head(before[name])] = views.drawn(name, number, before[name], of=mask) > 0
            assert expected.sum() > 300, name
            shares[name] = dice(changed, expected)
        return shares

    # Views are painted one after the other, on a busy machine seconds apart. The outline is drawn
    # around the voxels, a few pixels wide.
    end = time.monotonic() + PATIENCE_SECONDS
    while min((shares := overlaps()).values()) <= 0.85 and time.monotonic() < end:
        time.sleep(0.5)
    assert min(shares.values()) > 0.85, shares
    for name, number in numbers.items():
        picture, marked = views.picture(name), views.drawn(name, number, before[name], of=mask) > 0
        painted = picture[head(before[name])][marked]
        assert np.median(painted[:, 0] - painted[:, 2]) > 60, f"{name}: red stands out of grey"
    replace_picture(SCREENSHOTS / "ohif.png", browser.get_screenshot_as_png())

    assert not says("Submit")(browser), "docs/operator.md says that there is no such button"
    press(browser, "//label[text()='Active Learning']")
    press(browser, "//button[text()='Next Sample']")
    until(browser, says("Series Instance UID"))
    assert any(says(series)(browser) for series in mr_series.values())


EVEN = "lesion-even"


@pytest.fixture
def even_series(orthanc: Orthanc, cohort: Path, tmp_path: Path) -> tuple[str, Path]:
    """The case in the PACS, with an even number of rows and columns as scanners have; its file.

    OHIF 3.9 reads a Parametric Map only where its slices have a multiple of four pixels.
    """
    image = nibabel.load(cohort / "studies" / f"{CASE}.nii.gz")
    rows, columns = (size // 2 * 2 for size in image.shape[:2])
    file = tmp_path / f"{EVEN}.nii.gz"
    nibabel.save(image.slicer[:rows, :columns], file)
    series = write_head(file, tmp_path / EVEN)
    orthanc.send(tmp_path / EVEN)
    return series, file


def numbers_shown(browser: Chrome, pattern: str) -> tuple[int, ...]:
    """The numbers in the first text of the page that looks like this; none where none does."""
    page = re.search(pattern, browser.find_element(By.TAG_NAME, "body").text)
    return () if page is None else tuple(map(int, page.groups()))


def open_heatmap(browser: Chrome) -> None:
    """Double-click on it until OHIF has read it, which shows by the window that OHIF gives it."""
    entry = (By.XPATH, "//*[text()='PMAP']")
    until(browser, lambda page: page.find_elements(*entry))
    last = -REPEAT_SECONDS

    def opened(page: Chrome) -> bool:
        nonlocal last
        if numbers_shown(page, r"W:\s*(\d+)\s*L:\s*(\d+)") == (100, 50):
            return True
        if time.monotonic() - last > REPEAT_SECONDS and not says("Loading Parametric Map")(page):
            ActionChains(page).double_click(page.find_element(*entry)).perform()
            last = time.monotonic()
        return False

    until(browser, opened)


def scroll_to(browser: Chrome, view: WebElement, number: int) -> None:
    """Turn the wheel, a notch at a time, until the page says that it shows a slice."""
    origin = ScrollOrigin.from_element(view)

    def is_visible(page: Chrome) -> bool:
        (now,) = numbers_shown(page, r"I:\s*(\d+)") or (number,)
        if now != number:
            away = 100 if now < number else -100
            ActionChains(page).scroll_from_origin(origin, 0, away).perform()
        return now == number

    until(browser, is_visible)


COLOURED_FROM = 0.085
"""Share of OHIF's scale from which its colours stand out; below they are a darker grey."""


def likeness(
    picture: NDArray[np.int16], study: NDArray[np.float32], shares: NDArray[np.float32], number: int
) -> tuple[float, float]:
    """How well a slice of a heatmap explains the colours of a picture.

    Args:
        picture: of a view.
        study: its voxels along right, anterior and superior.
        shares: the heatmap, as shares of the colour scale.
        number: of the slice.

    Returns:
        How well what is coloured covers the scores from `COLOURED_FROM`, and how well the order of
        the hues, from violet to red, follows that of the scores.
    """
    picture = picture[6:-6, 6:-6]  # without the frame of the view
    # Letters and bars are small parts of their own.
    parts, _ = ndimage.label(picture.max(axis=2) > 0.2 * 255)
    rows, columns = extent((parts > 0) & (np.bincount(parts.ravel())[parts] > 2000))
    visible = (study[:, :, number] > 0.2 * study.max()) | (shares[:, :, number] > 0.05)
    if not visible.any():
        return 0.0, 0.0
    # As the series is stored: posterior is at the top, left is on the left.
    part = shares[:, :, number].T[extent(visible.T)]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    drawn = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
    colours = picture[rows, columns]
    painted, expected = np.ptp(colours, axis=2) > 60, drawn > COLOURED_FROM
    both = painted & expected
    hue = rgb_to_hsv(colours / 255.0)[..., 0]
    if not both.any() or np.ptp(drawn[both]) == 0 or np.ptp(hue[both]) == 0:
        return 0.0, 0.0
    order = spearmanr(-hue[both], drawn[both]).statistic
    return dice(painted, expected), float(order)


def test_the_heatmap_is_opened_and_its_colours_are_the_scores(
    browser: Chrome,
    pacs_server: ServerProcess,
    even_series: tuple[str, Path],
    tmp_path: Path,
) -> None:
    series, file = even_series
    api = Api(pacs_server.url)
    # The server asks the PACS for its series now and then.
    until(browser, lambda page: series in {e["image"] for e in api.get("/images")["items"]})
    result = api.analysed(series, options={"planes": ["axial"]})
    api.post(f"/results/{result}/dicom", {})
    (tmp_path / "heatmap.nii.gz").write_bytes(
        api.ask("GET", f"/results/{result}/heatmap?encoding=float32", 200).content
    )
    shares, study = canonical(tmp_path / "heatmap.nii.gz") / SCALE_MAXIMUM, canonical(file)
    number = int(np.argmax(shares.max(axis=(0, 1))))

    browser.get(f"{pacs_server.url}/ohif/")
    press(browser, "//button[text()='Confirm and Hide']")
    press(browser, f"//*[text()='{EVEN}']")
    press(browser, "//button[contains(., 'Basic Viewer')]")
    # A window is shown once the study is.
    until(browser, lambda page: numbers_shown(page, r"W:\s*(\d+)\s*L:\s*(\d+)"))
    open_heatmap(browser)
    view = browser.find_element(By.CSS_SELECTOR, "canvas.cornerstone-canvas")
    scroll_to(browser, view, shares.shape[2] - number)  # OHIF counts from the top of the head

    def picture() -> NDArray[np.int16]:
        content = Image.open(BytesIO(view.screenshot_as_png))
        return np.asarray(content.convert("RGB")).astype(np.int16)

    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = picture()
        coverage, order = likeness(seen, study, shares, number)
        if coverage > 0.85 and order > 0.95:
            break
        assert time.monotonic() < end, (coverage, order)
        time.sleep(0.5)
    orders = [likeness(seen, study, shares, each)[1] for each in range(shares.shape[2])]
    assert int(np.argmax(orders)) == number
    replace_picture(SCREENSHOTS / "ohif-heatmap.png", browser.get_screenshot_as_png())
