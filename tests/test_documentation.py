"""The documentation site, as `make docs` builds it: no warning, nothing from the web, no gaps."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

import d24fad_core
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app

ROOT = Path(__file__).parents[1]
ENTRIES = ("researchers", "radiologists", "operator", "development")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "documentation", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def words(page: Path) -> str:
    """What a reader sees of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_page_says_what_this_is_not_for(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        assert RESEARCH_USE_ONLY in words(page), page


def test_nothing_that_a_page_shows_or_runs_comes_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        parts = re.findall(r'<(?:script|img|iframe)\b[^>]*?\bsrc="([^"]+)"', text)
        parts += re.findall(r'<link\b[^>]*?\bhref="([^"]+)"', text)
        assert parts
        for part in parts:
            assert not re.match(r"[a-z]+:|//", part), (page, part)
            place = (page.parent / re.split("[?#]", part)[0]).resolve()
            assert place.exists(), (page, part)
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_each_audience_has_its_entry(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for entry in ENTRIES:
        assert f'href="docs/{entry}.html"' in index


def test_every_document_is_in_it(site: Path) -> None:
    for document in (ROOT / "docs").glob("*.md"):
        assert (site / "docs" / f"{document.stem}.html").is_file(), document


def test_commands_routes_and_interface_are_described(site: Path) -> None:
    commands = words(site / "reference" / "commands.html")
    names = [each.name or each.callback.__name__ for each in app.registered_commands]  # type: ignore[union-attr]
    assert len(names) > 10
    for name in (*names, "cache clear"):
        assert f"d24fad {name}" in commands
    assert "--end-with-stdin" in commands
    routes = words(site / "reference" / "http.html")
    assert "PUT /d24fad/v1/results/{result}/review/final" in routes
    assert "422" not in routes
    interface = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in d24fad_core.__all__:
        if not isinstance(getattr(d24fad_core, name), str):
            assert f'id="d24fad_core.{name}"' in interface
