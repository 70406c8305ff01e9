"""Documents name what is there, and nothing was left unfinished in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "BENCHMARK.md", "FIGURES.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "D24FADSlicer").glob("*.md"),
    ]
)
PACKAGES = ("d24fad_core", "monailabel_app", "benchmarks", "tests", "docs", "D24FADSlicer")
MADE_BY_PROGRAMS = {"monailabel_app/logs"}
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "monailabel_app").rglob("*.py"))
)


def present(documents: list[Path]) -> list[Path]:
    return [path for path in documents if path.is_file()]


@pytest.mark.parametrize("document", present(DOCUMENTS), ids=lambda path: path.name)
def test_nothing_is_left_to_be_filled_in(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert re.findall(r"\b(XX+|TODO|FIXME|TBD)\b", text) == []


@pytest.mark.parametrize("document", present(DOCUMENTS), ids=lambda path: path.name)
def test_files_and_modules_that_are_named_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    paths = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./-]+)`", text)
    modules = re.findall(rf"python -m ((?:{'|'.join(PACKAGES)})[\w.]*)", text)
    for name in (*paths, *(module.replace(".", "/") for module in modules)):
        if name in MADE_BY_PROGRAMS:
            continue
        place = ROOT / name
        assert place.exists() or place.with_suffix(".py").exists(), name


def test_what_the_operators_page_says_of_the_state_folder_is_made_by_the_server() -> None:
    page = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    names = set(re.findall(r"DIR/\.d24fad/([\w.]+)", page))
    assert {"state.sqlite3", "reviews", "results", "features", "damaged"} <= names
    for name in names:
        assert f'"{name.removesuffix(".backup")}"' in SOURCE, name


CORE = ROOT / "d24fad_core"
ROOMS = {path.parent.name for path in CORE.glob("*/__init__.py")}
FILES = {"csv", "gz", "html", "json", "log", "md", "png", "pt", "py", "toml"}


def is_there(name: str) -> bool:
    """Whether the core has a module of this name, or the module before the last dot knows it."""
    place = CORE.joinpath(*name.split("."))
    if place.is_dir() or place.with_suffix(".py").exists():
        return True
    modules = (place.parent.with_suffix(".py"), place.parent / "__init__.py")
    return any(
        re.search(rf"\b{place.name}\b", path.read_text()) for path in modules if path.exists()
    )


def test_modules_of_the_core_that_documents_and_docstrings_name_are_there() -> None:
    absent = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in (*present(DOCUMENTS), *CORE.rglob("*.py"))
        for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", path.read_text(encoding="utf-8"))
        if name.partition(".")[0] in ROOMS and name.rpartition(".")[2] not in FILES
        if not is_there(name)
    ]
    assert absent == []
