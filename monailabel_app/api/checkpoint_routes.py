"""`/d24fad/v1/checkpoints`: what training made, and the way back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import ServedCheckpointBody
from monailabel_app.training.checkpoints import CheckpointRecord

if TYPE_CHECKING:
    from monailabel_app.monai_label.app import D24FADApp


def router(app: D24FADApp) -> APIRouter:
    """The routes, bound to the app."""
    routes = APIRouter(prefix=f"{PREFIX}/checkpoints", tags=["D24FAD checkpoints"])

    @routes.get("", summary="The operator's checkpoint and those trained here")
    def list_checkpoints() -> dict[str, Any]:
        return {"items": [_document(app, record) for record in app.checkpoints.all()]}

    @routes.put("/served", summary="Serve one of them")
    def serve(body: ServedCheckpointBody) -> dict[str, Any]:
        name = body.support_set or app.support_sets.default_name
        app.support_sets.get(name)
        app.training.serve(body.hash, name)
        return _document(app, app.checkpoints.get(body.hash))

    @routes.get("/{identifier}", summary="One of them")
    def get_checkpoint(identifier: str) -> dict[str, Any]:
        return _document(app, app.checkpoints.get(identifier))

    return routes


def _document(app: D24FADApp, record: CheckpointRecord) -> dict[str, Any]:
    served = record.hash == app.analyses.detector.checkpoint_hash
    return {**asdict(record), "served": served}
