"""MONAI Label's background tasks, done as jobs of this server.

The stock routes start one more Python each, which takes 10 to 30 s and 1.3 GB and goes on when the
server ends, and they accept models that do not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter

from monailabel_app.library.failures import RequestError
from monailabel_app.library.jobs import Job, JobKind
from monailabel_app.library.routes.jobs import job_document
from monailabel_app.library.scoring import CASE_SCORES

if TYPE_CHECKING:
    from monailabel_app.library.app import D24FADApp


def router(app: D24FADApp) -> APIRouter:
    """The routes, bound to the app."""
    routes = APIRouter(tags=["Tasks"])

    @routes.post("/batch/infer/{model}", summary="Analyse many images in the background")
    def run_batch(
        model: str, images: Literal["all", "labeled", "unlabeled"] = "all"
    ) -> dict[str, Any]:
        app.require_model(model)
        chosen = {
            "all": app.images.identifiers,
            "labeled": app.datastore().get_labeled_images,
            "unlabeled": app.datastore().get_unlabeled_images,
        }[images]()
        return job_document(app, app.score_in_background(list(chosen)))

    @routes.post("/scoring/", include_in_schema=False)
    @routes.post("/scoring/{method}", summary="Fill the case scores in the background")
    def run_scoring(method: str = CASE_SCORES) -> dict[str, Any]:
        if method != CASE_SCORES:
            raise RequestError(
                "unknown_model",
                f"There is no scoring method '{method[:100]}'.",
                f"Use {CASE_SCORES}.",
            )
        return job_document(app, app.score_in_background(None))

    @routes.get("/batch/infer", summary="The running or latest batch")
    @routes.get("/scoring/", summary="The running or latest scoring")
    def describe(check_if_running: bool = False) -> dict[str, Any]:
        return job_document(app, _latest(app, check_if_running))

    @routes.delete("/batch/infer", summary="Stop the batch")
    @routes.delete("/scoring/", summary="Stop the scoring")
    def stop() -> dict[str, Any]:
        return job_document(app, app.jobs.cancel(_latest(app, running=True).id))

    @routes.post("/train/", include_in_schema=False)
    @routes.post("/train/{model}", summary="Not offered")
    def train(model: str = "") -> None:
        raise RequestError(
            "unknown_model",
            f"There is no train task '{model[:100]}'.",
            "Train with the command line (d24fad train) and start the server with --conf "
            "checkpoint FOLDER.",
        )

    return routes


def _latest(app: D24FADApp, running: bool) -> Job:
    for job in app.jobs.all():
        if job.kind is JobKind.SCORE and not (running and job.state.finished):
            return job
    raise RequestError("unknown_job", "Nothing is being scored.", "Start it with POST.")
