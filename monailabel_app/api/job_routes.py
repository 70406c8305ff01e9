"""`/d24fad/v1/jobs`: work with progress and cancel."""

import asyncio
import time
from dataclasses import asdict, fields
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from monailabel_app.analysis.parameters import OPTIONS, parse_parameters, require_known_options
from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import JobBody
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job, JobKind, JobState
from monailabel_app.services import Services
from monailabel_app.times import now
from monailabel_app.training.plan import TrainingOptions

_POLL_SECONDS = 0.1


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/jobs", tags=["D24FAD jobs"])

    @routes.post("", status_code=202, summary="Start a job")
    def start_job(body: JobBody, response: Response) -> dict[str, Any]:
        if body.kind == JobKind.TRAIN.value:
            require_known_options(body.options, [field.name for field in fields(TrainingOptions)])
            job = services.planner.start(body.support_set, body.options)
        else:
            job = services.jobs.submit(_build(services, body))
        document = job_document(services, job)
        response.headers["Location"] = document["links"]["self"]
        return document

    @routes.get("", summary="The jobs of the last day, newest first")
    def list_jobs(state: JobState | None = None, image: str | None = None) -> dict[str, Any]:
        jobs = [
            job
            for job in services.jobs.all()
            if state in (None, job.state) and image in (None, job.request.get("image"))
        ]
        return {"items": [job_document(services, job) for job in jobs]}

    @routes.get("/{job}", summary="A job; with `wait`, as soon as it changes")
    async def get_job(
        job: str,
        wait: Annotated[float, Query(ge=0, le=30, allow_inf_nan=False)] = 0,
        after: Annotated[int | None, Query(ge=0)] = None,
    ) -> dict[str, Any]:
        current = services.jobs.get(job)
        seen = current.version if after is None else after
        end = time.monotonic() + wait
        while current.version <= seen and not current.state.finished and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
            current = services.jobs.get(job)
        return job_document(services, current)

    @routes.delete("/{job}", summary="Cancel a job")
    def cancel_job(job: str) -> dict[str, Any]:
        return job_document(services, services.jobs.cancel(job))

    return routes


def job_document(services: Services, job: Job) -> dict[str, Any]:
    """A job as clients see it."""
    document = asdict(job)
    request = document.pop("request")
    document.pop("attempts")
    return {
        **request,
        **document,
        "queue_position": services.jobs.position(job),
        "links": {
            "self": f"{PREFIX}/jobs/{job.id}",
            "result": f"{PREFIX}/{_collection(job.kind)}/{job.result}" if job.result else None,
        },
    }


def _collection(kind: JobKind) -> str:
    return "checkpoints" if kind is JobKind.TRAIN else "results"


def _build(services: Services, body: JobBody) -> Job:
    """Check a request for a job and put it on record."""
    kind = JobKind(body.kind)
    require_known_options(body.options, OPTIONS)
    options = {**body.options, "support_set": body.support_set, "support": body.support}
    parameters = parse_parameters(options)
    request: dict[str, Any] = {
        "support_set": parameters.support_set,
        "support": body.support,
        "options": parameters.document(),
        "abandon_after_s": body.abandon_after_s,
    }
    if kind is JobKind.DETECT:
        return _detection(services, body, request)
    if parameters.prior is not None:
        raise RequestError(
            "bad_request",
            "'prior' is of one image, and this job is of several.",
            "Leave it out, or start a 'detect' job for the image.",
        )
    request["support_set"] = body.support_set or services.support_sets.default_name
    services.support_sets.get(request["support_set"])
    if kind is JobKind.SCORE:
        for image in body.images or ():
            services.images.study(image)
        request["images"] = body.images
    return Job.create(kind, request)


def _detection(services: Services, body: JobBody, request: dict[str, Any]) -> Job:
    if body.image is None:
        raise RequestError("bad_request", "The job names no image.", "Give 'image'.")
    analysis = services.resolve({**body.options, "image": body.image, **_support_of(request)})
    request.update(
        image=body.image,
        support=[study.name for study in analysis.support],
        support_set=analysis.parameters.support_set if body.support is None else None,
    )
    job = Job.create(JobKind.DETECT, request)
    stored = services.analyses.stored(analysis)
    if stored is None:
        return job
    return job.changed(
        state=JobState.DONE,
        fraction=1.0,
        step="Done",
        started=now(),
        finished=now(),
        result=stored.record.id,
        reused=True,
    )


def _support_of(request: dict[str, Any]) -> dict[str, Any]:
    return {"support": request["support"], "support_set": request["support_set"]}
