"""Putting our routes into MONAI Label's FastAPI application."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from monailabel.config import settings
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from monailabel_app.api import (
    calibration_routes,
    checkpoint_routes,
    datastore_routes,
    image_routes,
    infer_routes,
    job_routes,
    match_routes,
    page_routes,
    proxy_routes,
    result_routes,
    review_routes,
    server_routes,
    support_set_routes,
    task_routes,
)
from monailabel_app.api.error_answers import answer_errors
from monailabel_app.api.gate import Gate
from monailabel_app.api.header_time import limit_header_time
from monailabel_app.api.openapi import describe_routes

if TYPE_CHECKING:
    from monailabel_app.monai_label.app import D24FADApp


# They log what clients send and what a PACS says, patients included.
_TALKATIVE = (
    "monailabel.datastore",
    "monailabel.endpoints",
    "monailabel.interfaces.app",
    "monailabel.utils",
)

_PARTS = (
    server_routes,
    image_routes,
    support_set_routes,
    job_routes,
    review_routes,
    result_routes,
    match_routes,
    calibration_routes,
    checkpoint_routes,
    infer_routes,
    datastore_routes,
    task_routes,
    proxy_routes,
    page_routes,
)


def install_routes(server: FastAPI, app: D24FADApp) -> None:
    """Give the server our routes, ahead of the stock ones, and JSON errors for all of them."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Starlette freezes handlers at the first message, which is the one that builds this app.
    server.middleware_stack = None
    origins = [str(origin) for origin in settings.MONAI_LABEL_CORS_ORIGINS]
    server.add_middleware(Gate, configuration=app.configuration, origins=origins)
    for part in _PARTS:
        before = len(server.router.routes)
        server.include_router(part.router(app))
        added = server.router.routes[before:]
        server.router.routes[:] = [*added, *server.router.routes[:before]]
    limit_header_time(AutoHTTPProtocol)
    describe_routes(server, token=bool(app.configuration.token))
    answer_errors(server)
