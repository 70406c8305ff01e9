"""`/d24fad/v1/jobs`: work with progress and cancel."""

import asyncio
import time
from dataclasses import fields, replace
from typing import Annotated, cast

from fastapi import APIRouter, Query, Response

from monailabel_app.analysis.parameters import (
    OPTIONS,
    AnalysisParameters,
    parse_parameters,
    require_known_options,
)
from monailabel_app.api.answers.jobs import JobAnswer, JobList
from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import JobBody
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job, JobState
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.requests import DetectionRequest, QualityRequest, ScoringRequest
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.services import Services
from monailabel_app.times import now

_POLL_SECONDS = 0.1


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/jobs", tags=["D24FAD jobs"])

    @routes.post("", status_code=202, summary="Start a job")
    def start_job(body: JobBody, response: Response) -> JobAnswer:
        if body.kind == JobKind.TRAIN.value:
            require_known_options(body.options, [field.name for field in fields(TrainingOptions)])
            job = services.planner.start(body.support_set, body.options)
        else:
            job = services.jobs.submit(_build(services, body))
        document = job_document(services, job)
        response.headers["Location"] = document["links"]["self"]
        return document

    @routes.get("", summary="The jobs of the last day, newest first")
    def list_jobs(state: JobState | None = None, image: str | None = None) -> JobList:
        jobs = [
            job
            for job in services.jobs.all()
            if state in (None, job.state) and (image is None or _is_of(job, image))
        ]
        return {"items": [job_document(services, job) for job in jobs]}

    @routes.get("/{job}", summary="A job; with `wait`, as soon as it changes")
    async def get_job(
        job: str,
        wait: Annotated[float, Query(ge=0, le=30, allow_inf_nan=False)] = 0,
        after: Annotated[int | None, Query(ge=0)] = None,
    ) -> JobAnswer:
        current = services.jobs.get(job)
        seen = current.version if after is None else after
        end = time.monotonic() + wait
        while current.version <= seen and not current.state.finished and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
            current = services.jobs.get(job)
        return job_document(services, current)

    @routes.delete("/{job}", summary="Cancel a job")
    def cancel_job(job: str) -> JobAnswer:
        return job_document(services, services.jobs.cancel(job))

    return routes


def job_document(services: Services, job: Job) -> JobAnswer:
    """A job as clients see it."""
    answer = {
        **job.request.document(),
        "id": job.id,
        "kind": job.kind,
        "created": job.created,
        "state": job.state,
        "step": job.step,
        "fraction": job.fraction,
        "version": job.version,
        "started": job.started,
        "finished": job.finished,
        "result": job.result,
        "error": job.error,
        "reused": job.reused,
        "cancel_requested": job.cancel_requested,
        "queue_position": services.jobs.position(job),
        "links": {
            "self": f"{PREFIX}/jobs/{job.id}",
            "result": f"{PREFIX}/{_collection(job.kind)}/{job.result}" if job.result else None,
        },
    }
    return cast("JobAnswer", answer)  # what a request says depends on its kind


def _collection(kind: JobKind) -> str:
    return "checkpoints" if kind is JobKind.TRAIN else "results"


def _is_of(job: Job, image: str) -> bool:
    return isinstance(job.request, DetectionRequest) and job.request.image == image


def _build(services: Services, body: JobBody) -> Job:
    """Check a request for a job and put it on record."""
    require_known_options(body.options, OPTIONS)
    parameters = parse_parameters(
        {**body.options, "support_set": body.support_set, "support": body.support}
    )
    if body.kind == JobKind.DETECT.value:
        return _detection(services, body, parameters)
    if parameters.prior is not None:
        raise RequestError(
            "bad_request",
            "'prior' is of one image, and this job is of several.",
            "Leave it out, or start a 'detect' job for the image.",
        )
    name = body.support_set or services.support_sets.default_name
    services.support_sets.get(name)
    parameters = replace(parameters, support_set=None)
    if body.kind == JobKind.QUALITY.value:
        request = QualityRequest(name, parameters, abandon_after_s=body.abandon_after_s)
        return Job.create(request)
    for image in body.images or ():
        services.images.study(image)
    images = None if body.images is None else tuple(body.images)
    return Job.create(
        ScoringRequest(name, images, parameters, abandon_after_s=body.abandon_after_s)
    )


def _detection(services: Services, body: JobBody, parameters: AnalysisParameters) -> Job:
    if body.image is None:
        raise RequestError("bad_request", "The job names no image.", "Give 'image'.")
    analysis = services.resolve.analysis(body.image, parameters)
    parameters = replace(
        analysis.parameters,
        support=tuple(study.name for study in analysis.support),
        support_set=analysis.parameters.support_set if body.support is None else None,
    )
    request = DetectionRequest(body.image, parameters, abandon_after_s=body.abandon_after_s)
    job = Job.create(request)
    stored_result = services.analyses.find(analysis)
    if stored_result is None:
        return job
    return job.changed(
        state=JobState.DONE,
        fraction=1.0,
        step="Done",
        started=now(),
        finished=now(),
        result=stored_result.record.id,
        reused=True,
    )
