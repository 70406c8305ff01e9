"""`/d24fad/v1/support-sets`: named lists of normal studies."""

from fastapi import APIRouter

from monailabel_app.analysis.parameters import MINIMUM_SUPPORTS
from monailabel_app.api.answers.jobs import JobAnswer
from monailabel_app.api.answers.support_sets import (
    MemberAnswer,
    SetQualityAnswer,
    SupportSetAnswer,
    SupportSetList,
)
from monailabel_app.api.job_routes import job_document
from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import MemberBody, SupportSetBody, SupportSetChange
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.requests import QualityRequest
from monailabel_app.normals.quality import Check, SetQuality, StudyQuality
from monailabel_app.normals.support_sets import DEFAULT_SET, Member, SupportSetRecord
from monailabel_app.services import Services


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/support-sets", tags=["D24FAD support sets"])

    @routes.get("", summary="All support sets")
    def list_sets() -> SupportSetList:
        items = []
        for name in services.support_sets.names():
            document = _document(services, services.support_sets.get(name))
            for study in document["studies"]:
                study.pop("quality")
            items.append(document)
        return {"items": items}

    @routes.post("", status_code=201, summary="Create a support set")
    def create_set(body: SupportSetBody) -> SupportSetAnswer:
        members = tuple(Member(image, reviewer=body.reviewer) for image in body.studies)
        record = services.support_sets.create(
            SupportSetRecord(body.name, body.title, body.body_part, body.protocol, members=members)
        )
        _start_check(services, record)
        return _document(services, record)

    @routes.get("/{name}", summary="A support set with the quality of each study")
    def get_set(name: str) -> SupportSetAnswer:
        return _document(services, services.support_sets.get(name))

    @routes.patch("/{name}", summary="Change the words about a support set")
    def change_set(name: str, body: SupportSetChange) -> SupportSetAnswer:
        record = services.support_sets.describe(name, body.title, body.body_part, body.protocol)
        return _document(services, record)

    @routes.delete("/{name}", status_code=204, summary="Delete a support set")
    def delete_set(name: str) -> None:
        services.support_sets.delete(name)

    @routes.post("/{name}/studies", status_code=201, summary="Add a study")
    def add_study(name: str, body: MemberBody) -> SupportSetAnswer:
        member = Member(
            body.image,
            reviewer=body.reviewer,
            note=body.note,
            confirmed_normal=body.confirmed_normal,
        )
        if body.confirmed_normal:
            # Refused before anything is written where the set or the image is unknown.
            services.support_sets.get(name)
            services.images.study(body.image)
            services.reviews.confirm_normal(body.image, body.reviewer, body.note)
        record = services.support_sets.add(name, member)
        _start_check(services, record)
        if body.rescore:
            services.scoring.again(name)
        return _document(services, record)

    @routes.delete("/{name}/studies/{image}", summary="Remove a study from the set")
    def remove_study(name: str, image: str) -> SupportSetAnswer:
        record = services.support_sets.remove(name, image)
        _start_check(services, record)
        return _document(services, record)

    @routes.post("/{name}/quality", status_code=202, summary="Check the set's quality again")
    def check_quality(name: str) -> JobAnswer:
        services.support_sets.get(name)
        return job_document(services, services.jobs.submit(_quality_job(name)))

    return routes


def _document(services: Services, record: SupportSetRecord) -> SupportSetAnswer:
    """A support set as clients see it."""
    known = services.quality.known(record.name)
    states = known.studies if known else {}
    unusable = sum(quality.state == "failed" for quality in states.values())
    return {
        "name": record.name,
        "title": record.title,
        "body_part": record.body_part,
        "protocol": record.protocol,
        "modality": known.modality if known else None,
        "created": record.created or None,
        "version": record.version,
        "read_only": False,
        "is_default": record.name == DEFAULT_SET,
        "usable": len(record.members) - unusable >= MINIMUM_SUPPORTS,
        "hash": services.quality.support_hash(record.name),
        "studies": [
            _member_document(services, member, states.get(member.image))
            for member in record.members
        ],
        "quality": _quality_document(services, record.name, known),
    }


def _member_document(
    services: Services, member: Member, quality: StudyQuality | None
) -> MemberAnswer:
    study = services.images.find(member.image)
    if study is None:
        gone = Check("readable", False, "The study is not on this server any more.")
        quality = StudyQuality("failed", None, (gone,))
    quality = quality or StudyQuality()
    return {
        "image": member.image,
        "added": member.added or None,
        "reviewer": member.reviewer,
        "note": member.note,
        "confirmed_normal": member.confirmed_normal,
        "content_hash": services.images.content_hash(study) if study else None,
        "quality": {
            "state": quality.state,
            "leave_one_out_score": quality.leave_one_out_score,
            "checks": [
                {"name": check.name, "passed": check.passed, "message": check.message}
                for check in quality.checks
            ],
        },
    }


def _quality_document(services: Services, name: str, known: SetQuality | None) -> SetQualityAnswer:
    running = next(
        (
            job
            for job in services.jobs.all()
            if isinstance(job.request, QualityRequest)
            and not job.state.finished
            and job.request.support_set == name
        ),
        None,
    )
    state = "checking" if running else "checked" if known else "unchecked"
    return {
        "state": state,
        "job": running.id if running else None,
        "statement": known.statement if known else "",
    }


def _start_check(services: Services, record: SupportSetRecord) -> None:
    if record.members:
        services.jobs.submit(_quality_job(record.name))


def _quality_job(name: str) -> Job:
    return Job.create(QualityRequest(name))
