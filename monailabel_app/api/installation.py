"""Putting our routes into a FastAPI application."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from monailabel_app.api import (
    calibration_routes,
    checkpoint_routes,
    image_routes,
    job_routes,
    match_routes,
    result_routes,
    review_routes,
    server_routes,
    support_set_routes,
)
from monailabel_app.api.error_answers import answer_errors
from monailabel_app.api.gate import Gate
from monailabel_app.api.header_time import limit_header_time
from monailabel_app.api.openapi import describe_routes
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.services import Services

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
)


def own_routers(services: Services) -> list[APIRouter]:
    """The routes below `/d24fad/v1`, which every server of this project has."""
    return [part.router(services) for part in _PARTS]


def install_routes(
    server: FastAPI,
    configuration: ServerConfiguration,
    routers: Sequence[APIRouter],
    origins: Sequence[str] = (),
) -> None:
    """Give a server routes, ahead of those that it has, the gate, and JSON errors for all of them.

    Args:
        server: the application.
        configuration: who may ask, and how much may be sent.
        routers: the routes; later ones go before earlier ones.
        origins: web origins that the operator allows besides the server's own.
    """
    server.add_middleware(Gate, configuration=configuration, origins=origins)
    for router in routers:
        before = len(server.router.routes)
        server.include_router(router)
        added = server.router.routes[before:]
        server.router.routes[:] = [*added, *server.router.routes[:before]]
    limit_header_time(AutoHTTPProtocol)
    describe_routes(server, token=bool(configuration.token))
    answer_errors(server)
