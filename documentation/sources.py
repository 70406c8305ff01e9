"""Gathering what the site is made of, in a folder laid out as the repository is."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from documentation.commands import command_reference
from documentation.http_routes import route_reference
from documentation.public_interface import interface_reference

_ROOT = Path(__file__).parents[1]
_REPOSITORY = "https://github.com/d24fad/d24fad/blob/main/"
_DOCUMENTS = (
    *("README.md", "BENCHMARK.md", "FIGURES.md", "CHANGELOG.md", "docs/*.md"),
    *("D24FADSlicer/README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"),
)
_PICTURES = ("Resources/**/*.png", "D24FADSlicer/Screenshots/*.png", "D24FADSlicer/*.png")
_LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def gather(folder: Path) -> None:
    """Write every source of the site.

    Documents keep their paths, so that their links to each other lead on; a link to any other file
    of the repository leads to the file in its public home.

    Args:
        folder: where to; must not exist.
    """
    documents = [path for pattern in _DOCUMENTS for path in sorted(_ROOT.glob(pattern))]
    pictures = [path for pattern in _PICTURES for path in sorted(_ROOT.glob(pattern))]
    shown = {*documents, *pictures}
    for path in documents:
        text = _linked(path.read_text(encoding="utf-8"), path.parent, shown)
        _write(folder / path.relative_to(_ROOT), text)
    for path in pictures:
        copy = folder / path.relative_to(_ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    _write(folder / "index.md", _index(documents))
    _write(folder / "reference" / "commands.md", command_reference())
    _write(folder / "reference" / "python.rst", interface_reference())
    _write(folder / "reference" / "http.md", route_reference())


def _index(documents: Sequence[Path]) -> str:
    """The entry, with a list of the documents that it does not place itself."""
    text = (Path(__file__).parent / "index.md").read_text(encoding="utf-8")
    names = [path.relative_to(_ROOT).with_suffix("").as_posix() for path in documents]
    others = [name for name in names if not re.search(rf"^{name}$|<{name}>", text, re.MULTILINE)]
    if not others:
        return text
    listing = "\n".join(others)
    return f"{text}\n```{{toctree}}\n:caption: More\n:hidden:\n:maxdepth: 1\n\n{listing}\n```\n"


def _linked(text: str, folder: Path, shown: set[Path]) -> str:
    def target(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve()
        if path in shown or not path.exists():  # Sphinx warns of what is nowhere
            return match[0]
        return f"]({_REPOSITORY}{path.relative_to(_ROOT).as_posix()}{match[2] or ''})"

    return _LINK.sub(target, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
