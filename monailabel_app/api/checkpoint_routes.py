"""`/d24fad/v1/checkpoints`: what training made, and the way back."""

from fastapi import APIRouter

from monailabel_app.api.answers.checkpoints import CheckpointAnswer, CheckpointList
from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import ServedCheckpointBody
from monailabel_app.services import Services
from monailabel_app.training.checkpoints import CheckpointRecord


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/checkpoints", tags=["D24FAD checkpoints"])

    @routes.get("", summary="The operator's checkpoint and those trained here")
    def list_checkpoints() -> CheckpointList:
        return {"items": [_document(services, record) for record in services.checkpoints.all()]}

    @routes.put("/served", summary="Serve one of them")
    def serve(body: ServedCheckpointBody) -> CheckpointAnswer:
        name = body.support_set or services.support_sets.default_name
        services.support_sets.get(name)
        services.training.serve(body.hash, name)
        return _document(services, services.checkpoints.get(body.hash))

    @routes.get("/{identifier}", summary="One of them")
    def get_checkpoint(identifier: str) -> CheckpointAnswer:
        return _document(services, services.checkpoints.get(identifier))

    return routes


def _document(services: Services, record: CheckpointRecord) -> CheckpointAnswer:
    return {
        "hash": record.hash,
        "name": record.name,
        "created": record.created,
        "continued_from": record.continued_from,
        "support_set": record.support_set,
        "verdict": record.verdict,
        "kept": record.kept,
        "served": record.hash == services.analyses.detector.checkpoint_hash,
    }
