"""Putting our routes into MONAI Label's FastAPI application."""

import logging
from pathlib import Path

from fastapi import FastAPI
from monailabel.config import settings

from monailabel_app.api import page_routes
from monailabel_app.api.installation import install_routes, own_routers
from monailabel_app.monai_label.error_answers import answer_monai_label_errors
from monailabel_app.monai_label.inference import Inference
from monailabel_app.monai_label.routes import (
    datastore_routes,
    infer_routes,
    proxy_routes,
    task_routes,
)
from monailabel_app.services import Services

# They log what clients send and what a PACS says, patients included.
_TALKATIVE = (
    "monailabel.datastore",
    "monailabel.endpoints",
    "monailabel.interfaces.app",
    "monailabel.utils",
)


def install_all_routes(server: FastAPI, services: Services, inference: Inference) -> None:
    """Give MONAI Label's server our routes, ahead of the stock ones.

    Args:
        server: MONAI Label's application.
        services: the parts of the server.
        inference: the models as MONAI Label's clients run them.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Starlette freezes handlers at the first message, which is the one that builds the app.
    server.middleware_stack = None
    routers = [
        *own_routers(services),
        infer_routes.router(services, inference),
        datastore_routes.router(services, inference.datastore),
        task_routes.router(services, inference),
        proxy_routes.router(services),
        page_routes.router(services, Path(settings.MONAI_LABEL_APP_DIR) / "logs" / "app.log"),
    ]
    origins = [str(origin) for origin in settings.MONAI_LABEL_CORS_ORIGINS]
    install_routes(server, services.configuration, routers, origins)
    answer_monai_label_errors(server)
