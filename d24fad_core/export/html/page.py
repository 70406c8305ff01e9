"""One HTML file out of the template, the script, the viewer and the data, sealed off the network.

The page's policy lets exactly the scripts run that are written here, by their hashes, and
forbids every connection, form and frame.
"""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import PurePosixPath

from d24fad_core.export.html.view_volumes import Bytes

VIEWER = "niivue-0.69.0.umd.js"
# Voxels are near noise to gzip: higher levels cost many times the time and save a few per cent.
_VOXEL_LEVEL, _SCRIPT_LEVEL = 4, 9

_HERE = files("d24fad_core.export.html")


def page_text(title: str, content: str, blocks: Mapping[str, Bytes]) -> str:
    """The page.

    Args:
        title: of the browser's window.
        content: JSON of `content.page_content`.
        blocks: voxels by the name that the script knows them by.
    """
    theme, marks, script = (resource(f"{name}.js") for name in ("theme", "marks", "report"))
    style = resource("report.css")
    data = [
        f'<script type="application/octet-stream" id="{name}">{packed(voxels)}</script>'
        for name, voxels in blocks.items()
    ]
    parts = {
        "policy": policy([theme, marks, script, viewer_text()], style),
        "title": escape(title),
        "style": style,
        "content": content,
        "blocks": "\n".join(data),
        "viewer": _packed_viewer(),
        "theme": theme,
        "marks": marks,
        "script": script,
    }
    return filled(resource("report.html"), parts)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A template whose `<!--[name]-->` are replaced by the parts, each once."""
    for name, part in parts.items():
        before, mark, after = template.partition(f"<!--[{name}]-->")
        if not mark:
            raise ValueError(f"the template has no place for {name!r}.")
        template = before + part + after
    return template


def policy(scripts: list[str], style: str) -> str:
    """Content security policy for these scripts and this style sheet, and nothing else."""
    allowed = " ".join(_source_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_source_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def packed(voxels: Bytes) -> str:
    """Voxels as text: first axis fastest, gzip, base64."""
    content = gzip.compress(voxels.tobytes(order="F"), _VOXEL_LEVEL, mtime=0)
    return base64.b64encode(content).decode("ascii")


def resource(name: str) -> str:
    """A file of this package as text."""
    place = _HERE
    for part in PurePosixPath(name).parts:
        place = place / part
    return place.read_text(encoding="utf-8")


def viewer_text() -> str:
    """The viewer, NiiVue, as its authors built it."""
    return resource(f"vendor/{VIEWER}")


@cache
def _packed_viewer() -> str:
    content = gzip.compress(viewer_text().encode(), _SCRIPT_LEVEL, mtime=0)
    return base64.b64encode(content).decode("ascii")


def _source_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
