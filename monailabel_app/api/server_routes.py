"""`GET /d24fad/v1/`: what this server is; a client's connection test."""

from fastapi import APIRouter

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.volumes.preprocessing import CT_WINDOWS
from d24fad_core.volumes.volume import Plane
from monailabel_app.analysis.model_names import HEATMAP_MODEL, MASK_MODEL
from monailabel_app.analysis.parameters import MAXIMUM_SUPPORTS, MINIMUM_SUPPORTS
from monailabel_app.api.answers.server import CheckpointIdentity, ServerAnswer, StatusAnswer
from monailabel_app.api.prefix import API_VERSION, PREFIX
from monailabel_app.services import Services
from monailabel_app.store.schema import MIGRATIONS


def router(services: Services) -> APIRouter:
    """The route, bound to the services."""
    routes = APIRouter(prefix=PREFIX, tags=["D24FAD server"])

    # `async`: answered by the event loop itself, whatever the worker threads are doing.
    @routes.get("/", summary="What this server is")
    async def describe() -> ServerAnswer:
        return {
            "name": "D24FAD",
            "version": __version__,
            "api_version": API_VERSION,
            "notice": RESEARCH_USE_ONLY,
            "checkpoint": _checkpoint_document(services),
            "models": {"mask": MASK_MODEL, "heatmap": HEATMAP_MODEL},
            "studies": {
                "kind": services.studies_kind,
                "uploads": services.studies_kind == "folder",
            },
            "default_support_set": services.support_sets.default_name,
            "limits": {
                "upload_bytes": services.configuration.upload_mb << 20,
                "queue_length": services.configuration.queue_length,
                "supports": {"minimum": MINIMUM_SUPPORTS, "maximum": MAXIMUM_SUPPORTS},
            },
            "options": {
                "planes": [plane.value for plane in Plane],
                "ct_windows": list(CT_WINDOWS),
            },
        }

    @routes.get("/status", summary="What is damaged or amiss, for the operator")
    def report_status() -> StatusAnswer:
        aside = services.database.all_set_aside()
        return {
            "set_aside": [
                {"kind": n.kind, "name": n.name, "reason": n.reason, "time": n.time} for n in aside
            ],
            "database": {
                "schema": len(MIGRATIONS),
                "bytes": services.database.size,
            },
            "cache": {"kept": services.cache is not None},
        }

    return routes


def _checkpoint_document(services: Services) -> CheckpointIdentity:
    """What is known of the weights."""
    detector = services.analyses.detector
    return {
        "name": detector.card.name,
        "hash": detector.checkpoint_hash,
        "teacher": detector.card.network.teacher,
    }
