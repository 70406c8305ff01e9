"""`GET /d24fad/v1/`: what this server is; a client's connection test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.volumes.volume import Plane
from monailabel_app.analysis.parameters import MAXIMUM_SUPPORTS, MINIMUM_SUPPORTS
from monailabel_app.api.prefix import API_VERSION, PREFIX
from monailabel_app.monai_label.infer_tasks import HEATMAP_MODEL, MASK_MODEL
from monailabel_app.store.schema import MIGRATIONS

if TYPE_CHECKING:
    from monailabel_app.monai_label.app import D24FADApp


def router(app: D24FADApp) -> APIRouter:
    """The route, bound to the app."""
    routes = APIRouter(prefix=PREFIX, tags=["D24FAD server"])

    # `async`: answered by the event loop itself, whatever the worker threads are doing.
    @routes.get("/", summary="What this server is")
    async def describe() -> dict[str, Any]:
        return {
            "name": "D24FAD",
            "version": __version__,
            "api_version": API_VERSION,
            "notice": RESEARCH_USE_ONLY,
            "checkpoint": app.checkpoint_document(),
            "models": {"mask": MASK_MODEL, "heatmap": HEATMAP_MODEL},
            "studies": {"kind": app.studies_kind, "uploads": app.studies_kind == "folder"},
            "default_support_set": app.support_sets.default_name,
            "limits": {
                "upload_bytes": app.configuration.upload_mb << 20,
                "queue_length": app.configuration.queue_length,
                "supports": {"minimum": MINIMUM_SUPPORTS, "maximum": MAXIMUM_SUPPORTS},
            },
            "options": {"planes": [plane.value for plane in Plane]},
        }

    @routes.get("/status", summary="What is damaged or amiss, for the operator")
    def report_status() -> dict[str, Any]:
        aside = app.database.all_set_aside()
        return {
            "set_aside": [
                {"kind": n.kind, "name": n.name, "reason": n.reason, "time": n.time} for n in aside
            ],
            "database": {
                "schema": len(MIGRATIONS),
                "bytes": app.database.size,
            },
            "cache": {"kept": app.cache is not None},
        }

    return routes
