"""The reference of the HTTP API, from the OpenAPI document of a server."""

import tempfile
from pathlib import Path
from typing import Any

from openapidocs.mk.v3 import OpenAPIV3DocumentationHandler

from monailabel_app.configuration import ServerConfiguration
from monailabel_app.local.server import LocalServer


def route_reference() -> str:
    """Markdown of every route with parameters, bodies and answers."""
    document = openapi_document()
    document["info"] = {**document["info"], "title": "HTTP routes of the server, version"}
    return str(OpenAPIV3DocumentationHandler(document, style="MARKDOWN").write())


def openapi_document() -> dict[str, Any]:
    """What `/openapi.json` answers, of a server without studies."""
    with tempfile.TemporaryDirectory() as studies:
        configuration = ServerConfiguration(token="none is asked for")
        server = LocalServer(Path(studies), configuration, lambda: None)
        return server.application.openapi()
