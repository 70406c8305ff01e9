"""`/`, `/docs` and `/logs/`: pages for people, with nothing from any other host.

Those of MONAI Label load their scripts from the web and stay blank in a closed network.
"""

from collections import deque
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from d24fad_core import RESEARCH_USE_ONLY, __version__
from monailabel_app.failures import RequestError
from monailabel_app.services import Services

_OWN = Path(__file__).parent / "pages"
# Swagger UI (Apache-2.0), as the package `fastapi-offline` (MIT) brings it.
_SWAGGER = Path(str(files("fastapi_offline"))) / "static"
_FILES = {
    "page.css": (_OWN, "text/css"),
    "swagger.js": (_OWN, "text/javascript"),
    "swagger-ui.css": (_SWAGGER, "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER, "text/javascript"),
}


def router(services: Services, log: Path | None = None) -> APIRouter:
    """The routes, bound to the services.

    Args:
        services: what the pages tell of.
        log: the file that the server logs into, if it does.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def show_server() -> HTMLResponse:
        return HTMLResponse(_landing_page(services))

    @routes.get("/docs")
    def redirect_to_docs() -> RedirectResponse:
        return RedirectResponse("docs/")

    @routes.get("/docs/")
    def show_docs() -> FileResponse:
        return FileResponse(_OWN / "docs.html", media_type="text/html")

    @routes.get("/pages/{name}")
    def get_file(name: str) -> FileResponse:
        if name not in _FILES:
            raise RequestError("unknown_route", f"There is no file '{name[:100]}'.", "Begin at /.")
        folder, kind = _FILES[name]
        return FileResponse(folder / name, media_type=kind)

    @routes.get("/logs/")
    def show_log(
        lines: Annotated[int, Query(ge=1, le=100_000)] = 300,
        html: bool = True,
        text: bool = False,
    ) -> Response:
        end = _end_of_log(log, lines)
        if text or not html:
            return PlainTextResponse(end)
        title = f"The last {lines} lines of the log"
        return HTMLResponse(_page(title, f"<pre>{escape(end)}</pre>", root="../"))

    return routes


def _landing_page(services: Services) -> str:
    images = services.images.identifiers()
    sets = [services.support_sets.get(name) for name in services.support_sets.names()]
    rows = "".join(
        f"<tr><td>{escape(record.name)}</td><td>{escape(record.title)}</td>"
        f"<td>{len(record.members)}</td></tr>"
        for record in sets
    )
    pacs = services.studies_kind == "dicomweb"
    source = "the CT and MR series of a PACS" if pacs else "a folder of studies"
    viewer = (
        '<li><b>OHIF</b>: open <a href="ohif/">ohif/</a>.</li>'
        if pacs
        else "<li><b>OHIF</b> needs a PACS; this server has a folder of studies.</li>"
    )
    return _page(
        "D24FAD",
        f"""
<p>This server finds what is abnormal in a CT or MRI study by comparing it with a few normal ones.
It is version {escape(__version__)}, and serves {source}.</p>
<h2>Studies and support sets</h2>
<p>{len(images)} {"image" if len(images) == 1 else "images"}.</p>
<table><thead><tr><th>support set</th><th>title</th><th>studies</th></tr></thead>
<tbody>{rows}</tbody></table>
<h2>Where to go</h2>
<ul>
<li><b>3D Slicer</b>: give the D24FAD module (or MONAI Label's) the address of this page.</li>
{viewer}
<li><b>Programs</b>: the <a href="docs/">HTTP API</a>, also as
<a href="openapi.json">OpenAPI</a>.</li>
<li><b>Operators</b>: the <a href="d24fad/v1/status">status</a>, which names what is damaged, and
the <a href="logs/">log</a>.</li>
</ul>""",
    )


def _page(title: str, body: str, root: str = "") -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="stylesheet" href="{root}pages/page.css">
</head>
<body>
<h1>{escape(title)}</h1>
<p class="notice">{escape(RESEARCH_USE_ONLY)}</p>
{body}
</body>
</html>
"""


def _end_of_log(path: Path | None, lines: int) -> str:
    if path is None or not path.is_file():
        raise RequestError(
            "unknown_route", "The server keeps no log file.", "Look at what it prints."
        )
    with path.open(encoding="utf-8", errors="replace") as stream:
        return "".join(deque(stream, lines))
