"""`/d24fad/v1/results`: stored analyses and their files."""

import tempfile
from enum import Enum
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.export.wording import case_score_sentence
from monailabel_app.analysis.dicom_results import DicomKind, dicom_bytes, stored_objects
from monailabel_app.analysis.encodings import (
    Encoding,
    label_volume,
    read_scores,
    write_heatmap,
    write_labels,
)
from monailabel_app.analysis.results import ResultRecord, StoredResult
from monailabel_app.analysis.stored_change import no_prior
from monailabel_app.api.answers.results import (
    Report,
    ResultAnswer,
    ResultList,
    StoredObject,
    StoredObjects,
)
from monailabel_app.api.prefix import PREFIX
from monailabel_app.failures import RequestError
from monailabel_app.services import Services

_NIFTI = "application/gzip"


class ChangePart(str, Enum):
    """The files of a comparison with a prior, see `StoredChange`."""

    HEATMAP = "heatmap"
    RANKS = "ranks"
    PRIOR = "prior"
    PICTURE = "picture"


def router(services: Services) -> APIRouter:
    """The routes, bound to the services."""
    routes = APIRouter(prefix=f"{PREFIX}/results", tags=["D24FAD results"])

    @routes.get("", summary="Stored results, newest first")
    def list_results(image: str | None = None) -> ResultList:
        return {"items": [record_document(record) for record in services.results.records(image)]}

    @routes.get("/{result}", summary="A result with its report")
    def get_result(result: str) -> ResultAnswer:
        stored_result = services.results.get(result)
        record, report = stored_result.record, stored_result.report
        answer: ResultAnswer = {**record_document(record), "report": report}
        normals = report.get("calibration", {}).get("normal_case_scores")
        if normals:
            answer["case_sentence"] = case_score_sentence(record.case_score, normals)
        return answer

    @routes.get("/{result}/report", summary="The report alone")
    def get_report(result: str) -> Report:
        return services.results.get(result).report

    @routes.get("/{result}/heatmap", summary="The heatmap, .nii.gz")
    def get_heatmap(result: str, encoding: Encoding = Encoding.UINT8) -> Response:
        stored_result = services.results.get(result)
        if encoding is not Encoding.FLOAT32:
            path = stored_result.preview if encoding is Encoding.UINT8 else stored_result.heatmap
            return _file(stored_result, path, "heatmap.nii.gz", _NIFTI)
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            path = Path(folder) / "heatmap.nii.gz"
            write_heatmap(*read_scores(stored_result.heatmap), path, encoding)
            return _content(stored_result, path.read_bytes(), "heatmap.nii.gz")

    @routes.get("/{result}/mask", summary="The mask, .nii.gz")
    def get_mask(result: str, labels: Literal["mask", "findings"] = "mask") -> Response:
        stored_result = services.results.get(result)
        if labels == "mask":
            return _file(stored_result, stored_result.mask, "mask.nii.gz", _NIFTI)
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            path = Path(folder) / "findings.nii.gz"
            write_labels(*label_volume(stored_result.mask, stored_result.findings), path)
            return _content(stored_result, path.read_bytes(), "findings.nii.gz")

    @routes.get("/{result}/overlay", summary="The slices with the highest scores, PNG")
    def get_overlay(result: str) -> Response:
        stored_result = services.results.get(result)
        path = services.overlays.of(stored_result)
        return _file(stored_result, path, "overlay.png", "image/png")

    @routes.get("/{result}/change/{part}", summary="Part of the comparison with the prior")
    def get_change(result: str, part: ChangePart) -> Response:
        stored_result = services.results.get(result)
        if stored_result.change is None:
            raise no_prior(result)
        kind = "image/png" if part is ChangePart.PICTURE else _NIFTI
        path: Path = getattr(stored_result.change, part.value)
        return _file(stored_result, path, path.name, kind)

    @routes.get("/{result}/dicom/{kind}", summary="A DICOM object of the result")
    def get_dicom(result: str, kind: DicomKind) -> Response:
        stored_result = services.results.get(result)
        dataset = services.dicom_results.object(stored_result, kind)
        name = f'attachment; filename="{kind.value}.dcm"'
        return Response(
            dicom_bytes(dataset),
            media_type="application/dicom",
            headers={"Content-Disposition": name},
        )

    @routes.post("/{result}/dicom", status_code=201, summary="Send the DICOM objects to the PACS")
    def publish(result: str) -> StoredObjects:
        objects = services.dicom_results.objects(services.results.get(result))
        services.dicom_results.publish(objects)
        return {"items": cast("list[StoredObject]", stored_objects(objects))}

    @routes.delete("/{result}", status_code=204, summary="Remove a result")
    def remove(result: str) -> None:
        stored_result = services.results.get(result)
        if services.reviews.review(stored_result.record).events:
            raise RequestError(
                "in_use", f"The result '{result}' was reviewed.", "Keep it: the review rests on it."
            )
        services.results.remove(result)

    return routes


def record_document(record: ResultRecord) -> ResultAnswer:
    """What clients are told of a result, without its report."""
    address = f"{PREFIX}/results/{record.id}"
    return {
        "id": record.id,
        "image": record.image,
        "image_sha256": record.image_sha256,
        "support_set": record.support_set,
        "support": list(record.support),
        "support_hash": record.support_hash,
        "checkpoint_hash": record.checkpoint_hash,
        "options": record.options,
        "comparison": record.compared_by.value,
        "comparison_reason": record.comparison_reason,
        "case_score": record.case_score,
        "peak_score": record.peak_score,
        "threshold": record.threshold,
        "finding_count": record.finding_count,
        "created": record.created,
        "version": record.version,
        "schema": record.schema,
        "warnings": [
            {"code": warning.code, "sentence": warning.sentence, "remedy": warning.remedy}
            for warning in record.warnings
        ],
        "notice": RESEARCH_USE_ONLY,
        "links": {
            "self": address,
            "report": f"{address}/report",
            "heatmap": f"{address}/heatmap",
            "mask": f"{address}/mask",
            "overlay": f"{address}/overlay",
            "review": f"{address}/review",
            "image": f"{PREFIX}/images/{quote(record.image, safe='')}",
        },
    }


def _headers(stored_result: StoredResult, name: str) -> dict[str, str]:
    # A result's id is the hash of its inputs, so what lies under it never changes.
    return {
        "ETag": f'"{stored_result.record.id}"',
        "Cache-Control": "private, immutable, max-age=31536000",
        "Content-Disposition": f'attachment; filename="{name}"',
    }


def _file(stored_result: StoredResult, path: Path, name: str, kind: str) -> Response:
    return FileResponse(path, media_type=kind, headers=_headers(stored_result, name))


def _content(stored_result: StoredResult, content: bytes, name: str) -> Response:
    return Response(content, media_type=_NIFTI, headers=_headers(stored_result, name))
