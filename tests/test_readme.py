"""What the documents promise: every command of the README runs, every link leads somewhere."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from sklearn.metrics import roc_auc_score

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.simulation import Role
from tests.bids.dataset_of_heads import write_dataset, write_head
from tests.browser import headless_chromium, needs_browser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    [
        *(path for folder in (".", "docs", ".github") for path in (ROOT / folder).glob("*.md")),
        ROOT / "D24FADSlicer" / "README.md",
    ]
)

SCREENSHOT = ROOT / "Resources" / "screenshots" / "report.png"
PATIENCE_SECONDS = 180

ELSEWHERE = {
    "make demo": "test_the_demo_does_the_main_job below",
    "make test": "what is running now",
    "monailabel start_server --app monailabel_app --studies DIR --host 127.0.0.1": (
        "tests/app, which start this server as a process"
    ),
    "python -m monailabel_app.local --studies DIR --token-file TOKEN": (
        "tests/slicer/test_local_mode.py, which starts this server as a process"
    ),
}
"""Commands of the README that the run of its commands leaves out, and where they are tested."""


def blocks() -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """What the README tells its reader to run, in order: a line of shell, or a Python program."""
    commands = []
    for language, text in blocks():
        if language == "python":
            commands.append(("python", text))
        elif language == "sh":
            lines = text.replace("\\\n", " ").splitlines()
            words = (shlex.split(line, comments=True) for line in lines)
            commands.extend(("sh", shlex.join(command)) for command in words if command)
    return commands


def environment(folder: Path) -> dict[str, str]:
    """A user's, with this Python's commands on the path and a cache of its own."""
    commands = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "user-cache"),
    }


def test_every_block_is_of_a_language_that_is_run() -> None:
    assert {language for language, _ in blocks()} == {"sh", "python"}
    assert README.count("```") == 2 * len(blocks())


def test_commands_that_are_tested_elsewhere_stand_in_the_readme() -> None:
    assert set(ELSEWHERE) <= {text for _, text in steps()}


def write_bids_dataset(folder: Path) -> None:
    """The dataset that a reader of the README has: a patient and two controls, in thick voxels."""
    root = folder / "dataset"
    write_dataset(root, {"p1": "patient", "c1": "control", "c2": "control"})
    write_head(root, "sub-p1_T1w", Role.LESION, 0)
    for number in (1, 2):
        write_head(root, f"sub-c{number}_T1w", Role.SUPPORT, number)


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader has run every command of the README, in order."""
    folder = tmp_path_factory.mktemp("reader")
    write_bids_dataset(folder)
    ran = 0
    for language, text in steps():
        if text in ELSEWHERE:
            continue
        command = [sys.executable, "-c", text] if language == "python" else ["sh", "-c", text]
        run = subprocess.run(
            command, cwd=folder, env=environment(folder), capture_output=True, text=True
        )
        assert run.returncode == 0, f"{text}\n{run.stdout}\n{run.stderr}"
        ran += 1
    assert ran >= 6
    return folder


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_order(readers_folder: Path) -> None:
    promised = re.findall(r"^\| `([\w.]+)` \|", README, re.MULTILINE)
    assert len(promised) == 7
    for folder in ("result", "result-own", "result-python"):
        names = (path.name for path in (readers_folder / folder).iterdir())
        assert sorted(names) == sorted(promised)
    methods = json.loads((readers_folder / "figures.json").read_text())["methods"]
    assert methods["default"]["voxel_auroc"] > 0.85
    assert "nearest_neighbour" in methods

    table = (readers_folder / "derivatives" / "group_desc-anomaly_scans.tsv").read_text()
    header, *rows = (line.split("\t") for line in table.splitlines())
    assert [row[header.index("participant_id")] for row in rows] == ["sub-p1"]
    assert int(rows[0][header.index("findings")]) >= 1


def show_page(page: Path, picture: Path) -> None:
    """Open the page of a result as its reader does, and take a picture of it."""
    with headless_chromium("1500,1300") as browser:
        browser.get(page.as_uri())
        WebDriverWait(browser, PATIENCE_SECONDS).until(
            lambda it: it.execute_script("return document.documentElement.dataset.ready") == "yes"
        )
        questions = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#summary dt")]
        assert questions == ["What was found", "Where", "How sure", "Compared with"]
        where = browser.find_elements(By.CSS_SELECTOR, "#summary dd")[1].text
        assert "Finding 1: " in where and "no name known" not in where
        assert browser.find_element(By.CSS_SELECTOR, ".use").text == RESEARCH_USE_ONLY
        browser.save_screenshot(str(picture))


@pytest.mark.slow
@needs_browser
def test_the_readme_shows_the_page_that_its_commands_write(readers_folder: Path) -> None:
    show_page(readers_folder / "result" / "report.html", SCREENSHOT)


@pytest.mark.slow
@pytest.mark.server
def test_the_demo_does_the_main_job(tmp_path: Path) -> None:
    """The real recipe, in the environment of the tests and in a folder of its own."""
    commands = Path(sys.executable).parent
    run = subprocess.run(
        [
            *("make", "--file", ROOT / "Makefile", "--assume-old", ".venv/.installed"),
            *(f"BIN={commands}", "demo"),
        ],
        cwd=tmp_path,
        # From the repository's root, Python would find the packages where it is started.
        env={**environment(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert RESEARCH_USE_ONLY in run.stdout
    assert "lesion-sub-62: case score" in run.stdout
    assert re.search(r"untouched-sub-62: case score [\d.]+ z, no finding", run.stdout)

    results = tmp_path / ".demo" / "results"
    heatmaps = {}
    for case in ("lesion-sub-62", "untouched-sub-62"):
        with Image.open(results / f"{case}-overlay.png") as picture:
            assert min(picture.size) > 300
        scan = nib.load(tmp_path / ".demo" / "studies" / f"{case}.nii.gz")
        for kind in ("mask", "heatmap"):
            assert nib.load(results / f"{case}-{kind}.nii.gz").shape == scan.shape
        heatmaps[case] = nib.load(results / f"{case}-heatmap.nii.gz").get_fdata()

    truth = ROOT / "monailabel_app" / "demo" / "heads" / "truth" / "lesion-sub-62.nii.gz"
    lesion = nib.load(truth).get_fdata() > 0
    mask = nib.load(results / "lesion-sub-62-mask.nii.gz").get_fdata() > 0
    assert 2.0 * (mask & lesion).sum() / (mask.sum() + lesion.sum()) > 0.6
    heat = heatmaps["lesion-sub-62"]
    analysed = heat != 0
    assert roc_auc_score(lesion[analysed], heat[analysed]) > 0.95
    assert heat[lesion].max() > 2.0 * heatmaps["untouched-sub-62"].max()


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = document.parent / path if path else document
        if not place.exists():
            dead.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            if anchor not in map(slug, headings):
                dead.append(target)
    assert dead == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_picture_can_be_shown(document: Path) -> None:
    for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            with Image.open(document.parent / target) as picture:
                picture.load()


def test_the_readme_says_what_this_is_not_for() -> None:
    assert RESEARCH_USE_ONLY == "Research use only. Not for clinical use."
    assert RESEARCH_USE_ONLY in README
