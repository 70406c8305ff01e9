"""`/d24fad/v1/results/{id}/review`: what reviewers decided."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, cast

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from monailabel_app.analysis.results import StoredResult
from monailabel_app.api.answers.reviews import (
    EventAnswer,
    FindingState,
    MaskAnswer,
    PacsAnswer,
    ReviewAnswer,
    StateBefore,
)
from monailabel_app.api.prefix import PREFIX
from monailabel_app.api.request_bodies import EventBody, FinalBody
from monailabel_app.failures import RequestError
from monailabel_app.review.states import Before, FindingReview, Review, ReviewEvent
from monailabel_app.services import Services

_CSV_COLUMNS = (
    "image",
    "result",
    "review_state",
    "finding",
    "finding_state",
    "reviewer",
    "time",
    "note",
    "volume_ml",
    "peak_score",
    "case_score",
)


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=PREFIX, tags=["D24FAD reviews"])

    @routes.get("/results/{result}/review", summary="The review of a result")
    def get_review(result: str) -> ReviewAnswer:
        stored_result = services.results.get(result)
        return _document(services, stored_result, services.reviews.review(stored_result.record))

    @routes.post("/results/{result}/review/events", status_code=201, summary="Append an event")
    def append_event(result: str, body: EventBody) -> ReviewAnswer:
        stored_result = services.results.get(result)
        if body.action in ("edit", "add") and body.mask is None:
            raise RequestError(
                "bad_request",
                f"'{body.action}' comes without a mask.",
                "Send the mask first and give its hash.",
            )
        event = ReviewEvent(
            body.action,
            body.reviewer,
            finding=body.finding,
            note=body.note,
            mask=body.mask if body.action in ("edit", "add") else None,
            undoes=body.event if body.action == "undo" else None,
            key=body.key,
        )
        with _telling_the_review(services, stored_result):
            review = services.reviews.append(stored_result, event, body.expected_version)
        return _document(services, stored_result, review)

    @routes.put("/results/{result}/review/masks/{sha256}", status_code=201, summary="Send a mask")
    async def send_mask(result: str, sha256: str, request: Request) -> MaskAnswer:
        stored_result = services.results.get(result)
        limit = services.configuration.upload_mb << 20
        path = await services.reviews.masks.receive(sha256, stored_result, request.stream(), limit)
        return {"mask": sha256, "bytes": path.stat().st_size}

    @routes.get("/results/{result}/review/masks/{sha256}", summary="A mask that was sent")
    def get_mask(result: str, sha256: str) -> FileResponse:
        services.results.get(result)
        return FileResponse(services.reviews.masks.get(sha256), media_type="application/gzip")

    @routes.put("/results/{result}/review/final", summary="Make and store the final label")
    def store_final(result: str, body: FinalBody) -> ReviewAnswer:
        stored_result = services.results.get(result)
        if body.expected_version is None:
            raise RequestError(
                "bad_request",
                "The final label is asked for without 'expected_version'.",
                "Give the version of the review that the reviewer saw.",
            )
        event = ReviewEvent("final", body.reviewer, note=body.note, mask=body.mask, key=body.key)
        with _telling_the_review(services, stored_result):
            final = services.reviews.store_final(stored_result, event, body.expected_version)
        pacs = services.dicom_results.publish_final(stored_result, final.mask, body.reviewer)
        return {
            **_document(services, stored_result, final.review),
            "pacs": cast("PacsAnswer | None", pacs),
        }

    @routes.get("/results/{result}/review/final", summary="The final label")
    def get_final(result: str) -> FileResponse:
        stored_result = services.results.get(result)
        final = services.reviews.review(stored_result.record).final
        if final is None or final.mask is None:
            raise RequestError(
                "unknown_result",
                f"The result '{result}' has no final label.",
                "Decide every finding and store it: PUT …/review/final.",
            )
        return FileResponse(services.reviews.masks.get(final.mask), media_type="application/gzip")

    @routes.get("/reviews/export", summary="All reviews, as CSV or JSON")
    def export(format: Literal["csv", "json"] = "json", image: str | None = None) -> Response:  # noqa: A002
        reviewed = [services.results.find(result) for result in services.reviews.log.results()]
        selection = [s for s in reviewed if s and image in (None, s.record.image)]
        if image is not None and not selection:
            services.images.study(image)  # one that is known and not reviewed has no rows
        documents = [(s, services.reviews.review(s.record)) for s in selection]
        if format == "csv":
            return Response(
                _csv(documents),
                media_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": 'attachment; filename="reviews.csv"'},
            )
        return JSONResponse({"items": [_document(services, s, review) for s, review in documents]})

    return routes


@contextmanager
def _telling_the_review(services: Services, stored_result: StoredResult) -> Iterator[None]:
    """Put the review as it is now beside the refusal of a client that saw another one."""
    try:
        yield
    except RequestError as error:
        if error.code == "review_changed":
            error.extra = {
                "review": _document(
                    services, stored_result, services.reviews.review(stored_result.record)
                )
            }
        raise


def _document(services: Services, stored_result: StoredResult, review: Review) -> ReviewAnswer:
    lost = services.reviews.log.lost(stored_result.record.id)
    return review_document(stored_result.record.id, stored_result.record.image, review, lost)


def review_document(
    result: str, image: str, review: Review, lost: Sequence[int] = ()
) -> ReviewAnswer:
    """A review as clients see it; `lost` are the numbers of events that were damaged."""
    address = f"{PREFIX}/results/{result}/review"
    final = review.final
    return {
        "result": result,
        "image": image,
        "version": review.version,
        "state": review.state,
        "confirmed_normal": review.confirmed_normal,
        "note": review.note,
        "findings": [_finding_document(finding) for finding in review.findings],
        "final": None
        if final is None
        else {
            "time": final.time,
            "reviewer": final.reviewer,
            "note": final.note,
            "sha256": final.mask,
            "links": {"file": f"{address}/final"},
        },
        "events": [_event_document(review, event) for event in review.events],
        "lost_events": list(lost),
    }


def _finding_document(finding: FindingReview) -> FindingState:
    return {
        "finding": finding.finding,
        "state": finding.state,
        "reviewer": finding.reviewer,
        "time": finding.time,
        "note": finding.note,
        "mask": finding.mask,
        "added": finding.added,
    }


def _event_document(review: Review, event: ReviewEvent) -> EventAnswer:
    before = review.before.get(event.event)
    return {
        "action": event.action,
        "reviewer": event.reviewer,
        "event": event.event,
        "time": event.time,
        "finding": event.finding,
        "note": event.note,
        "mask": event.mask,
        "undoes": event.undoes,
        "marked": event.marked,
        "key": event.key,
        "undone": event.event in review.undone,
        "before": None if before is None else _before_document(before),
    }


def _before_document(before: Before) -> StateBefore:
    finding = before.finding
    return {
        "finding": None if finding is None else _finding_document(finding),
        "note": before.note,
    }


def _csv(documents: list[tuple[StoredResult, Review]]) -> str:
    """One line for each finding, and one for each study without any."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for stored_result, review in documents:
        measured = {finding.rank: finding for finding in stored_result.findings}
        common = {
            "image": stored_result.record.image,
            "result": stored_result.record.id,
            "review_state": review.state,
            "case_score": f"{stored_result.record.case_score:.3f}",
        }
        for finding in review.findings:
            known = measured.get(finding.finding)
            writer.writerow(
                {
                    **common,
                    "finding": finding.finding,
                    "finding_state": finding.state,
                    "reviewer": _plain(finding.reviewer),
                    "time": finding.time or "",
                    "note": _plain(finding.note),
                    "volume_ml": f"{known.volume_ml:.3f}" if known else "",
                    "peak_score": f"{known.peak_score:.3f}" if known else "",
                }
            )
        if not review.findings:
            last = review.events[-1]
            writer.writerow(
                {
                    **common,
                    "reviewer": _plain(last.reviewer),
                    "time": last.time,
                    "note": _plain(last.note),
                }
            )
    return text.getvalue()


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
