"""MONAI Label's background tasks, done as jobs of this server.

The stock routes start one more Python each, which takes 10 to 30 s and 1.3 GB and goes on when the
server ends, and they accept models that do not exist.
"""

from typing import Any, Literal

from fastapi import APIRouter

from monailabel_app.analysis.model_names import MASK_MODEL
from monailabel_app.api.answers.jobs import JobAnswer
from monailabel_app.api.job_routes import job_document
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.kind import JobKind
from monailabel_app.monai_label.inference import Inference
from monailabel_app.monai_label.scoring import CASE_SCORES
from monailabel_app.services import Services


def router(services: Services, inference: Inference) -> APIRouter:
    """The routes, bound to services and models."""
    routes = APIRouter(tags=["Tasks"])

    @routes.post("/batch/infer/{model}", summary="Analyse many images in the background")
    def run_batch(model: str, images: Literal["all", "labeled", "unlabeled"] = "all") -> JobAnswer:
        inference.require(model)
        names = {
            "all": services.images.identifiers,
            "labeled": inference.datastore.get_labeled_images,
            "unlabeled": inference.datastore.get_unlabeled_images,
        }[images]()
        return job_document(services, services.scoring.start(names))

    @routes.post("/scoring/", include_in_schema=False)
    @routes.post("/scoring/{method}", summary="Fill the case scores in the background")
    def run_scoring(method: str = CASE_SCORES) -> JobAnswer:
        if method != CASE_SCORES:
            raise RequestError(
                "unknown_model",
                f"There is no scoring method '{method[:100]}'.",
                f"Use {CASE_SCORES}.",
            )
        return job_document(services, services.scoring.start())

    @routes.get("/batch/infer", summary="The running or latest batch")
    @routes.get("/scoring/", summary="The running or latest scoring")
    def describe(check_if_running: bool = False) -> JobAnswer:
        return job_document(services, _latest(services, check_if_running))

    @routes.delete("/batch/infer", summary="Stop the batch")
    @routes.delete("/scoring/", summary="Stop the scoring")
    def stop() -> JobAnswer:
        return job_document(services, services.jobs.cancel(_latest(services, running=True).id))

    @routes.post("/train/", include_in_schema=False)
    @routes.post("/train/{model}", summary="Continue meta-training on the confirmed normals")
    def train(model: str = MASK_MODEL, params: dict[str, Any] | None = None) -> JobAnswer:
        if model != MASK_MODEL:
            raise RequestError(
                "unknown_model",
                f"There is no train task '{model[:100]}'.",
                f"Use {MASK_MODEL}.",
            )
        document = params or {}
        # MONAI Label's clients send the parameters of one model, or those of each by its name.
        options = document[model] if isinstance(document.get(model), dict) else document
        support_set = options.get("support_set")
        if not isinstance(support_set, str | None):
            raise RequestError(
                "bad_request", "'support_set' is no text.", "Give the name of a support set."
            )
        return job_document(services, services.planner.start(support_set or None, options))

    @routes.get("/train/", summary="The running or latest training")
    def describe_training(check_if_running: bool = False) -> JobAnswer:
        return job_document(services, _latest(services, check_if_running, JobKind.TRAIN))

    @routes.delete("/train/", summary="Stop the training")
    def stop_training() -> JobAnswer:
        running = _latest(services, running=True, kind=JobKind.TRAIN)
        return job_document(services, services.jobs.cancel(running.id))

    return routes


def _latest(services: Services, running: bool, kind: JobKind = JobKind.SCORE) -> Job:
    for job in services.jobs.all():
        if job.kind is kind and not (running and job.state.finished):
            return job
    doing = "trained" if kind is JobKind.TRAIN else "scored"
    raise RequestError("unknown_job", f"Nothing is being {doing}.", "Start it with POST.")
