"""`/d24fad/v1/images`, `/uploads` and `/next`: the studies, sending one, and which is next."""

import re
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from monailabel_app.api.answers.images import ImageAnswer, ImageList, NextCase, UploadAnswer
from monailabel_app.api.prefix import PREFIX
from monailabel_app.failures import RequestError
from monailabel_app.review.worklist import Entry, Strategy
from monailabel_app.services import Services
from monailabel_app.studies.images import Study
from monailabel_app.studies.receiving import receive_file, too_large

_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_IMAGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=PREFIX, tags=["D24FAD images"])

    @routes.get("/images", summary="Every image with its review state")
    def list_images(state: str | None = None, support_set: str | None = None) -> ImageList:
        entries = services.worklist.entries(_set_name(services, support_set))
        return {
            "items": [
                _document(services, entry) for entry in entries if state in (None, entry.state)
            ]
        }

    @routes.get("/images/{image}", summary="An image with its review state")
    def get_image(image: str, support_set: str | None = None) -> ImageAnswer:
        services.images.study(image)
        entries = services.worklist.entries(_set_name(services, support_set))
        return next(_document(services, entry) for entry in entries if entry.image == image)

    @routes.get("/images/{image}/file", summary="The image's file")
    def get_file(image: str, format: Literal["nifti"] | None = None) -> FileResponse:  # noqa: A002
        study = services.images.study(image)
        # A DICOM series has no one file to send as it is.
        if format is None and study.path.is_file():
            path, name = study.path, study.path.name
        else:
            path = services.nifti_copies.file(study)
            name = path.name if path == study.path else f"{image}.nii.gz"
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    @routes.get("/uploads/{sha256}", summary="Is a file with this hash here?")
    @routes.head("/uploads/{sha256}", summary="Is a file with this hash here?", operation_id="has")
    def find_upload(
        sha256: str, length: Annotated[int | None, Query(alias="bytes", ge=0)] = None
    ) -> UploadAnswer:
        _check_hash(sha256)
        image = services.images.holder(sha256, length)
        if image is None:
            raise RequestError(
                "unknown_upload",
                f"No image with the hash {sha256} is here.",
                "Send it with PUT to the same address.",
            )
        return _upload_document(services, image, sha256)

    @routes.put("/uploads/{sha256}", status_code=201, summary="Send an image")
    async def upload(
        sha256: str, request: Request, response: Response, name: str | None = None
    ) -> UploadAnswer:
        _check_hash(sha256)
        if services.studies_kind != "folder":
            raise RequestError(
                "uploads_not_supported",
                "The studies of this server come from a PACS.",
                "Send the series to the PACS and choose it by its series instance UID.",
            )
        length = _content_length(request, services.configuration.upload_mb << 20)
        known = await run_in_threadpool(services.images.holder, sha256, length)
        if known is not None:
            response.status_code = 200
            return _upload_document(services, known, sha256)
        image, suffix = _image_name(name, sha256)
        target = services.studies_folder / f"{image}{suffix}"
        with services.images.reserve(image):
            await receive_file(
                request.stream(),
                target,
                sha256,
                services.configuration.upload_mb << 20,
                lambda received: _accept(services, Study(image, received), sha256),
            )
            return await run_in_threadpool(_register, services, image, target)

    @routes.get("/next", summary="The next case to review")
    def next_case(
        strategy: Strategy = Strategy.MOST_ANOMALOUS,
        support_set: str | None = None,
        exclude: Annotated[list[str] | None, Query()] = None,
    ) -> NextCase:
        choice = services.worklist.next(strategy, _set_name(services, support_set), exclude or ())
        if choice is None:
            raise RequestError(
                "nothing_left", "Every image is reviewed.", "Add studies, or reopen a review."
            )
        return {
            "image": choice.entry.image,
            "strategy": strategy.value,
            "case_score": choice.entry.case_score,
            "result": choice.entry.result,
            "state": choice.entry.state,
            "remaining": choice.remaining,
            "reason": choice.reason,
        }

    return routes


def _set_name(services: Services, name: str | None) -> str:
    return services.support_sets.get(name or services.support_sets.default_name).name


def _document(services: Services, entry: Entry) -> ImageAnswer:
    return {
        "image": entry.image,
        "state": entry.state,
        "labels": list(entry.labels),
        "result": entry.result,
        "case_score": entry.case_score,
        "threshold": entry.threshold,
        "support_sets": list(entry.support_sets),
        "confirmed_normal": entry.confirmed_normal,
        "title": services.images.title(entry.image),
        "sha256": services.images.hash_if_known(entry.image),
    }


def _accept(services: Services, study: Study, sha256: str) -> None:
    """Refuse a file that cannot be read as a volume; note the others before they are listed."""
    study.volume()
    services.images.uploads.add(study.name, sha256)


def _register(services: Services, image: str, path: Path) -> UploadAnswer:
    """Make a file in the studies folder an image of the server."""
    services.datastore.add_image(image, str(path), {})
    return _upload_document(services, image, services.images.content_hash(Study(image, path)))


def _upload_document(services: Services, image: str, sha256: str) -> UploadAnswer:
    return {
        "image": image,
        "sha256": sha256,
        "bytes": services.images.study(image).path.stat().st_size,
    }


def _check_hash(sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise RequestError(
            "bad_identifier",
            f"{sha256[:80]!r} is no SHA-256 hash.",
            "Give 64 lower-case hexadecimal digits.",
        )


def _content_length(request: Request, limit: int) -> int:
    header = request.headers.get("content-length", "")
    if not header.isdigit():
        raise RequestError(
            "length_required", "The request has no Content-Length.", "Send the file's length."
        )
    if int(header) > limit:
        raise too_large(limit)
    return int(header)


def _image_name(name: str | None, sha256: str) -> tuple[str, str]:
    """The image id and the type of a file that is sent."""
    if name is None:
        return f"upload-{sha256[:12]}", ".nii.gz"
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), None)
    image = name[: -len(suffix)] if suffix else name
    if suffix is None or not _IMAGE_ID.fullmatch(image) or ".." in image:
        raise RequestError(
            "bad_identifier",
            f"An image cannot be called {Path(name).name[:100]!r}.",
            "Use at most 64 letters, digits, '_', '-' and '.', "
            f"and end it in one of {', '.join(_SUFFIXES)}.",
        )
    return image, suffix
